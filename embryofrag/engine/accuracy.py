"""Does a quantised engine grade as well as the exact one? Counted on labelled frames, with limits.

Rounding to int8 moves more pixels than `engine.parity` lets pass, so what counts is the work itself: the whole way of a
frame, locator and window included, against masks and ratios that are known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embryofrag.engine.look import look_at_embryos
from embryofrag.engine.pair import EnginePair
from embryofrag.grading.ratio import measure_masks
from embryofrag.grading.schemes import SCHEMES, grade_ratio
from embryofrag.imaging.masks import masks_in_frame

DICE_LOSS_LIMIT = 0.005
"""Of either mask, over all frames together."""
RATIO_MAE_LOSS_LIMIT = 0.003
GRADE_CHANGES_LIMIT_FRAC = 0.01
"""Share of the frames whose grade may be another one than the exact engine's."""
MIN_LOCATED_FRAC = 0.5
"""Share of the frames in which the exact engine must find an embryo, or they say nothing about its work."""
BATCH_SIZE = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledFrame:
    """A frame with its true masks."""

    image: np.ndarray
    """uint8 (H, W) or (H, W, 3), overlay blanked."""
    fragment_mask: np.ndarray
    """bool (H, W)."""
    embryo_mask: np.ndarray
    """bool (H, W)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """What an engine pair made of labelled frames."""

    overlaps_FK3: np.ndarray
    """int64: pixels of fragment and embryo that are in both masks, in the engine's, in the true one."""
    ratios_F: np.ndarray
    """float64 ratios of module B; nan where no embryo was located."""
    true_ratios_F: np.ndarray

    @property
    def dice_K(self) -> np.ndarray:
        """Dice of each class over all frames together; 1 where neither mask has a pixel."""
        both, got, true = self.overlaps_FK3.sum(axis=0).T
        return np.where(got + true > 0, 2 * both / np.maximum(got + true, 1), 1.0)

    @property
    def grades_F(self) -> list[str | None]:
        """Grades of the default scheme; None where no embryo was located."""
        scheme = SCHEMES["regdeeplab"]
        return [None if np.isnan(ratio) else grade_ratio(float(ratio), scheme) for ratio in self.ratios_F]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """How much worse than the exact engine a quantised one is, and how much it may be."""

    num_frames: int
    num_located: int
    """Frames in which both find an embryo; the ratio's error is taken over these."""
    dice_fragment: float
    dice_fragment_exact: float
    dice_embryo: float
    dice_embryo_exact: float
    dice_loss_limit: float
    ratio_mae: float
    ratio_mae_exact: float
    ratio_mae_loss_limit: float
    grade_changes_frac: float
    """Share of all frames; an embryo that only one of the two locates is a change too."""
    grade_changes_limit_frac: float

    @property
    def dice_loss(self) -> float:
        """Of the mask that loses more; negative where both gain."""
        return max(self.dice_fragment_exact - self.dice_fragment, self.dice_embryo_exact - self.dice_embryo)

    @property
    def ratio_mae_loss(self) -> float:
        """By which the mean absolute error of the ratio grows."""
        return self.ratio_mae - self.ratio_mae_exact

    @property
    def masks_passed(self) -> bool:
        """Whether module A is good enough."""
        return self.dice_loss <= self.dice_loss_limit

    @property
    def ratios_passed(self) -> bool:
        """Whether module B is good enough; an error that is not a number is not."""
        return (
            self.ratio_mae_loss <= self.ratio_mae_loss_limit
            and self.grade_changes_frac <= self.grade_changes_limit_frac
        )

    @property
    def passed(self) -> bool:
        """Whether all figures are within their limits."""
        return self.masks_passed and self.ratios_passed

    def __str__(self) -> str:
        return (
            f"on {self.num_frames} drawn frames Dice of the fragments {self.dice_fragment_exact:.4f} -> "
            f"{self.dice_fragment:.4f} and of the embryo {self.dice_embryo_exact:.4f} -> {self.dice_embryo:.4f} "
            f"(may lose {self.dice_loss_limit}), the ratio's mean error {self.ratio_mae_exact:.4f} -> "
            f"{self.ratio_mae:.4f} (may grow by {self.ratio_mae_loss_limit}), {self.grade_changes_frac:.1%} of the "
            f"grades change (limit {self.grade_changes_limit_frac:.0%})"
        )


def score_pair(pair: EnginePair, frames: Sequence[LabelledFrame]) -> Scores:
    """Run the whole way of each frame and compare its masks with the true ones."""
    overlaps_FK3 = np.zeros((len(frames), 2, 3), np.int64)
    ratios_F = np.full(len(frames), np.nan)
    for start in range(0, len(frames), BATCH_SIZE):
        batch = frames[start : start + BATCH_SIZE]
        looks = look_at_embryos(pair, [frame.image for frame in batch])
        found = [index for index, look in enumerate(looks) if look.found]
        masks = {}
        if found:
            canvases_NSSC = np.stack([looks[index].canvas_SSC for index in found])
            masks_MKSS, ratios_M = pair.masks_and_ratios(canvases_NSSC)
            masks = dict(zip(found, masks_MKSS, strict=True))
            ratios_F[[start + index for index in found]] = ratios_M
        for index, frame in enumerate(batch):
            true = frame.fragment_mask, frame.embryo_mask
            got = [np.zeros_like(mask) for mask in true]
            if index in masks:
                got = masks_in_frame(masks[index], looks[index].box, pair.choice.mask_threshold)
            overlaps_FK3[start + index] = [_overlap(*one) for one in zip(got, true, strict=True)]
    return Scores(
        overlaps_FK3=overlaps_FK3, ratios_F=ratios_F, true_ratios_F=_true_ratios(frames, pair.choice.model.denominator)
    )


def compare_scores(exact: Scores, quantised: Scores) -> Accuracy:
    """Count what the quantised engine loses on the same frames."""
    located = ~np.isnan(exact.ratios_F) & ~np.isnan(quantised.ratios_F)
    error, error_exact = (
        float(np.mean(np.abs(scores.ratios_F - scores.true_ratios_F)[located])) if located.any() else float("nan")
        for scores in (quantised, exact)
    )
    changes = [one != other for one, other in zip(exact.grades_F, quantised.grades_F, strict=True)]
    return Accuracy(
        num_frames=len(located),
        num_located=int(located.sum()),
        dice_fragment=float(quantised.dice_K[0]),
        dice_fragment_exact=float(exact.dice_K[0]),
        dice_embryo=float(quantised.dice_K[1]),
        dice_embryo_exact=float(exact.dice_K[1]),
        dice_loss_limit=DICE_LOSS_LIMIT,
        ratio_mae=error,
        ratio_mae_exact=error_exact,
        ratio_mae_loss_limit=RATIO_MAE_LOSS_LIMIT,
        grade_changes_frac=float(np.mean(changes)),
        grade_changes_limit_frac=GRADE_CHANGES_LIMIT_FRAC,
    )


def _overlap(got: np.ndarray, true: np.ndarray) -> tuple[int, int, int]:
    return np.count_nonzero(got & true), np.count_nonzero(got), np.count_nonzero(true)


def _true_ratios(frames: Sequence[LabelledFrame], denominator: str) -> np.ndarray:
    return np.array([measure_masks(one.fragment_mask, one.embryo_mask, denominator).ratio_mask for one in frames])
