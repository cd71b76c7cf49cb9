"""The control sheet: charts first, their points below."""

import numpy as np
from xlsxwriter import Workbook
from xlsxwriter.chart import Chart
from xlsxwriter.worksheet import Worksheet

from embryofrag.report.cells import Formats, column_widths, write_table
from embryofrag.report.contents import Contents, Table
from embryofrag.report.control import ALL_INSTRUMENTS, MEASURES, SHARE, ControlChart
from embryofrag.statistics.control import WARNING_RULE

MAX_CHARTS = 20
"""Charts that are drawn: of all instruments, of the ratio, and those out of control. The table has every point."""
_ACROSS, _WIDTH_PX, _HEIGHT_PX = 2, 760, 300
_ROWS_PER_CHART = 16
_LINES = (
    ("centre", "centre", "#548235", "solid"),
    ("upper_2s", "2 s", "#BF9000", "dash"),
    ("lower_2s", "2 s", "#BF9000", "dash"),
    ("upper_3s", "3 s", "#C00000", "dash"),
    ("lower_3s", "3 s", "#C00000", "dash"),
)
"""Column, name in the legend, colour, dash; the lower limits are left out of the legend."""
_OUT, _MARK = "out_of_control", "changed_at"
"""Columns for the charts alone: the value where a rule beyond the warning is raised, and at a known change."""


def write_control_sheet(book: Workbook, sheet: Worksheet, formats: Formats, contents: Contents) -> tuple[Table, int]:
    """Write charts and points.

    Returns:
        The points as they stand on the sheet, and the row of their header.
    """
    (table,) = contents.sections["control"]
    points = _with_marks(table)
    widths = column_widths((points,))
    for column, width in enumerate(widths):
        sheet.set_column(column, column, width)
    shown = choose_charts(contents.charts)
    top = 3 + _ROWS_PER_CHART * -(-len(shown) // _ACROSS) if shown else 0
    start = top + 2
    first_rows = np.cumsum([start + 1, *(len(chart.points) for chart in contents.charts)])
    placed = [(chart, int(row)) for chart, row in zip(contents.charts, first_rows, strict=False) if chart in shown]
    sheet.write_string(0, 0, "Control charts", formats.title)
    for place, (chart, first_row) in enumerate(placed):
        drawn = _draw(book, chart, first_row, list(points.data.columns))
        across, down = place % _ACROSS, place // _ACROSS
        offset = {"x_offset": across * (_WIDTH_PX + 10), "object_position": 3}
        sheet.insert_chart(1 + down * _ROWS_PER_CHART, 0, drawn, offset)
    write_table(sheet, formats, points, top, widths)
    sheet.autofilter(start, 0, start + len(points.data), len(points.data.columns) - 1)
    return points, start


def choose_charts(charts: tuple[ControlChart, ...]) -> list[ControlChart]:
    """The charts to draw, in their order."""
    of_use = [
        chart
        for chart in charts
        if len(chart.points)
        and (chart.instrument == ALL_INSTRUMENTS or chart.measure == "ratio" or chart.is_out_of_control)
    ]
    return of_use[:MAX_CHARTS]


def _with_marks(table: Table) -> Table:
    """The points with the two columns that only the charts need."""
    data = table.data
    is_out = data["flags"].map(lambda flags: bool(set(flags.split()) - {WARNING_RULE})).astype(bool)
    marked = data.assign(
        **{_OUT: data["value"].where(is_out), _MARK: data["value"].where(data["change"] != "")},
        flags=data["flags"].mask(data["flags"] == ""),
        change=data["change"].mask(data["change"] == ""),
    )
    return Table(name=table.name, title="Points of the control charts", note=table.note, data=marked)


def _draw(book: Workbook, chart: ControlChart, first_row: int, columns: list[str]) -> Chart:
    """One Levey-Jennings or p-chart over the rows of its points."""
    last_row = first_row + len(chart.points) - 1

    def cells(name: str) -> list:
        place = columns.index(name)
        return ["control", first_row, place, last_row, place]

    drawn = book.add_chart({"type": "line"})
    categories = cells("period")
    small = len(chart.points) <= 40
    drawn.add_series(
        {
            "name": "value",
            "categories": categories,
            "values": cells("value"),
            "line": {"color": "#1F4E79", "width": 1.5},
            "marker": {"type": "circle", "size": 5 if small else 3, "fill": {"color": "#1F4E79"}},
        }
    )
    for name, shown, colour, dash in _LINES:
        line = {"color": colour, "width": 1.25, "dash_type": dash}
        drawn.add_series({"name": shown, "categories": categories, "values": cells(name), "line": line})
    drawn.add_series(
        {
            "name": "out of control",
            "categories": categories,
            "values": cells(_OUT),
            "line": {"none": True},
            "marker": {"type": "diamond", "size": 9, "fill": {"color": "#C00000"}, "border": {"color": "#C00000"}},
        }
    )
    drawn.add_series(_change_series(chart, categories, cells(_MARK)))
    is_share = MEASURES[chart.measure].kind == SHARE
    drawn.set_title({"name": chart.title, "name_font": {"size": 12}, "overlay": False})
    drawn.set_x_axis({"num_font": {"rotation": -45, "size": 8}, "interval_unit": max(1, len(chart.points) // 26)})
    drawn.set_y_axis(_value_axis(chart) | {"num_format": "0%" if is_share else "0.000", "num_font": {"size": 8}})
    drawn.set_legend({"position": "bottom", "font": {"size": 8}, "delete_series": [3, 5]})
    drawn.show_blanks_as("gap")
    drawn.set_size({"width": _WIDTH_PX, "height": _HEIGHT_PX})
    return drawn


def _change_series(chart: ControlChart, categories: list, values: list) -> dict:
    """Markers with words where something was changed."""
    labels = [{"value": text} if text else {"delete": True} for text in chart.points["change"]]
    return {
        "name": "known change",
        "categories": categories,
        "values": values,
        "line": {"none": True},
        "marker": {"type": "triangle", "size": 10, "fill": {"color": "#7030A0"}, "border": {"color": "#7030A0"}},
        "data_labels": {"value": True, "custom": labels, "position": "above", "font": {"size": 8, "color": "#7030A0"}},
    }


def _value_axis(chart: ControlChart) -> dict:
    """Room for every point and limit, not down to 0 where nothing is near."""
    values = chart.points[["value", "lower_3s", "upper_3s"]].to_numpy(np.float64)
    low, high = np.nanmin(values), np.nanmax(values)
    room = 0.1 * (high - low) or 0.05
    low, high = np.floor((low - room) * 50) / 50, np.ceil((high + room) * 50) / 50
    return {"min": max(0.0, float(low)), "max": min(1.0, float(high))}
