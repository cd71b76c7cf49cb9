"""Whether ratios differ by instrument, well, plane or operator."""

import numpy as np
import pandas as pd

from embryofrag.report.contents import Table
from embryofrag.report.groups import HIGH_RATIO, UNKNOWN, group_names, share_row
from embryofrag.report.source import Results
from embryofrag.statistics.bootstrap import bootstrap_scores

DIMENSIONS = {"instrument": "instrument", "well": "well", "plane": "focal_um", "operator": "operator"}
"""What embryos are grouped by, and the column that says it."""
NUM_RESAMPLES = 400

NOTE = (
    "One row a group of graded embryos; of planes, an embryo counts once in each plane that it was graded in, by the "
    "median ratio there. difference: mean ratio of the group minus that of all other groups together. Its interval and "
    "that of the mean are 95 % percentile intervals of a bootstrap that draws whole patients (the slide where no "
    "patient is known); of shares, 95 % Wilson intervals. A difference may come from who was cultured where, not "
    "from the instrument."
)


def bias_table(results: Results, seed: int = 0) -> Table:
    """Mean ratios and shares by group, with what sets each group apart from the others."""
    rows = [row for name in DIMENSIONS for row in dimension_rows(_cases(results, name), name, seed)]
    compared = sum(not np.isnan(row["difference"]) for row in rows)
    multiple = (
        f" {compared} groups are compared here: by chance alone about {compared * 0.05:.1f} of their intervals leave "
        "out 0."
    )
    return Table(
        name="bias", title="Ratios by group", note=NOTE + (multiple if compared else ""), data=pd.DataFrame(rows)
    )


def dimension_rows(cases: pd.DataFrame, name: str, seed: int) -> list[dict]:
    """Rows of one dimension; a dimension that is known of no embryo has none.

    Args:
        cases: group, ratio, referred, patient: one row an embryo.
        name: Of the dimension.
        seed: Of the bootstrap.
    """
    if (cases["group"] == UNKNOWN).all():
        return []
    groups, place_N = np.unique(cases["group"].to_numpy(str), return_inverse=True)
    ratio_N = cases["ratio"].to_numpy(np.float64)

    def score(rows: np.ndarray) -> dict[str, float]:
        count_G = np.bincount(place_N[rows], minlength=len(groups))
        total_G = np.bincount(place_N[rows], weights=ratio_N[rows], minlength=len(groups))
        with np.errstate(invalid="ignore"):
            mean_G = total_G / count_G
            other_G = (total_G.sum() - total_G) / (count_G.sum() - count_G)
        return dict(enumerate(mean_G)) | {f"difference {place}": gap for place, gap in enumerate(mean_G - other_G)}

    estimates = bootstrap_scores(score, cases["patient"].tolist(), num_resamples=NUM_RESAMPLES, seed=seed)
    rows = []
    for place, group in enumerate(groups):
        members = cases[place_N == place]
        mean, gap = estimates[place], estimates[f"difference {place}"]
        row = {"dimension": name, "group": group, "embryos": len(members), "patients": members["patient"].nunique()}
        row |= {"ratio_mean": mean.value, "ratio_mean_low95": mean.low, "ratio_mean_high95": mean.high}
        row |= {"difference": gap.value, "difference_low95": gap.low, "difference_high95": gap.high}
        row |= share_row("above_25", int((members["ratio"] >= HIGH_RATIO).sum()), len(members))
        rows.append(row | share_row("referred", int(members["referred"].sum()), len(members)))
    return rows


def _cases(results: Results, name: str) -> pd.DataFrame:
    column = DIMENSIONS[name]
    if name == "plane":
        graded = results.frames[results.frames["grade"].notna()]
        planes = graded.groupby(["embryo", column], dropna=False, sort=False)
        cases = planes.agg(ratio=("ratio_reg", "median"), referred=("referred", "mean"), patient=("patient", "first"))
        cases = cases.reset_index().assign(referred=lambda table: table["referred"] > 0.5)
        group = cases[column].map("{:+g} um".format, na_action="ignore")
    else:
        graded = results.embryos[results.embryos["grade"].notna()]
        cases = graded.rename(columns={"ratio_median": "ratio"}).reset_index(drop=True)
        group = cases[column]
    cases = cases.assign(group=group_names(group))
    return cases.assign(patient=cases["patient"].where(cases["patient"].notna(), cases["embryo"]))
