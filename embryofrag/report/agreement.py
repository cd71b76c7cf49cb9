"""Machine against people and people against each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from embryofrag.grading.schemes import Scheme
from embryofrag.report.contents import Table
from embryofrag.report.human import UNITS, HumanGrades
from embryofrag.statistics.agreement import (
    confusion_matrix,
    exact_agreement,
    icc_2_1,
    icc_interval,
    limits_of_agreement,
    quadratic_kappa,
    within_one_agreement,
)
from embryofrag.statistics.bootstrap import bootstrap_scores
from embryofrag.statistics.kappa import cohen_kappa, gwet_ac2, kappa_interval
from embryofrag.statistics.shares import wilson_interval

MACHINE = "machine"
NUM_RESAMPLES = 1000

MEASURES = {
    "exact": "share of equal grades",
    "within_one": "share of grades at most one step apart",
    "kappa": "Cohen's kappa",
    "kappa_quadratic": "Cohen's kappa, quadratic weights",
    "gwet_ac2": "Gwet's AC2, quadratic weights",
    "mean_absolute_difference": "mean absolute difference of the ratios",
    "bias": "mean of second minus first ratio",
    "limit_low": "lower 95 % limit of agreement of the ratios (Bland and Altman)",
    "limit_high": "upper limit",
    "icc": "ICC(2,1) of the ratios: absolute agreement, one rater",
}
"""What each value is, by its name in the table."""

NOTE = (
    "One row a pair of raters and a measure. n: embryos or frames that both graded (of ratios: for which both gave "
    "one). low95 and high95: 95 % percentile interval of a bootstrap that draws whole patients (the slide where no "
    "patient is known). low95_independent, high95_independent: the textbook interval, which takes every case for "
    "independent and is too narrow where several come from one patient (exact: Wilson; kappa: Fleiss, Cohen and "
    "Everitt 1969; ICC: Shrout and Fleiss 1979). Kappa falls low where nearly all cases have one grade; AC2 does not. "
)


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """Two raters on the same cases."""

    unit: str
    first: str
    second: str
    cases: pd.DataFrame
    """embryo, frame, grade_1, grade_2, ratio_1, ratio_2, patient: one row a case with both grades."""


def agreement_tables(human: HumanGrades | None, scheme: Scheme, seed: int = 0) -> tuple[Table, ...]:
    """Scores, confusion matrices and unmatched rows; one table that says so where no human grades were given."""
    if human is None:
        hint = "No human grades were given. Add them by --human GRADES.csv (columns embryo, rater, grade or ratio)."
        return (Table(name="agreement", title="Agreement", note=hint, data=pd.DataFrame()),)
    pairs = list(pairings(human))
    scores = pd.DataFrame([row for pair in pairs for row in score_pair(pair, scheme, seed)])
    note = NOTE + "; ".join(f"{name}: {meaning}" for name, meaning in MEASURES.items()) + "."
    return (
        Table(name="agreement", title="Agreement of grades and ratios", note=note, data=scores),
        Table(
            name="confusion",
            title="Grades of two raters",
            note="One row a grade of the first rater: how many of these cases got each grade from the second.",
            data=pd.DataFrame([row for pair in pairs for row in _confusion_rows(pair, scheme)]),
        ),
        Table(
            name="unmatched",
            title="Human grades without a counterpart",
            note=f"{len(human.unmatched)} of {len(human.unmatched) + len(human.matched)} rows of the file; they count "
            "nowhere else. line: in the file.",
            data=human.unmatched,
        ),
        pair_table(pairs),
    )


def pair_table(pairs: Sequence[Pairing]) -> Table:
    """The cases behind the scores, for charts and for one's own."""
    columns = ["unit", "first", "second", "embryo", "frame", "grade_1", "grade_2", "ratio_1", "ratio_2"]
    rows = [pair.cases.assign(unit=pair.unit, first=pair.first, second=pair.second)[columns] for pair in pairs]
    return Table(
        name="pairs",
        title="Cases that two raters have graded",
        note="One row a case and pair of raters: what the first and the second gave it.",
        data=pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=columns),
    )


def pairings(human: HumanGrades) -> Iterator[Pairing]:
    """Machine and each rater, then every two raters that share a case, for embryos and for frames."""
    for unit in UNITS:
        grades = human.matched[human.matched["unit"] == unit]
        key = ["embryo", "frame"]
        by_rater = {rater: rows.set_index(key) for rater, rows in grades.groupby("rater")}
        for rater, rows in by_rater.items():
            machine = rows[["machine_grade", "machine_ratio"]].set_axis(["grade", "ratio"], axis=1)
            yield _pairing(unit, (rater, MACHINE), rows, machine)
        for first, second in combinations(by_rater, 2):
            common = by_rater[first].index.intersection(by_rater[second].index)
            if len(common):
                yield _pairing(unit, (first, second), by_rater[first].loc[common], by_rater[second].loc[common])


def score_pair(pair: Pairing, scheme: Scheme, seed: int) -> list[dict]:
    """One row a measure, with both intervals."""
    grades_N2 = pair.cases[["grade_1", "grade_2"]].apply(lambda grades: grades.map(scheme.grades.index)).to_numpy()
    ratios_N2 = pair.cases[["ratio_1", "ratio_2"]].to_numpy(np.float64)

    def score(rows: np.ndarray) -> dict[str, float]:
        return _scores(grades_N2[rows], ratios_N2[rows], len(scheme.grades))

    estimates = bootstrap_scores(score, pair.cases["patient"].tolist(), num_resamples=NUM_RESAMPLES, seed=seed)
    textbook = _independent_intervals(grades_N2, ratios_N2, len(scheme.grades))
    counts = {True: len(grades_N2), False: int((~np.isnan(ratios_N2).any(axis=1)).sum())}
    grade_measures = ("exact", "within_one", "kappa", "kappa_quadratic", "gwet_ac2")
    return [
        {
            "unit": pair.unit,
            "first": pair.first,
            "second": pair.second,
            "measure": name,
            "n": counts[name in grade_measures],
            "patients": pair.cases["patient"].nunique(),
            "value": estimate.value,
            "low95": estimate.low,
            "high95": estimate.high,
            "low95_independent": textbook.get(name, (np.nan, np.nan))[0],
            "high95_independent": textbook.get(name, (np.nan, np.nan))[1],
        }
        for name, estimate in estimates.items()
    ]


def _pairing(unit: str, names: tuple[str, str], one: pd.DataFrame, other: pd.DataFrame) -> Pairing:
    cases = pd.DataFrame(
        {
            "grade_1": one["grade"],
            "grade_2": other["grade"],
            "ratio_1": one["ratio"],
            "ratio_2": other["ratio"],
            # a case without a patient is a group of its own
            "patient": one["patient"].where(one["patient"].notna(), one.index.get_level_values("embryo")),
        }
    )
    return Pairing(unit=unit, first=names[0], second=names[1], cases=cases.reset_index())


def _scores(grades_N2: np.ndarray, ratios_N2: np.ndarray, num_grades: int) -> dict[str, float]:
    confusion = confusion_matrix(grades_N2[:, 0], grades_N2[:, 1], num_grades)
    ratios_N2 = ratios_N2[~np.isnan(ratios_N2).any(axis=1)]
    limits = limits_of_agreement(ratios_N2[:, 1], ratios_N2[:, 0])
    return {
        "exact": exact_agreement(confusion),
        "within_one": within_one_agreement(confusion),
        "kappa": cohen_kappa(confusion),
        "kappa_quadratic": quadratic_kappa(confusion),
        "gwet_ac2": gwet_ac2(confusion),
        "mean_absolute_difference": float(np.abs(np.diff(ratios_N2)).mean()) if len(ratios_N2) else np.nan,
        "bias": limits.bias,
        "limit_low": limits.low,
        "limit_high": limits.high,
        "icc": icc_2_1(ratios_N2),
    }


def _independent_intervals(
    grades_N2: np.ndarray, ratios_N2: np.ndarray, num_grades: int
) -> dict[str, tuple[float, float]]:
    confusion = confusion_matrix(grades_N2[:, 0], grades_N2[:, 1], num_grades)
    return {
        "exact": wilson_interval(int(np.trace(confusion)), len(grades_N2)),
        "kappa": kappa_interval(confusion, quadratic=False),
        "kappa_quadratic": kappa_interval(confusion, quadratic=True),
        "icc": icc_interval(ratios_N2[~np.isnan(ratios_N2).any(axis=1)]),
    }


def _confusion_rows(pair: Pairing, scheme: Scheme) -> Iterator[dict]:
    counts = pd.crosstab(pair.cases["grade_1"], pair.cases["grade_2"])
    counts = counts.reindex(index=scheme.grades, columns=scheme.grades, fill_value=0)
    for grade in scheme.grades:
        cells = {f"second_{other}": int(counts.loc[grade, other]) for other in scheme.grades}
        yield {"unit": pair.unit, "first": pair.first, "second": pair.second, "first_grade": grade} | cells
