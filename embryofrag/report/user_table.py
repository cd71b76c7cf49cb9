"""CSV files that a person made: as a spreadsheet saves them, with clear words where they do not fit."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from embryofrag.errors import UsageError

DELIMITERS = (",", ";", "\t")


def read_user_table(path: Path, option: str, required: Sequence[str], optional: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV of text cells, stripped; blank cells are missing.

    Comma, semicolon or tab, as the header line shows; UTF-8 with or without a byte order mark.

    Args:
        path: The file.
        option: The option that named it, for messages.
        required: Columns that it must have.
        optional: Columns that it may have; any other is refused, since a misspelt name would be lost in silence.

    Returns:
        One row a line, with every column of `required` and `optional` (missing ones blank) and `line`, its number in
        the file.

    Raises:
        UsageError: it cannot be read, or its columns are wrong.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{option} {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{option} {path} is not UTF-8; save it as `CSV UTF-8`") from error
    header = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=header.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    columns = [name.strip() for name in next(reader, [])]
    _check_columns(columns, f"{option} {path}", required, optional)
    rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    for line, row in rows:
        if len(row) != len(columns):
            raise UsageError(f"{option} {path} line {line} has {len(row)} cells and the header {len(columns)}")
    table = pd.DataFrame([[cell.strip() for cell in row] for _, row in rows], columns=columns, dtype="str")
    table = table.reindex(columns=[*required, *optional]).astype("str")
    return table.mask(table == "").assign(line=[line for line, _ in rows])


def _check_columns(columns: list[str], what: str, required: Sequence[str], optional: Sequence[str]) -> None:
    known = ", ".join([*required, *(f"[{name}]" for name in optional)])
    if missing := [name for name in required if name not in columns]:
        raise UsageError(f"{what} lacks the column {missing[0]}; columns are {known}")
    if unknown := [name for name in columns if name not in {*required, *optional}]:
        raise UsageError(f"{what} has an unknown column {unknown[0]!r}; columns are {known}")
    if len(set(columns)) != len(columns):
        raise UsageError(f"{what} names a column twice; columns are {known}")


def parse_dates(texts: pd.Series, lines: pd.Series, what: str) -> pd.Series:
    """Dates YYYY-MM-DD, a time behind them ignored.

    Raises:
        UsageError: a cell is no such date.
    """
    dates = pd.to_datetime(texts.str.slice(0, 10), format="%Y-%m-%d", errors="coerce")
    if (wrong := texts.notna() & dates.isna()).any():
        raise UsageError(f"{what} line {lines[wrong].iloc[0]}: {texts[wrong].iloc[0]!r} is no date YYYY-MM-DD")
    return dates
