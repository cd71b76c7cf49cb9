"""Grades that a person set in place of the machine's; the old value stays beside the new one."""

from pathlib import Path

import pandas as pd

from embryofrag.errors import UsageError
from embryofrag.grading.schemes import Scheme
from embryofrag.report.user_table import parse_dates, read_user_table

OVERRIDE_COLUMNS = ("final_grade", "override_by", "override_on", "override_why")
"""What an override adds to an embryo's row. `grade` stays the machine's; `final_grade` is the person's where there is
one, else the machine's."""


def add_overrides(embryos: pd.DataFrame, path: Path, scheme: Scheme) -> pd.DataFrame:
    """Add `OVERRIDE_COLUMNS` from a CSV of embryo, grade, who, when, why, none of them blank.

    Raises:
        UsageError: wrong columns, a blank cell, an unknown grade or embryo, a bad date, or an embryo named twice.
    """
    what = f"--overrides {path}"
    needed = ("embryo", "grade", "who", "when", "why")
    table = read_user_table(path, "--overrides", needed)
    checks = {
        "embryo, grade, who, when and why are all needed": table[list(needed)].isna().any(axis=1),
        f"no grade of the scheme {scheme.label}: {', '.join(scheme.grades)}": ~table["grade"].isin(scheme.grades),
        "the embryo stands in an earlier row; keep one row an embryo": table["embryo"].duplicated(),
        "no such embryo in these results": ~table["embryo"].isin(embryos["embryo"]),
    }
    for why, wrong in checks.items():
        if wrong.any():
            raise UsageError(f"{what} line {table.loc[wrong, 'line'].iloc[0]}: {why}")
    table["when"] = parse_dates(table["when"], table["line"], what)
    table = table.set_index("embryo")
    told = {name: embryos["embryo"].map(table[name]) for name in ("grade", "who", "when", "why")}
    return embryos.assign(
        final_grade=told["grade"].where(told["grade"].notna(), embryos["grade"]).astype("str"),
        override_by=told["who"].astype("str"),
        override_on=told["when"],
        override_why=told["why"].astype("str"),
    )
