"""The fragmentation ratio of two masks.

| denominator | fragment area               | divided by  | for                                              |
|-------------|-----------------------------|-------------|--------------------------------------------------|
| ``embryo``  | fragment mask inside embryo | embryo area | the default                                      |
| ``image``   | whole fragment mask         | frame area  | tight crops labelled without embryo masks        |

The same polygons give 6-10 % of the embryo but about 1 % of a whole time-lapse frame: the denominator decides the
grade, so every output names it.
"""

from dataclasses import dataclass

import numpy as np

DENOMINATORS = ("embryo", "image")


@dataclass(frozen=True, slots=True, kw_only=True)
class Areas:
    """Areas in pixels of the original frame, and their ratio."""

    fragment_area_px: int
    """Fragment area that counts: the part inside the embryo, or all of it where the denominator is the image."""
    embryo_area_px: int
    ratio_mask: float | None
    """0..1; None where the denominator is an embryo and there is none."""


def counted_fragment(fragment: np.ndarray, embryo: np.ndarray, denominator: str) -> np.ndarray:
    """Return the part of the fragment mask that a ratio over this denominator counts, bool (H, W).

    Raises:
        ValueError: Masks that are not bool images of one size, or an unknown denominator.
    """
    if fragment.dtype != np.bool_ or embryo.dtype != np.bool_ or fragment.ndim != 2 or fragment.shape != embryo.shape:
        raise ValueError("the masks must be two bool images of one size")
    if denominator not in DENOMINATORS:
        raise ValueError(f"the denominator is one of {', '.join(DENOMINATORS)}, not {denominator!r}")
    return fragment & embryo if denominator == "embryo" else fragment


def measure_masks(fragment: np.ndarray, embryo: np.ndarray, denominator: str = "embryo") -> Areas:
    """Measure a frame's masks.

    Args:
        fragment: bool (H, W).
        embryo: bool (H, W): union of cells and fragments.
        denominator: One of `DENOMINATORS`.

    Raises:
        ValueError: As `counted_fragment`.

    >>> embryo = np.zeros((10, 10), bool); embryo[:5, :8] = True
    >>> fragment = np.zeros((10, 10), bool); fragment[4:6, :5] = True
    >>> measure_masks(fragment, embryo)
    Areas(fragment_area_px=5, embryo_area_px=40, ratio_mask=0.125)
    >>> measure_masks(fragment, embryo, "image").ratio_mask
    0.1
    """
    fragment_area_px = int(np.count_nonzero(counted_fragment(fragment, embryo, denominator)))
    embryo_area_px = int(np.count_nonzero(embryo))
    whole_px = embryo_area_px if denominator == "embryo" else embryo.size
    return Areas(
        fragment_area_px=fragment_area_px,
        embryo_area_px=embryo_area_px,
        ratio_mask=fragment_area_px / whole_px if whole_px else None,
    )
