"""Every score of a set of predictions, with intervals, for each grade and for each stage.

| score                                                            | over                     |
|------------------------------------------------------------------|--------------------------|
| fragment_*, embryo_* (`metrics.score_masks`)                     | frames with masks        |
| ratio_reg_*, ratio_mask_* (`agreement.score_ratios`)             | frames with a true ratio |
| ratio_reg_grade_*, ratio_mask_grade_* (`agreement.score_grades`) | frames with a true grade |

A frame whose masks show no embryo has no ratio_mask: it counts in ``num_without_embryo`` and in no score of that
ratio. A score for which there is nothing to measure is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embryofrag.grading.schemes import Scheme
from embryofrag.statistics.agreement import confusion_matrix, score_grades, score_ratios
from embryofrag.statistics.bootstrap import Estimate, bootstrap_scores
from embryofrag.training.metrics import score_masks
from embryofrag.training.predictions import CLASSES, Prediction, grade_of

NUM_RESAMPLES = 1000
RATIOS = ("ratio_reg", "ratio_mask")
UNKNOWN = -1
"""Index of a grade that is not known."""
WHOLE_RANGE_ONLY = ("_icc", "_grade_kappa")
"""Endings of scores that compare the error with the spread between frames: they mean nothing within one grade."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Scores of one set of frames."""

    num_frames: int
    num_groups: int
    estimates: dict[str, Estimate]

    def to_dict(self) -> dict:
        """Return JSON values; None where an estimate has no interval."""
        return {
            "num_frames": self.num_frames,
            "num_groups": self.num_groups,
            "scores": {name: _estimate_dict(estimate) for name, estimate in self.estimates.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Everything that is reported of a model on labelled frames."""

    scheme: Scheme
    overall: Scores
    per_grade: dict[str, Scores]
    """By true grade, in the scheme's order; grades without a frame are left out."""
    per_stage: dict[str, Scores]
    """By stage, sorted; frames of unknown stage are in none."""
    confusion: dict[str, np.ndarray]
    """For each of `RATIOS`: frames by true grade (row) and the grade of that ratio (column)."""
    num_with_masks: int
    num_with_ratio: int
    num_with_grade: int
    num_without_embryo: int
    """Frames in which the model's masks show no embryo."""

    def to_dict(self) -> dict:
        """Return JSON values, as ``metrics.json`` holds them."""
        return {
            "scheme": self.scheme.label,
            "num_with_masks": self.num_with_masks,
            "num_with_ratio": self.num_with_ratio,
            "num_with_grade": self.num_with_grade,
            "num_without_embryo": self.num_without_embryo,
            "overall": self.overall.to_dict(),
            "per_grade": {grade: scores.to_dict() for grade, scores in self.per_grade.items()},
            "per_stage": {stage: scores.to_dict() for stage, scores in self.per_stage.items()},
            "grades": list(self.scheme.grades),
            "confusion": {name: matrix.tolist() for name, matrix in self.confusion.items()},
        }


def evaluate_predictions(
    predictions: Sequence[Prediction], scheme: Scheme, *, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> Evaluation:
    """Score predictions overall, for each true grade and for each stage.

    Args:
        predictions: At least one.
        scheme: Cuts the predicted ratios into grades.
        num_resamples: Of the bootstrap over groups; 0 leaves the intervals out.
        seed: Of the bootstrap.
    """
    table = _Table(predictions, scheme)
    everything = np.arange(len(predictions))
    options = {"num_resamples": num_resamples, "seed": seed}
    return Evaluation(
        scheme=scheme,
        overall=_score_rows(table, everything, **options),
        per_grade={
            grade: _score_rows(table, rows, within_one_grade=True, **options)
            for index, grade in enumerate(scheme.grades)
            if len(rows := np.flatnonzero(table.grade_true_N == index))
        },
        per_stage={
            stage: _score_rows(table, np.flatnonzero(table.stage_N == stage), **options)
            for stage in sorted(set(table.stage_N.tolist()) - {""})
        },
        confusion={name: table.confusion(name, everything) for name in RATIOS},
        num_with_masks=sum(one.fragment_px is not None for one in predictions),
        num_with_ratio=sum(one.ratio_true is not None for one in predictions),
        num_with_grade=sum(one.grade_true is not None for one in predictions),
        num_without_embryo=sum(one.finds_embryo is False for one in predictions),
    )


def measure_predictions(predictions: Sequence[Prediction], scheme: Scheme) -> dict[str, float]:
    """Return each score of all frames without intervals, as an epoch's end needs them."""
    return _known(_Table(predictions, scheme).score(np.arange(len(predictions))))


class _Table:
    """Predictions as columns, so that a resample is a matter of indices."""

    def __init__(self, predictions: Sequence[Prediction], scheme: Scheme):
        self.num_grades = len(scheme.grades)
        self.group_N = np.array([one.group for one in predictions])
        self.stage_N = np.array([one.stage for one in predictions])
        self.counts_N3 = {
            name: np.array([getattr(one, f"{name}_px") or (np.nan,) * 3 for one in predictions], np.float64)
            for name in CLASSES
        }
        self.ratio_N = {name: _column([getattr(one, name) for one in predictions]) for name in ("ratio_true", *RATIOS)}
        self.grade_true_N = np.array([_place(one.grade_true, scheme) for one in predictions])
        self.grade_N = {
            name: np.array([_place(grade_of(getattr(one, name), scheme), scheme) for one in predictions])
            for name in RATIOS
        }

    def confusion(self, ratio: str, rows: np.ndarray) -> np.ndarray:
        true_N, predicted_N = self.grade_true_N[rows], self.grade_N[ratio][rows]
        both_N = (true_N != UNKNOWN) & (predicted_N != UNKNOWN)
        return confusion_matrix(true_N[both_N], predicted_N[both_N], self.num_grades)

    def score(self, rows: np.ndarray) -> dict[str, float]:
        scores = {}
        for name in CLASSES:
            scores |= _prefixed(name, score_masks(self.counts_N3[name][rows]))
        for name in RATIOS:
            scores |= _prefixed(name, score_ratios(self.ratio_N[name][rows], self.ratio_N["ratio_true"][rows]))
            scores |= _prefixed(name, score_grades(self.confusion(name, rows)))
        return scores


def _score_rows(
    table: _Table, rows: np.ndarray, *, num_resamples: int, seed: int, within_one_grade: bool = False
) -> Scores:
    groups = table.group_N[rows].tolist()
    estimates = bootstrap_scores(
        lambda picked: table.score(rows[picked]), groups, num_resamples=num_resamples, seed=seed
    )
    return Scores(
        num_frames=len(rows),
        num_groups=len(set(groups)),
        estimates={
            name: estimate
            for name, estimate in estimates.items()
            if not np.isnan(estimate.value) and not (within_one_grade and name.endswith(WHOLE_RANGE_ONLY))
        },
    )


def _known(scores: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in scores.items() if not np.isnan(value)}


def _prefixed(prefix: str, scores: dict[str, float]) -> dict[str, float]:
    return {f"{prefix}_{name}": value for name, value in scores.items()}


def _column(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _place(grade: str | None, scheme: Scheme) -> int:
    return UNKNOWN if grade is None else scheme.grades.index(grade)


def _estimate_dict(estimate: Estimate) -> dict[str, float | None]:
    values = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {name: None if np.isnan(value) else value for name, value in values.items()}
