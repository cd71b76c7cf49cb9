"""Conditional formats: what a reader should see first, by the name of the column."""

from xlsxwriter import Workbook
from xlsxwriter.utility import xl_rowcol_to_cell
from xlsxwriter.worksheet import Worksheet

from embryofrag.grading.schemes import Scheme
from embryofrag.report.contents import Table

RED, ORANGE, GREY = "#F8CBAD", "#FFE699", "#D9D9D9"
GRADE_FILLS = ("#E2EFDA", "#FFF2CC", "#FCE4D6", "#F8CBAD")
"""From the least to the most fragmented; the letter stands in the cell, so that nothing hangs on the colour."""


def add_highlights(book: Workbook, sheet: Worksheet, table: Table, scheme: Scheme, start: int) -> None:
    """Colour a table's cells by what they hold.

    Args:
        book: For the formats.
        sheet: That holds the table.
        table: Its data.
        scheme: For the order of the grades.
        start: Row of its header, from 0.
    """
    num_rows = len(table.data)
    if not num_rows:
        return
    columns = {name: place for place, name in enumerate(table.data.columns)}
    for name, place in columns.items():
        for rule in _rules(name, columns, scheme, start + 1):
            fill = rule.pop("fill", None)
            cell_format = {"format": book.add_format({"bg_color": fill})} if fill else {}
            sheet.conditional_format(start + 1, place, start + num_rows, place, rule | cell_format)


def _rules(name: str, columns: dict[str, int], scheme: Scheme, first_row: int) -> list[dict]:
    """Rules of one column; a formula here only compares cells of the same row."""
    if name in ("grade", "final_grade", "machine_grade"):
        fills = zip(scheme.grades, GRADE_FILLS, strict=False)
        return [{"type": "cell", "criteria": "==", "value": f'"{grade}"', "fill": fill} for grade, fill in fills]
    if name in ("referred", "in_trouble"):
        return [{"type": "cell", "criteria": "==", "value": '"yes"', "fill": ORANGE}]
    if name == "flags":
        cell = _cell(columns[name], first_row)
        beyond = {"type": "formula", "criteria": f'=AND({cell}<>"",{cell}<>"1_2s")', "fill": RED, "stop_if_true": True}
        return [beyond, {"type": "cell", "criteria": "==", "value": '"1_2s"', "fill": ORANGE}]
    if name == "in_baseline":
        return [{"type": "cell", "criteria": "==", "value": '"yes"', "fill": GREY}]
    if name == "psi":
        bound = _cell(columns["psi_by_chance"], first_row)
        value = _cell(columns[name], first_row)
        return [{"type": "formula", "criteria": f"=AND(ISNUMBER({value}),{value}>{bound})", "fill": ORANGE}]
    if name == "difference":
        low, high = (_cell(columns[f"difference_{end}95"], first_row) for end in ("low", "high"))
        return [{"type": "formula", "criteria": f"=AND(ISNUMBER({low}),{low}*{high}>0)", "fill": ORANGE}]
    if name == "share":
        return [{"type": "data_bar", "bar_solid": True, "bar_color": "#9DC3E6", "min_type": "num", "min_value": 0,
                 "max_type": "num", "max_value": 1}]  # fmt: skip
    return []


def _cell(column: int, row: int) -> str:
    return xl_rowcol_to_cell(row, column, col_abs=True)
