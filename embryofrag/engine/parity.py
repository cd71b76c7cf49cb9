"""Does an engine reproduce the reference? Counted, with limits."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from embryofrag.engine.contract import LOCATOR, SCOPE
from embryofrag.engine.model import ModelHeader

MASK_DIFFER_LIMIT_FRAC = 0.001
"""Share of mask pixels, over both channels of all probe frames, that may fall on the other side of the threshold.

The locator's embryo mask is held to the same share by itself: its few pixels would not weigh among module A's.
"""
RATIO_DIFFERENCE_LIMIT = 0.002
"""Largest difference of a probe frame's ratio."""
SCOPE_DIFFERENCE_LIMIT = 0.02
"""Largest difference of a probe frame's probability of being in scope: it is compared with a threshold alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the engines of a model say about the probe."""

    masks_NKHW: np.ndarray
    """bool (N, 2, S, S)."""
    ratios_N: np.ndarray
    """float32 (N,)."""
    locator_masks_NHW: np.ndarray | None = None
    """The locator's embryo masks, bool (N, L, L); None without a locator."""
    scopes_N: np.ndarray | None = None
    """Probabilities of being in scope, float32 (N,); None without a scope module."""


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
    locator_differ_frac: float | None
    """Share of the locator's mask pixels that differ; None without a locator."""
    scope_max_difference: float | None
    """Of the probability of being in scope; None without a scope module."""
    scope_difference_limit: float

    @property
    def passed(self) -> bool:
        """Whether all figures are within their limits; one that is not a number is not."""
        return (
            max(self.mask_differ_frac, self.locator_differ_frac or 0.0) <= self.mask_differ_limit_frac
            and self.ratio_max_difference <= self.ratio_difference_limit
            and (self.scope_max_difference or 0.0) <= self.scope_difference_limit
        )

    def __str__(self) -> str:
        locator = "" if self.locator_differ_frac is None else f"and {self.locator_differ_frac:.4%} of the locator's "
        scope = ""
        if self.scope_max_difference is not None:
            scope = f", scope by at most {self.scope_max_difference:.6f} (limit {self.scope_difference_limit})"
        return (
            f"{self.mask_differ_frac:.4%} of {self.num_mask_pixels} mask pixels {locator}differ "
            f"(limit {self.mask_differ_limit_frac:.4%}), ratios by at most {self.ratio_max_difference:.6f} "
            f"(limit {self.ratio_difference_limit}){scope}"
        )


def judge_results(results: Mapping[str, np.ndarray], model: ModelHeader) -> Answers:
    """Compare with the thresholds what the modules' engines returned, by module."""
    located = results[LOCATOR][:, 1] > model.crop.threshold if LOCATOR in results else None
    return Answers(
        masks_NKHW=results["a"] > model.mask_threshold,
        ratios_N=results["b"],
        locator_masks_NHW=located,
        scopes_N=results.get(SCOPE),
    )


def compare_answers(expected: Answers, got: Answers) -> Parity:
    """Count what differs between two answers to the same frames."""
    num_differ = int(np.count_nonzero(expected.masks_NKHW != got.masks_NKHW))
    locator_differ_frac = None
    if expected.locator_masks_NHW is not None:
        locator_differ_frac = float(np.mean(expected.locator_masks_NHW != got.locator_masks_NHW))
    scope_max_difference = None
    if expected.scopes_N is not None:
        scope_max_difference = _max_difference(expected.scopes_N, got.scopes_N)
    return Parity(
        num_images=len(expected.ratios_N),
        num_mask_pixels=expected.masks_NKHW.size,
        num_mask_pixels_differ=num_differ,
        mask_differ_frac=num_differ / expected.masks_NKHW.size,
        mask_differ_limit_frac=MASK_DIFFER_LIMIT_FRAC,
        ratio_max_difference=_max_difference(expected.ratios_N, got.ratios_N),
        ratio_difference_limit=RATIO_DIFFERENCE_LIMIT,
        locator_differ_frac=locator_differ_frac,
        scope_max_difference=scope_max_difference,
        scope_difference_limit=SCOPE_DIFFERENCE_LIMIT,
    )


def _max_difference(expected_N: np.ndarray, got_N: np.ndarray) -> float:
    return float(np.max(np.abs(expected_N - got_N)))


def pack_answers(answers: Answers) -> dict[str, np.ndarray]:
    """Return the answers as small arrays for an ``.npz`` file."""
    packed = {**_pack(answers.masks_NKHW, "masks"), "ratios": answers.ratios_N}
    if answers.locator_masks_NHW is not None:
        packed |= _pack(answers.locator_masks_NHW, "locator")
    return packed if answers.scopes_N is None else packed | {"scopes": answers.scopes_N}


def unpack_answers(arrays: Mapping[str, np.ndarray], num_images: int) -> Answers:
    """Return the first `num_images` answers that `pack_answers` packed."""
    return Answers(
        masks_NKHW=_unpack(arrays, "masks")[:num_images],
        ratios_N=arrays["ratios"][:num_images],
        locator_masks_NHW=_unpack(arrays, "locator")[:num_images] if "locator_shape" in arrays else None,
        scopes_N=arrays["scopes"][:num_images] if "scopes" in arrays else None,
    )


def _pack(masks: np.ndarray, name: str) -> dict[str, np.ndarray]:
    return {f"{name}_packed": np.packbits(masks), f"{name}_shape": np.array(masks.shape)}


def _unpack(arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    shape = tuple(arrays[f"{name}_shape"])
    return np.unpackbits(arrays[f"{name}_packed"], count=int(np.prod(shape))).astype(bool).reshape(shape)
