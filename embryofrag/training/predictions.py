"""What a model answered about one labelled frame, beside the truth: the only thing that scores and plots read."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embryofrag.grading.ratio import measure_masks
from embryofrag.grading.schemes import Scheme, grade_ratio
from embryofrag.training.metrics import count_overlap
from embryofrag.training.row import Row

Masks = tuple[np.ndarray, np.ndarray]
"""Fragment mask and embryo mask, bool (H, W), of one frame."""
CLASSES = ("fragment", "embryo")
COUNTS = ("common_px", "predicted_px", "true_px")
PREDICTION_COLUMNS = (
    *("image", "group", "stage", "ratio_true", "grade_true", "ratio_reg", "grade_reg", "ratio_mask", "grade_mask"),
    *(f"{name}_{count}" for name in CLASSES for count in COUNTS),
)
"""Columns of the table of predictions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Answers and truth of one frame; None where the manifest has no such label or the model no such answer."""

    image: str
    """As the manifest names it."""
    group: str
    """Patient, or slide and well: what the bootstrap draws."""
    stage: str
    """Empty where unknown."""
    ratio_true: float | None
    grade_true: str | None
    """As labelled, else that of the true ratio."""
    ratio_reg: float | None
    """Of the regression head, 0..1."""
    ratio_mask: float | None
    """Of the predicted masks, 0..1; None also where they show no embryo."""
    finds_embryo: bool | None
    """Whether the predicted embryo mask holds anything."""
    fragment_px: tuple[int, int, int] | None
    """Pixels in both masks, in the predicted one, in the true one."""
    embryo_px: tuple[int, int, int] | None


def make_prediction(
    row: Row,
    scheme: Scheme,
    *,
    truth: Masks | None,
    predicted: Masks | None,
    ratio_reg: float | None,
    denominator: str = "embryo",
) -> Prediction:
    """Put the answers about one frame beside its labels.

    Args:
        row: The frame's row as `read_manifest` returns it: with the ratio of its masks where none was stated.
        scheme: Gives the true grade where the row has a ratio only.
        truth: True masks; None for a grade-only row.
        predicted: Predicted masks, of the same size; None for a model without masks.
        ratio_reg: Ratio of the regression head, 0..1; None for a model without one.
        denominator: What the ratio of masks is a share of (`embryofrag.grading.ratio.DENOMINATORS`).

    Raises:
        ValueError: Masks of different sizes.
    """
    overlaps = (None, None)
    if truth is not None and predicted is not None:
        overlaps = tuple(count_overlap(*pair) for pair in zip(predicted, truth, strict=True))
    return Prediction(
        image=row.name or row.image.as_posix(),
        group=row.group,
        stage=row.stage,
        ratio_true=row.ratio,
        grade_true=row.grade or grade_of(row.ratio, scheme),
        ratio_reg=ratio_reg,
        ratio_mask=None if predicted is None else measure_masks(*predicted, denominator).ratio_mask,
        finds_embryo=None if predicted is None else bool(predicted[1].any()),
        fragment_px=overlaps[0],
        embryo_px=overlaps[1],
    )


def grade_of(ratio: float | None, scheme: Scheme) -> str | None:
    """Return the grade of a ratio, None where it is None."""
    return None if ratio is None else grade_ratio(ratio, scheme)


def calibration_ratios(predictions: Iterable[Prediction]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ratio_reg, ratio_mask and the true ratio, each float64 (N,), of the frames that have all three."""
    triples = [_three_ratios(one) for one in predictions if None not in _three_ratios(one)]
    return tuple(np.array(triples, np.float64).reshape(-1, 3).T)


def calibration_groups(predictions: Iterable[Prediction]) -> list[str]:
    """Return the groups of the frames of `calibration_ratios`."""
    return [one.group for one in predictions if None not in _three_ratios(one)]


def _three_ratios(one: Prediction) -> tuple[float | None, float | None, float | None]:
    return one.ratio_reg, one.ratio_mask, one.ratio_true


def write_predictions(path: Path, predictions: Iterable[Prediction], scheme: Scheme) -> None:
    """Write one CSV row a frame (`PREDICTION_COLUMNS`); ratios with 6 decimals, blank where there is none."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(PREDICTION_COLUMNS)
        for one in predictions:
            ratios = (one.ratio_reg, one.ratio_mask)
            answers = [text for ratio in ratios for text in (_decimals(ratio), grade_of(ratio, scheme) or "")]
            counts = [count for overlap in (one.fragment_px, one.embryo_px) for count in overlap or ("",) * len(COUNTS)]
            truth = (_decimals(one.ratio_true), one.grade_true or "")
            writer.writerow([one.image, one.group, one.stage, *truth, *answers, *counts])


def _decimals(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.6f}"
