"""The report's numbers as JSON, for other programs."""

import json
from collections.abc import Mapping

import pandas as pd

from embryofrag.report.contents import Contents

REPORT_SCHEMA = 1
"""Version of the JSON and of the CSV columns; a change of meaning raises it."""
LEFT_OUT = ("frames", "embryos")
"""Sections that are long and stand in CSV files."""


def contents_json(contents: Contents, made: Mapping[str, object]) -> bytes:
    """All tables but the long ones: title, note and rows; nan and missing values are null."""
    document = {
        "report_schema": REPORT_SCHEMA,
        "made": made,
        "tables": {
            table.name: {"section": section, "title": table.title, "note": table.note, "rows": _rows(table.data)}
            for section, tables in contents.sections.items()
            if section not in LEFT_OUT
            for table in tables
        },
    }
    return json.dumps(document, indent=1, default=str, allow_nan=False).encode() + b"\n"


def _rows(data: pd.DataFrame) -> list[dict]:
    dates = {name: data[name].dt.strftime("%Y-%m-%d") for name in data.select_dtypes("datetime")}
    return json.loads(data.assign(**dates).to_json(orient="records", double_precision=10))
