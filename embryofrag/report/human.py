"""Grades that people gave, joined to the machine's by key."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from embryofrag.errors import UsageError
from embryofrag.grading.schemes import Scheme, grade_ratio
from embryofrag.report.source import Results
from embryofrag.report.user_table import parse_dates, read_user_table

EMBRYO, FRAME = "embryo", "frame"
UNITS = (EMBRYO, FRAME)
"""What one grade may be given to."""


@dataclass(frozen=True, kw_only=True)
class HumanGrades:
    """Grades by people beside those of the machine."""

    matched: pd.DataFrame
    """unit, embryo, frame, rater, grade, ratio, date, patient, instrument, and the machine's own: machine_grade,
    machine_ratio, machine_mask_ratio, low90, high90, probabilities (the last three of frames only)."""
    unmatched: pd.DataFrame
    """Rows without a counterpart: line, embryo, frame, rater, why."""
    raters: tuple[str, ...]


def read_human(path: Path, results: Results) -> HumanGrades:
    """Read grades and join them to the results.

    The CSV has one row a grade: embryo, rater, and grade or ratio or both; frame where a single frame was graded, date
    where it is known. A ratio without a grade is graded by the scheme of the report.

    Raises:
        UsageError: wrong columns, an unknown grade, a ratio outside 0..1, a bad date, a row without a value, or two
            rows of one rater for one embryo or frame.
    """
    table = read_user_table(path, "--human", ("embryo", "rater"), ("frame", "grade", "ratio", "date"))
    what = f"--human {path}"
    _check(table["embryo"].isna() | table["rater"].isna(), table, what, "an embryo and a rater are needed")
    table["ratio"] = _ratios(table, what)
    table["date"] = parse_dates(table["date"], table["line"], what)
    table["grade"] = _grades(table, results.grading.grade_scheme, what)
    table["unit"] = table["frame"].isna().map({True: EMBRYO, False: FRAME})
    twice = table.duplicated(["embryo", "frame", "rater"], keep="first")
    _check(twice, table, what, "this rater has graded the same embryo or frame in an earlier row")
    joined = table.merge(_machine(results), how="left", on=["embryo", "frame"])
    found = joined["machine_grade"].notna()
    unmatched = joined.loc[~found, ["line", "embryo", "frame", "rater"]]
    return HumanGrades(
        matched=joined[found].reset_index(drop=True),
        unmatched=unmatched.assign(why=_why(joined[~found], results)).reset_index(drop=True),
        raters=tuple(sorted(table["rater"].unique())),
    )


def _check(wrong: pd.Series, table: pd.DataFrame, what: str, why: str) -> None:
    if wrong.any():
        raise UsageError(f"{what} line {table.loc[wrong, 'line'].iloc[0]}: {why}")


def _ratios(table: pd.DataFrame, what: str) -> pd.Series:
    ratios = pd.to_numeric(table["ratio"].str.replace(",", "."), errors="coerce")
    wrong = table["ratio"].notna() & ~ratios.between(0, 1)
    _check(wrong, table, what, "a ratio is a number from 0 to 1, such as 0.15")
    return ratios


def _grades(table: pd.DataFrame, scheme: Scheme, what: str) -> pd.Series:
    unknown = table["grade"].notna() & ~table["grade"].isin(scheme.grades)
    if unknown.any():
        name = table.loc[unknown, "grade"].iloc[0]
        why = f"{name!r} is no grade of the scheme {scheme.label}: {', '.join(scheme.grades)}"
        _check(unknown, table, what, why)
    _check(table["grade"].isna() & table["ratio"].isna(), table, what, "a grade or a ratio is needed")
    by_ratio = table["ratio"].map(lambda ratio: grade_ratio(ratio, scheme), na_action="ignore")
    return table["grade"].where(table["grade"].notna(), by_ratio)


def _machine(results: Results) -> pd.DataFrame:
    """The machine's grades of embryos (frame is missing) and frames under one set of names."""
    embryos = results.embryos.rename(
        columns={"grade": "machine_grade", "ratio_median": "machine_ratio", "ratio_mask_median": "machine_mask_ratio"}
    ).assign(frame=pd.NA)
    frames = results.frames.rename(
        columns={
            "grade": "machine_grade", "ratio_reg": "machine_ratio", "ratio_mask": "machine_mask_ratio",
            "ratio_lo90": "low90", "ratio_hi90": "high90", "grade_probabilities": "probabilities",
        }
    )  # fmt: skip
    shared = ["embryo", "frame", "patient", "instrument", "machine_grade", "machine_ratio", "machine_mask_ratio"]
    both = [embryos[shared], frames[[*shared, "low90", "high90", "probabilities"]]]
    return pd.concat([one.astype({"frame": "str"}) for one in both], ignore_index=True)


def _why(rows: pd.DataFrame, results: Results) -> list[str]:
    embryos, frames = (
        set(results.embryos["embryo"]),
        set(zip(results.frames["embryo"], results.frames["frame"], strict=True)),
    )
    whys = []
    for row in rows.itertuples():
        if row.embryo not in embryos:
            whys.append("no such embryo here")
        elif row.unit == FRAME and (row.embryo, row.frame) not in frames:
            whys.append("no such frame of this embryo")
        else:
            whys.append("the machine gave it no grade")
    return whys
