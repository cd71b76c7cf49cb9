"""Cells of the workbook: which format a column has, and how a table is written row by row."""

import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from embryofrag.report.contents import Table

HEADER_ROW = 2
"""Row of a table's header below its first row, which holds the title; the note lies between."""
MAX_ROWS = 1_000_000
"""Rows of one table that a sheet holds; its CSV holds them all."""
MAX_WIDTH, MIN_WIDTH = 58, 7
"""Characters of a column."""
NOTE_COLUMNS = 10
"""Columns that a note spans."""
_SAMPLED_ROWS = 500
_ROWS_AT_ONCE = 5000
_LINE_PT = 15.0
_USUAL_WIDTH = 8.4
"""Characters of a column that nothing was set for."""
_NUMBER_CHARACTERS = {"date": 10, "share": 5, "small": 6, "hours": 5, "truth": 5, "link": 5}


@dataclass(frozen=True, kw_only=True)
class Formats:
    """Formats of one workbook, by what they are for."""

    title: Format
    note: Format
    header: Format
    body: dict[str, Format]
    """By `kind_of` column."""


def make_formats(book: Workbook) -> Formats:
    """Add the formats to a workbook."""
    body = {"whole": "0", "ratio": "0.000", "share": "0.0%", "small": "0.0000", "hours": "0.0"}
    body["date"] = "yyyy-mm-dd"
    top, grey = {"valign": "top"}, {"font_color": "#7F7F7F"}
    return Formats(
        title=book.add_format({"bold": True, "font_size": 14, "font_color": "#1F3864"}),
        note=book.add_format({"text_wrap": True, "valign": "top", "font_color": "#444444", "italic": True}),
        header=book.add_format(
            {"bold": True, "text_wrap": True, "valign": "bottom", "bottom": 1, "bg_color": "#DCE6F1"}
        ),
        body={kind: book.add_format(top | {"num_format": number}) for kind, number in body.items()}
        | {f"{kind} end": book.add_format(top | grey | {"num_format": body[kind]}) for kind in ("ratio", "share")}
        | {
            "text": book.add_format(top | {"num_format": "@", "align": "left", "indent": 1}),
            "truth": book.add_format(top | {"align": "center"}),
            "long": book.add_format(top | {"num_format": "@", "align": "left", "indent": 1, "text_wrap": True}),
            "link": book.add_format(top | {"font_color": "#0563C1", "underline": 1}),
        },
    )


def kind_of(name: str, values: pd.Series) -> str:
    """Kind of a column, by its type and then by its name.

    >>> kind_of("share_A", pd.Series([0.5])), kind_of("n", pd.Series([1])), kind_of("ks_p", pd.Series([0.01]))
    ('share', 'whole', 'small')
    """
    types = pd.api.types
    if types.is_datetime64_any_dtype(values):
        return "date"
    if types.is_bool_dtype(values):
        return "truth"
    if types.is_integer_dtype(values):
        return "whole"
    if types.is_float_dtype(values):
        if name.startswith(("hpi", "focal")):
            return "hours"
        if name.endswith("_p"):
            return "small"
        return "share" if name.startswith("share") else "ratio"
    if name == "mask":
        return "link"
    return "long" if name in ("meaning", "value", "reason", "why", "change") else "text"


def write_table(sheet: Worksheet, formats: Formats, table: Table, row: int, widths: Sequence[float]) -> int:
    """Write title, note, header and rows of a table; returns the first free row behind it.

    Rows go out one after the other, so that the workbook's memory does not grow with them. Text is always written as
    text: no cell becomes a formula, a link or a number by what it says.

    Args:
        sheet: Where to.
        formats: Of its workbook.
        table: What.
        row: First row, from 0.
        widths: Of the sheet's columns, in characters.
    """
    data = table.data.head(MAX_ROWS)
    note = table.note + (f" Only the first {MAX_ROWS} rows; the CSV has all." if len(data) < len(table.data) else "")
    sheet.write_string(row, 0, table.title, formats.title)
    sheet.set_row(row + 1, _LINE_PT * _lines(note, _note_width(widths)))
    sheet.merge_range(row + 1, 0, row + 1, NOTE_COLUMNS - 1, "", formats.note)
    sheet.write_string(row + 1, 0, note, formats.note)
    sheet.set_row(row + 2, _LINE_PT * max((_heading_lines(name, data[name]) for name in data.columns), default=1))
    for column, name in enumerate(data.columns):
        sheet.write_string(row + 2, column, heading(name), formats.header)
    writers = [_writer(sheet, formats, column, name, data[name]) for column, name in enumerate(data.columns)]
    is_long = [kind_of(name, data[name]) == "long" for name in data.columns]
    for place, values in enumerate(_plain_rows(data), row + HEADER_ROW + 1):
        if True in is_long:
            lines = max(_lines(one, MAX_WIDTH) for one, long in zip(values, is_long, strict=True) if long)
            sheet.set_row(place, _LINE_PT * lines if lines > 1 else None)
        for write, value in zip(writers, values, strict=True):
            if value is not None:
                write(place, value)
    return row + 4 + len(data)


def _plain_rows(data: pd.DataFrame) -> Iterator[tuple]:
    """Rows of plain values, None where missing; a part of the table at a time, since objects take much memory."""
    for start in range(0, len(data), _ROWS_AT_ONCE):
        part = data.iloc[start : start + _ROWS_AT_ONCE]
        yield from part.astype(object).where(part.notna(), None).itertuples(index=False, name=None)


def _lines(text: str | None, width: int) -> int:
    """Lines that a text takes in a cell of so many characters.

    >>> _lines("four words of text", 10), _lines(None, 10)
    (2, 1)
    """
    return max(1, -(-len(text or "") // width))


def heading(name: str) -> str:
    """A column's name as a header shows it, so that it can break into lines.

    >>> heading("share_above_25_low95")
    'share above 25 low95'
    """
    return str(name).replace("_", " ")


def _heading_lines(name: str, values: pd.Series) -> int:
    """Lines of a heading that breaks between words within its column."""
    return len(textwrap.wrap(heading(name), max(1, int(_width(name, values)) - 1)))


def _note_width(widths: Sequence[float]) -> int:
    """Characters of a line of a note."""
    spanned = [*widths, *[_USUAL_WIDTH] * NOTE_COLUMNS][:NOTE_COLUMNS]
    return int(sum(spanned))


def column_widths(tables: tuple[Table, ...]) -> list[float]:
    """Characters that each column of a sheet needs for the tables that stand below each other on it."""
    widths: list[float] = []
    for table in tables:
        for column, name in enumerate(table.data.columns):
            width = _width(name, table.data[name])
            if column < len(widths):
                widths[column] = max(widths[column], width)
            else:
                widths.append(width)
    return widths


def _width(name: str, values: pd.Series) -> float:
    longest_word = max(map(len, heading(name).split()))
    kind = kind_of(name, values)
    length = _NUMBER_CHARACTERS.get(kind)
    if kind == "ratio":
        length = 5 if values.isna().all() else len(f"{values.abs().max():.3f}")
    elif length is None:
        length = max(map(len, values.dropna().head(_SAMPLED_ROWS).astype("str")), default=0)
    return float(min(MAX_WIDTH, max(MIN_WIDTH, longest_word + 1.5, length + 3)))


def _writer(sheet: Worksheet, formats: Formats, column: int, name: str, values: pd.Series) -> Callable:
    """A function of row and value that writes one cell of a column."""
    kind = kind_of(name, values)
    is_end = kind in ("ratio", "share") and name.endswith(("low95", "high95"))
    cell_format = formats.body[f"{kind} end" if is_end else kind]
    if kind == "date":
        return lambda row, value: sheet.write_datetime(row, column, value.to_pydatetime(), cell_format)
    if kind == "truth":
        return lambda row, value: sheet.write_string(row, column, "yes" if value else "no", cell_format)
    if kind == "link":
        return lambda row, value: sheet.write_url(row, column, f"external:{value}", cell_format, string=heading(name))
    if kind in ("text", "long"):
        return lambda row, value: sheet.write_string(row, column, str(value), cell_format)
    return lambda row, value: sheet.write_number(row, column, value, cell_format) if np.isfinite(value) else None
