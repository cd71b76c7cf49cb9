"""Counts, shares and means of groups of embryos: the columns that summary and bias share."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from embryofrag.statistics.shares import wilson_interval

HIGH_RATIO = 0.25
"""Ratio from which on an embryo counts as `above_25`: a cut of every scheme."""
UNKNOWN = "unknown"
"""The group of what is not known."""


def share_row(name: str, count: int, total: int) -> dict[str, float]:
    """A share with its Wilson interval as three columns.

    >>> {column: round(value, 3) for column, value in share_row("referred", 1, 4).items()}
    {'share_referred': 0.25, 'share_referred_low95': 0.046, 'share_referred_high95': 0.699}
    """
    low, high = wilson_interval(count, total)
    share = count / total if total else np.nan
    return {f"share_{name}": share, f"share_{name}_low95": low, f"share_{name}_high95": high}


def grade_rows(grades: pd.Series, scheme_grades: Sequence[str]) -> pd.DataFrame:
    """Count and share of each grade among those that are known: grade, embryos, share, share_low95, share_high95."""
    counts = grades.value_counts()
    total = int(counts.sum())
    rows = []
    for grade in scheme_grades:
        count = int(counts.get(grade, 0))
        share, low, high = share_row("", count, total).values()
        rows.append({"grade": grade, "embryos": count, "share": share, "share_low95": low, "share_high95": high})
    return pd.DataFrame(rows)


def group_names(values: pd.Series) -> pd.Series:
    """Names of groups as text that sorts: numbers with two digits, what is missing `UNKNOWN`.

    >>> group_names(pd.Series([2, None], dtype="Int64")).tolist()
    ['02', 'unknown']
    """
    names = values.astype("str")
    return (names.str.zfill(2) if pd.api.types.is_integer_dtype(values) else names).fillna(UNKNOWN)


def group_rows(embryos: pd.DataFrame, keys: Sequence[str], grades: Sequence[str]) -> pd.DataFrame:
    """One row a group: embryos, graded, mean and median ratio, and shares of the graded ones with intervals.

    Args:
        embryos: With `keys`; a missing key is the group `UNKNOWN`.
        keys: Columns to group by.
        grades: Of the scheme, each with its count and share.
    """
    named = embryos.assign(**{key: group_names(embryos[key]) for key in keys})
    rows = []
    for names, group in named.groupby(list(keys), sort=True):
        graded = group[group["grade"].notna()]
        row = dict(zip(keys, names, strict=True)) | {"embryos": len(group), "graded": len(graded)}
        row |= {"ratio_mean": graded["ratio_median"].mean(), "ratio_median": graded["ratio_median"].median()}
        row |= share_row("above_25", int((graded["ratio_median"] >= HIGH_RATIO).sum()), len(graded))
        row |= share_row("referred", int(graded["referred"].sum()), len(graded))
        for grade in grades:
            row |= share_row(grade, int((graded["grade"] == grade).sum()), len(graded))
        rows.append(row)
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else [*keys, "embryos", "graded"])
