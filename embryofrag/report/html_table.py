"""A data frame as an HTML table that screen readers, small windows and printers cope with."""

import math
from collections.abc import Sequence
from datetime import date, datetime

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from embryofrag.report.axes import number
from embryofrag.report.contents import Table
from embryofrag.report.markup import Markup, breakable, prose, tag

MAX_ROWS = 100
"""Rows that one table of the page holds; the workbook holds them all."""

_TALL_ROWS = 15
"""From so many rows on, a table scrolls in a box of its own."""
_PRINTED_ROWS = 30
"""Rows of such a table that are printed; the style sheet counts them too."""
_SHADED = "second_"
"""Columns of counts whose cells are the darker, the greater their share of the row: those of a confusion matrix."""
_SHORT = 18
"""Characters that are never broken into lines."""


def draw_table(table: Table) -> Markup:
    """Return a table with its title as caption and its note below; rows over the limit are counted, not shown.

    A number and the ends of its 95 % interval, in columns that end in `low95` and `high95`, share one cell.
    """
    note = tag("figcaption", prose(table.note)) if table.note else None
    if table.data.empty:
        return tag("figure", tag("p", tag("b", table.title)), tag("p", "No rows.", class_="note"), note)
    data = table.data.head(MAX_ROWS)
    left_out = len(table.data) - len(data)
    shown = [name for name in data.columns if not _is_end(name, data.columns)]
    rows = [_row(row, shown) for row in data.to_dict("records")]
    head = tag("tr", *(_heading(name, data) for name in shown))
    drawn = tag("table", tag("caption", table.title), tag("thead", head), tag("tbody", *rows))
    return tag(
        "figure",
        scrolled(table.title, drawn, is_tall=len(rows) >= _TALL_ROWS),
        tag("p", f"Printed: the first {_PRINTED_ROWS} rows.", class_="note printed")
        if len(rows) > _PRINTED_ROWS
        else None,
        tag("p", f"{left_out} more rows are in the workbook.", class_="note") if left_out else None,
        note,
        class_="table",
    )


def scrolled(label: str, table: Markup, is_tall: bool = False) -> Markup:
    """Put a table where a small window can scroll it, with the keyboard too."""
    return tag("div", table, class_="wide tall" if is_tall else "wide", role="region", aria_label=label, tabindex=0)


def _ends(column: str) -> tuple[str, str]:
    """Names of the columns that hold the interval of a column.

    >>> _ends("share_referred"), _ends("value")
    (('share_referred_low95', 'share_referred_high95'), ('low95', 'high95'))
    """
    prefix = "" if column == "value" else f"{column}_"
    return f"{prefix}low95", f"{prefix}high95"


def _is_end(column: str, columns: Sequence[str]) -> bool:
    return any(column in _ends(other) for other in columns)


def _heading(column: str, data: pd.DataFrame) -> Markup:
    words = str(column).replace("_", " ") + (" (95 % interval)" if _ends(column)[0] in data.columns else "")
    is_number = is_numeric_dtype(data[column]) and not is_bool_dtype(data[column])
    return tag("th", words, scope="col", class_="number" if is_number else None)


def _row(row: dict, shown: Sequence[str]) -> Markup:
    counts = [row[name] for name in shown if str(name).startswith(_SHADED)]
    cells = []
    for name in shown:
        words, is_number = _cell(name, row)
        classes = ["number"] if is_number else ["short"] if len(words) <= _SHORT else []
        if str(name).startswith(_SHADED):
            classes.append(f"cell-{_shade(row[name], sum(counts))}")
        kind, scope = ("td", None) if cells else ("th", "row")
        written = words if is_number else breakable(words)
        cells.append(tag(kind, written, scope=scope, class_=" ".join(classes) or None))
    return tag("tr", *cells)


def _shade(count: int, total: int) -> int:
    """Return how dark a cell is, 0 to 4.

    >>> _shade(0, 0), _shade(1, 8), _shade(8, 8)
    (0, 1, 4)
    """
    return math.ceil(4 * count / total) if total else 0


def _cell(column: str, row: dict) -> tuple[str, bool]:
    """Return one cell in words, with its interval, and whether it is a number."""
    words, is_number = in_cell(column, row[column])
    low, high = (row.get(end) for end in _ends(column))
    if words and low is not None and not pd.isna(low):
        is_share = words.endswith("%")
        ends = " to ".join(f"{100 * end:.0f}" if is_share else in_cell(column, end)[0] for end in (low, high))
        words += f" ({ends})"
    return words, is_number


def in_cell(column: str, value: object) -> tuple[str, bool]:
    """Return a value in words, and whether it is a number: shares in per cent, the unknown blank.

    >>> [in_cell("ratio", value)[0] for value in (0.12345, 12345.6, float("nan"))], in_cell("share", 0.5)[0]
    (['0.123', '12345.6', ''], '50 %')
    >>> in_cell("n", 3), in_cell("referred", True), in_cell("well", None)
    (('3', True), ('yes', False), ('', False))
    """
    if value is None or pd.isna(value):
        return "", False
    if isinstance(value, bool):
        return "yes" if value else "no", False
    if isinstance(value, datetime | date):
        return f"{value:%Y-%m-%d}", False
    if isinstance(value, str):
        return value, False
    if isinstance(value, float) and "share" in str(column):
        return f"{number(100 * value, 1)} %", True
    return (f"{value:.{3 if abs(value) < 100 else 1}f}" if isinstance(value, float) else str(value)), True
