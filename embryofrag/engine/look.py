"""What modules A and B are shown of a frame: all of it, or the window in which the locator found the embryo.

| model          | first look                       | closer look                                                   |
|----------------|----------------------------------|---------------------------------------------------------------|
| without a crop | whole frame, for modules A and B |                                                               |
| with a crop    | whole frame, for the locator     | window around the largest embryo it found, for modules A and B |

Either look keeps the record of its letterbox, by which masks come back to the frame's own pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from embryofrag.engine.pair import EngineChoice, EnginePair
from embryofrag.imaging.letterbox import Letterbox, letterbox
from embryofrag.imaging.masks import component_areas_px, find_circle
from embryofrag.imaging.window import window_around

MIN_EMBRYO_SHARE = 0.0025
"""Share of the frame below which what the locator outlined is a speck and no embryo.

Half of what grading asks of module A's mask by default, so that a coarse outline does not decide about a small embryo.
"""
MIN_NEIGHBOUR_SHARE = 0.3
"""Share of the largest component's area from which on another component is an embryo of its own."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """What a module is shown of a frame."""

    canvas_SSC: np.ndarray
    """uint8 (S, S, 3)."""
    box: Letterbox
    num_embryos: int | None = None
    """Embryos that the locator found in the frame; None before it looked, or without one."""

    @property
    def found(self) -> bool:
        """False where the locator found no embryo; the look is still the first one then."""
        return self.num_embryos != 0


def look_at_embryos(engines: EnginePair, images: Sequence[np.ndarray]) -> list[Look]:
    """Return what modules A and B are to see of each image.

    Args:
        engines: loaded; its locator runs once, on all images.
        images: uint8 (H, W) or (H, W, 3), overlay blanked, of any sizes; at least one.
    """
    choice = engines.choice
    looks = [first_look(image, choice) for image in images]
    if choice.crop is None:
        return looks
    embryos_NLL = engines.locate(np.stack([look.canvas_SSC for look in looks]))
    return [closer_look(*one, choice) for one in zip(images, looks, embryos_NLL, strict=True)]


def first_look(image: np.ndarray, choice: EngineChoice) -> Look:
    """Return the whole frame, uint8 (H, W) or (H, W, 3), as the first module to run takes it."""
    input_px = choice.input_px if choice.crop is None else choice.crop.input_px
    canvas_SSC, box = letterbox(image, input_px)
    return Look(canvas_SSC=canvas_SSC, box=box)


def closer_look(image: np.ndarray, first: Look, embryo_LL: np.ndarray, choice: EngineChoice) -> Look:
    """Return the window around the embryo as modules A and B take it.

    Args:
        image: uint8 (H, W) or (H, W, 3), the frame of the first look.
        first: The first look at it.
        embryo_LL: The locator's embryo probabilities, float32 (L, L).
        choice: With a crop.

    Returns:
        The look at the window, or the first look with ``num_embryos`` 0 where the locator found nothing.
    """
    num_embryos = _count_embryos(embryo_LL[first.box.content] >= choice.crop.threshold)
    if not num_embryos:
        return replace(first, num_embryos=0)
    window = window_around(find_circle(embryo_LL, first.box, choice.crop.threshold), choice.crop.diameter_share)
    canvas_SSC, box = letterbox(image, choice.input_px, window)
    return Look(canvas_SSC=canvas_SSC, box=box, num_embryos=num_embryos)


def _count_embryos(mask: np.ndarray) -> int:
    """Count the components of a mask over the whole frame that are large enough.

    >>> mask = np.zeros((40, 40), bool); mask[2:12, 2:12] = mask[20:30, 2:8] = mask[35:38, 35:38] = True
    >>> _count_embryos(mask), _count_embryos(mask & False)
    (2, 0)
    """
    areas_px = component_areas_px(mask)
    least_px = max(MIN_EMBRYO_SHARE * mask.size, MIN_NEIGHBOUR_SHARE * max(areas_px, default=0))
    return sum(area_px >= least_px for area_px in areas_px)
