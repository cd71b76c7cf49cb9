"""Whether intervals and probabilities hold what they say, against grades by people."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from embryofrag.report.contents import Table
from embryofrag.report.human import EMBRYO, FRAME, HumanGrades
from embryofrag.statistics.shares import wilson_interval

NOMINAL = 0.90
"""Share of true ratios that `ratio_lo90` to `ratio_hi90` should hold."""
NUM_BINS = 10


def calibration_tables(human: HumanGrades | None) -> tuple[Table, ...]:
    """Coverage of the intervals, reliability of the grade probabilities, and error against disagreement."""
    if human is None:
        hint = "No human grades were given, so nothing says what is true. Add them by --human GRADES.csv."
        return (Table(name="calibration", title="Calibration", note=hint, data=pd.DataFrame()),)
    frames = human.matched[human.matched["unit"] == FRAME]
    embryos = human.matched[human.matched["unit"] == EMBRYO]
    reliability, error = reliability_rows(frames)
    measured = "no frame has both" if np.isnan(error) else f"expected calibration error {error:.3f}"
    return (
        Table(
            name="coverage",
            title="Coverage of the 90 % interval",
            note="Of the frames with a human ratio and an interval by the model's calibration: the share whose human "
            "ratio lies inside, with its 95 % Wilson interval; it should hold 0.90.",
            data=pd.DataFrame([coverage_row(rater, rows) for rater, rows in frames.groupby("rater")]),
        ),
        Table(
            name="reliability",
            title="Probability of the likeliest grade",
            note="Frames with grade probabilities and a human grade, in ten bins by the probability of the likeliest "
            f"grade: its mean and the share of equal human grades should be the same ({measured}: the mean gap, "
            "weighted by n).",
            data=reliability,
        ),
        Table(
            name="risk_coverage",
            title="Error among the surest",
            note="Cases in the order of |module A - module B|: of the given share with the smallest distance, the "
            "share with another grade than the person's, and the mean absolute difference of the ratios where the "
            "person gave one. Errors that grow with the share show that the disagreement finds doubtful cases.",
            data=pd.concat([risk_rows(EMBRYO, embryos), risk_rows(FRAME, frames)], ignore_index=True),
        ),
    )


def coverage_row(rater: str, rows: pd.DataFrame) -> dict:
    """Share of one rater's ratios inside the intervals."""
    known = rows.dropna(subset=["ratio", "low90", "high90"])
    inside = int(known["ratio"].between(known["low90"], known["high90"]).sum())
    low, high = wilson_interval(inside, len(known))
    share = inside / len(known) if len(known) else np.nan
    return {"rater": rater, "frames": len(known), "inside": inside, "nominal": NOMINAL, "share": share} | {
        "share_low95": low,
        "share_high95": high,
    }


def reliability_rows(frames: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """Bins of the likeliest grade's probability, and the expected calibration error (Naeini et al. 2015); nan of none.

    Args:
        frames: probabilities and grade (the person's), one row a case.
    """
    known = frames.dropna(subset=["probabilities", "grade"])
    columns = ["probability_from", "probability_to", "n", "probability_mean", "share_equal"]
    if known.empty:
        return pd.DataFrame(columns=columns), np.nan
    likeliest = [max(parse_probabilities(text).items(), key=lambda pair: pair[1]) for text in known["probabilities"]]
    sure_N = np.array([probability for _, probability in likeliest])
    equal_N = np.array([grade for grade, _ in likeliest]) == known["grade"].to_numpy(str)
    bin_N = np.minimum((sure_N * NUM_BINS).astype(int), NUM_BINS - 1)
    rows = [
        (place / NUM_BINS, (place + 1) / NUM_BINS, int(here.sum()), sure_N[here].mean(), equal_N[here].mean())
        for place in np.unique(bin_N)
        for here in [bin_N == place]
    ]
    table = pd.DataFrame(rows, columns=columns)
    gaps = (table["probability_mean"] - table["share_equal"]).abs()
    return table, float(np.average(gaps, weights=table["n"]))


def parse_probabilities(text: str) -> Mapping[str, float]:
    """Read the column `grade_probabilities`.

    >>> parse_probabilities("A=0.85 B=0.15")
    {'A': 0.85, 'B': 0.15}
    """
    return {grade: float(value) for grade, _, value in (part.partition("=") for part in text.split())}


def risk_rows(unit: str, cases: pd.DataFrame) -> pd.DataFrame:
    """Error among the tenth, two tenths... of the cases on which the modules agree best."""
    columns = ["unit", "share_kept", "n", "share_other_grade", "mean_absolute_difference"]
    known = cases.dropna(subset=["machine_mask_ratio"])
    if known.empty:
        return pd.DataFrame(columns=columns)
    apart = (known["machine_ratio"] - known["machine_mask_ratio"]).abs()
    known = known.iloc[np.argsort(apart.to_numpy(), kind="stable")]
    wrong_N = (known["grade"] != known["machine_grade"]).to_numpy()
    error_N = (known["ratio"] - known["machine_ratio"]).abs()
    rows = []
    for tenth in range(1, NUM_BINS + 1):
        kept = max(1, round(len(known) * tenth / NUM_BINS))
        rows.append((unit, tenth / NUM_BINS, kept, wrong_N[:kept].mean(), error_N.iloc[:kept].mean()))
    return pd.DataFrame(rows, columns=columns)
