"""The charts of the summary sheet: shares of the grades, over all and by period."""

from collections.abc import Mapping

from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from embryofrag.report.contents import Contents
from embryofrag.report.highlights import GRADE_FILLS

_CHART_COLUMN = 6
"""Right of the first two tables; the third is wider and lies below the charts."""
_HEIGHT_PX = 290


def add_share_charts(book: Workbook, sheet: Worksheet, contents: Contents, starts: Mapping[str, int]) -> None:
    """Add the charts beside the tables that they draw.

    Args:
        book: The workbook.
        sheet: Its summary sheet.
        contents: Whose tables stand on it.
        starts: Row of each table's header.
    """
    tables = {table.name: table.data for table in contents.sections["summary"]}
    grades = contents.results.grading.grade_scheme.grades
    if tables["grades"]["embryos"].sum() == 0:
        return
    overall = book.add_chart({"type": "column"})
    first, last = starts["grades"] + 1, starts["grades"] + len(grades)
    overall.add_series(
        {
            "name": "share of graded embryos",
            "categories": ["summary", first, 0, last, 0],
            "values": ["summary", first, 2, last, 2],
            "points": [{"fill": {"color": fill}, "border": {"color": "#7F7F7F"}} for fill in GRADE_FILLS],
            "data_labels": {"value": True},
            "gap": 60,
        }
    )
    overall.set_title({"name": "Grades of all graded embryos", "name_font": {"size": 12}})
    overall.set_y_axis({"num_format": "0%", "min": 0, "name": "share of graded embryos"})
    overall.set_legend({"none": True})
    overall.set_size({"width": 380, "height": _HEIGHT_PX})
    sheet.insert_chart(2, _CHART_COLUMN, overall, {"object_position": 3})
    by_period = book.add_chart({"type": "column", "subtype": "percent_stacked"})
    first, last = starts["by_period"] + 1, starts["by_period"] + len(tables["by_period"])
    for grade, fill in zip(grades, GRADE_FILLS, strict=False):
        column = tables["by_period"].columns.get_loc(f"share_{grade}")
        by_period.add_series(
            {
                "name": grade,
                "categories": ["summary", first, 0, last, 0],
                "values": ["summary", first, column, last, column],
                "fill": {"color": fill},
                "border": {"color": "#7F7F7F"},
                "gap": 30,
            }
        )
    by_period.set_title({"name": "Grades over time", "name_font": {"size": 12}})
    by_period.set_y_axis({"num_format": "0%", "name": "share of graded embryos"})
    by_period.set_size({"width": 760, "height": _HEIGHT_PX})
    sheet.insert_chart(2, _CHART_COLUMN, by_period, {"object_position": 3, "x_offset": 390})
