"""report.xlsx: one sheet a section, with charts of the spreadsheet's own."""

from pathlib import Path

from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from embryofrag.report.about import RESEARCH_USE, UNTRAINED_WARNING, is_trained
from embryofrag.report.cells import HEADER_ROW, Formats, column_widths, make_formats, write_table
from embryofrag.report.contents import Contents, Table
from embryofrag.report.control_sheet import write_control_sheet
from embryofrag.report.embryo_sheet import write_embryo_sheet, write_frame_sheet
from embryofrag.report.highlights import add_highlights
from embryofrag.report.pictures import Album
from embryofrag.report.share_charts import add_share_charts
from embryofrag.run.atomic import open_atomic

_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "nan_inf_to_errors": False,
}
"""Rows go out as they come, and no text is ever taken for anything else."""


def write_workbook(contents: Contents, album: Album, path: Path) -> None:
    """Write the workbook, whole or not at all.

    Args:
        contents: What to write.
        album: Pictures of the embryos.
        path: Where to; links to masks are relative to its folder.

    Raises:
        OutputError: it cannot be written.
    """
    with open_atomic(path) as file, Workbook(file, _OPTIONS) as book:
        book.set_properties({"title": "embryofrag report", "comments": RESEARCH_USE})
        formats = make_formats(book)
        for name, tables in contents.sections.items():
            sheet = book.add_worksheet(name)
            if name == "embryos":
                placed = [(write_embryo_sheet(sheet, formats, contents, album, path.parent), HEADER_ROW)]
            elif name == "frames":
                placed = [(write_frame_sheet(sheet, formats, tables[0]), HEADER_ROW)]
            elif name == "control":
                placed = [write_control_sheet(book, sheet, formats, contents)]
            else:
                placed = _write_tables(sheet, formats, tables)
            if name == "summary":
                add_share_charts(book, sheet, contents, {table.name: row for table, row in placed})
            for table, row in placed:
                add_highlights(book, sheet, table, contents.results.grading.grade_scheme, row)
            _set_up_print(sheet, name, is_trained(contents.results))


def _write_tables(sheet: Worksheet, formats: Formats, tables: tuple[Table, ...]) -> list[tuple[Table, int]]:
    """Tables below each other; returns them with the rows of their headers."""
    widths = column_widths(tables)
    for column, width in enumerate(widths):
        sheet.set_column(column, column, width)
    row, placed = 0, []
    for table in tables:
        placed.append((table, row + HEADER_ROW))
        row = write_table(sheet, formats, table, row, widths)
    return placed


def _set_up_print(sheet: Worksheet, name: str, trained: bool) -> None:
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)
    sheet.set_margins(left=0.4, right=0.4, top=0.6, bottom=0.6)
    sheet.set_header(f"&L{name}&R{'' if trained else UNTRAINED_WARNING}")
    sheet.set_footer(f"&L&8{RESEARCH_USE}&R&P of &N")
