"""What the embryo mask says about there being one whole embryo in the frame.

| finding                                              | judged by                       | consequence            |
|------------------------------------------------------|---------------------------------|------------------------|
| mask empty, or a smaller share of the frame than set | `embryofrag.grading.frame`      | outcome ``no_embryo``  |
| low confidence, in pieces, or cut by the border      | `embryofrag.grading.referral`   | ``unclear_embryo``     |
| more than one embryo in the frame                    | `embryofrag.grading.referral`   | ``several_embryos``    |

Whether it is an embryo at cleavage stage at all is not for the mask to say, but for a scope module (``out_of_scope``).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbryoEvidence:
    """What speaks for one whole embryo in the frame."""

    frame_share: float
    """Embryo mask's share of the frame, 0..1."""
    largest_share: float | None
    """Share of the mask held by its largest component, 0..1; None where the mask is empty."""
    border_share: float | None
    """Border inside the mask over the perimeter of a disc of the mask's area; None where the mask is empty.

    The border is that of what was looked at: the frame's, or that of the window around the embryo. A disc that misses
    a tenth of its area beyond one side reads about 0.23; half a disc reads 0.45.
    """
    confidence: float | None
    """Mean embryo probability inside the mask, 0..1; None where the mask is empty or came without probabilities."""
    num_embryos: int | None = None
    """Embryos that a locator saw in the frame; None without one."""


def find_embryo(
    embryo: np.ndarray,
    component_areas_px: Sequence[int],
    confidence: float | None = None,
    *,
    region: tuple[slice, slice] = (slice(None), slice(None)),
    num_embryos: int | None = None,
) -> EmbryoEvidence:
    """Gather the evidence for an embryo.

    Args:
        embryo: bool (H, W).
        component_areas_px: Areas of the mask's connected components, largest first.
        confidence: Mean probability inside the mask, where known.
        region: Rows and columns of the frame that were looked at; the mask is empty outside of them.
        num_embryos: Embryos that a locator saw in the frame, where the model has one.

    >>> half_in = np.zeros((100, 100), bool); half_in[30:70, :20] = True
    >>> evidence = find_embryo(half_in, [800])
    >>> evidence.frame_share, evidence.largest_share, round(evidence.border_share, 3)
    (0.08, 1.0, 0.399)
    """
    area_px = int(np.count_nonzero(embryo))
    if not area_px:
        return EmbryoEvidence(
            frame_share=0.0, largest_share=None, border_share=None, confidence=None, num_embryos=num_embryos
        )
    border_px = area_px - int(np.count_nonzero(embryo[region][1:-1, 1:-1]))
    return EmbryoEvidence(
        frame_share=area_px / embryo.size,
        largest_share=component_areas_px[0] / area_px,
        border_share=border_px / (2.0 * math.sqrt(math.pi * area_px)),
        confidence=confidence,
        num_embryos=num_embryos,
    )
