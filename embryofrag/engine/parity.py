"""Does an engine reproduce the reference? Counted, with limits."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

MASK_DIFFER_LIMIT_FRAC = 0.001
"""Share of mask pixels, over both channels of all probe frames, that may fall on the other side of the threshold."""
RATIO_DIFFERENCE_LIMIT = 0.002
"""Largest difference of a probe frame's ratio."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a pair of engines says about the probe."""

    masks_NKHW: np.ndarray
    """bool (N, 2, S, S)."""
    ratios_N: np.ndarray
    """float32 (N,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How far an engine is from the reference, and how far it may be."""

    num_images: int
    num_mask_pixels: int
    num_mask_pixels_differ: int
    mask_differ_frac: float
    mask_differ_limit_frac: float
    ratio_max_difference: float
    ratio_difference_limit: float

    @property
    def passed(self) -> bool:
        """Whether both figures are within their limits; a ratio that is not a number is not."""
        return (
            self.mask_differ_frac <= self.mask_differ_limit_frac
            and self.ratio_max_difference <= self.ratio_difference_limit
        )

    def __str__(self) -> str:
        return (
            f"{self.mask_differ_frac:.4%} of {self.num_mask_pixels} mask pixels differ "
            f"(limit {self.mask_differ_limit_frac:.4%}), ratios by at most {self.ratio_max_difference:.6f} "
            f"(limit {self.ratio_difference_limit})"
        )


def compare_answers(expected: Answers, got: Answers) -> Parity:
    """Count what differs between two answers to the same frames."""
    num_differ = int(np.count_nonzero(expected.masks_NKHW != got.masks_NKHW))
    return Parity(
        num_images=len(expected.ratios_N),
        num_mask_pixels=expected.masks_NKHW.size,
        num_mask_pixels_differ=num_differ,
        mask_differ_frac=num_differ / expected.masks_NKHW.size,
        mask_differ_limit_frac=MASK_DIFFER_LIMIT_FRAC,
        ratio_max_difference=float(np.max(np.abs(expected.ratios_N - got.ratios_N))),
        ratio_difference_limit=RATIO_DIFFERENCE_LIMIT,
    )


def pack_answers(answers: Answers) -> dict[str, np.ndarray]:
    """Return the answers as small arrays for an ``.npz`` file."""
    return {
        "masks_packed": np.packbits(answers.masks_NKHW),
        "masks_shape": np.array(answers.masks_NKHW.shape),
        "ratios": answers.ratios_N,
    }


def unpack_answers(arrays: Mapping[str, np.ndarray], num_images: int) -> Answers:
    """Return the first `num_images` answers that `pack_answers` packed."""
    shape = tuple(arrays["masks_shape"])
    masks = np.unpackbits(arrays["masks_packed"], count=int(np.prod(shape))).astype(bool).reshape(shape)
    return Answers(masks_NKHW=masks[:num_images], ratios_N=arrays["ratios"][:num_images])
