"""Every table as CSV, twice: for programs and for spreadsheets.

| folder       | for          | dialect                                                                          |
|--------------|--------------|----------------------------------------------------------------------------------|
| `csv/`       | programs     | UTF-8, comma, line feed, point decimals, cells as they are                       |
| `csv-excel/` | spreadsheets | UTF-8 with byte order mark, carriage return and line feed, the delimiter asked   |
|              |              | for, a decimal comma with a semicolon, no cell that is taken for a formula       |
"""

import io
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from embryofrag.report.contents import Table
from embryofrag.run.atomic import make_folder, write_atomic

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""First characters by which a spreadsheet takes text for a formula (OWASP, CSV Injection)."""


def write_csv_files(tables: Iterable[Table], folder: Path, delimiter: str) -> None:
    """Write each table below a folder in both dialects.

    Args:
        tables: Their names are the files'.
        folder: Where `csv/` and `csv-excel/` go.
        delimiter: Of the dialect for spreadsheets, one character.

    Raises:
        OutputError: a file cannot be written.
    """
    machine, spreadsheet = folder / "csv", folder / "csv-excel"
    make_folder(machine)
    make_folder(spreadsheet)
    for table in tables:
        write_atomic(machine / f"{table.name}.csv", machine_csv(table.data))
        write_atomic(spreadsheet / f"{table.name}.csv", spreadsheet_csv(table.data, delimiter))


def machine_csv(data: pd.DataFrame) -> bytes:
    """The table for programs."""
    return _text(data, sep=",", lineterminator="\n").encode()


def spreadsheet_csv(data: pd.DataFrame, delimiter: str) -> bytes:
    """The table for spreadsheets."""
    guarded = data.assign(**{name: data[name].map(guard, na_action="ignore") for name in text_columns(data)})
    decimal = "," if delimiter == ";" else "."
    return b"\xef\xbb\xbf" + _text(guarded, sep=delimiter, lineterminator="\r\n", decimal=decimal).encode()


def guard(cell: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe before what looks like one.

    >>> guard("=1+1"), guard("D2024.10.07")
    ("'=1+1", 'D2024.10.07')
    """
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell


def text_columns(data: pd.DataFrame) -> list[str]:
    """Columns of text."""
    return [name for name in data if pd.api.types.is_string_dtype(data[name]) and not data[name].isna().all()]


def _text(data: pd.DataFrame, **dialect: str) -> str:
    """CSV text; truth as true and false, dates without a time, numbers to six decimals."""
    plain = data.assign(
        **{
            name: data[name].map({True: "true", False: "false"}, na_action="ignore")
            for name in data
            if pd.api.types.is_bool_dtype(data[name])
        }
    )
    text = io.StringIO(newline="")
    plain.to_csv(text, index=False, float_format="%.6f", date_format="%Y-%m-%d", **dialect)
    return text.getvalue()
