"""A data frame as an HTML table that screen readers, small windows and printers cope with."""

from collections.abc import Sequence
from datetime import date, datetime

import pandas as pd

from embryofrag.report.axes import number
from embryofrag.report.contents import Table
from embryofrag.report.markup import Markup, tag

MAX_ROWS = 300
"""Rows that one table of the page holds; the workbook holds them all."""

_PERCENT_WORDS = ("share", "exact", "within_one", "coverage")


def draw_table(table: Table, *, max_rows: int = MAX_ROWS) -> Markup:
    """Return a table with its title as caption and its note below; rows over the limit are counted, not shown."""
    data = table.data.head(max_rows)
    left_out = len(table.data) - len(data)
    rows = [_row(data.columns, values) for values in data.itertuples(index=False, name=None)]
    return tag(
        "figure",
        scrolled(
            table.title,
            tag(
                "table",
                tag("caption", table.title),
                tag("thead", tag("tr", *(tag("th", heading(name), scope="col") for name in data.columns))),
                tag("tbody", *rows),
            ),
        ),
        tag("p", f"{left_out} more rows are in the workbook.", class_="note") if left_out else None,
        tag("figcaption", table.note) if table.note else None,
        class_="table",
    )


def scrolled(label: str, table: Markup) -> Markup:
    """Put a table where a small window can scroll it, with the keyboard too."""
    return tag("div", table, class_="wide", role="region", aria_label=label, tabindex=0)


def _row(columns: Sequence[str], values: Sequence[object]) -> Markup:
    cells = [cell(name, value) for name, value in zip(columns, values, strict=True)]
    first, others = cells[0], cells[1:]
    return tag("tr", tag("th", first[0], scope="row"), *(tag("td", words, class_=class_) for words, class_ in others))


def heading(column: object) -> str:
    """Return a column's name in words.

    >>> heading("ratio_lo90")
    'ratio lo90'
    """
    return str(column).replace("_", " ")


def cell(column: str, value: object) -> tuple[str, str | None]:
    """Return a value in words and the class of its cell: numbers stand at the right, the unknown is blank.

    >>> cell("ratio_median", 0.12345), cell("share", 0.5), cell("n", 3), cell("referred", True), cell("well", None)
    (('0.123', 'number'), ('50 %', 'number'), ('3', 'number'), ('yes', None), ('', None))
    """
    if isinstance(value, bool) or type(value).__name__ == "bool_":
        return "yes" if value else "no", None
    if value is None or pd.isna(value):
        return "", None
    if isinstance(value, datetime | date):
        return f"{value:%Y-%m-%d}", None
    if isinstance(value, str):
        return value, None
    if isinstance(value, float) and any(word in str(column) for word in _PERCENT_WORDS):
        return f"{number(100 * value, 1)} %", "number"
    return (f"{value:.{3 if abs(value) < 100 else 1}f}" if isinstance(value, float) else str(value)), "number"
