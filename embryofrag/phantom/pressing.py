"""Cells pressed into their neighbours and into the zona: flat where they meet, uneven in outline.

Cells of late and of compacting embryos, and of embryos that fill their zona, are no ellipses. Which embryos are
pressed, and how hard, is ours, set by eye beside public frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from embryofrag.phantom.body import Body, Patch, smooth_minimum

_PRESSED_SHARE = 0.45
_LATE_CELLS = 6
_LATE_PRESSED_SHARE = 0.75
"""The same, of embryos of so many cells or more."""
_STACKED_BELOW = 0.45
"""Centres nearer than this share of the larger radius: one cell lies on the other, and neither is flattened."""
_LARGEST_SHARE = 0.97
"""Of the zona's radius, that a cell's may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressing:
    """How the cells of one embryo are pressed."""

    swelling: float
    """Factor on the radii, which fills the gaps between round cells."""
    wobble: float
    """Factor on what makes outlines uneven."""
    lens_share: float
    """Share of the overlap of two cells that stays, as a lens: 0 leaves none, 1 all of it."""


def draw_pressing(rng: np.random.Generator, num_cells: int) -> Pressing | None:
    """How hard an embryo's cells press on each other; None where they lie loosely."""
    share = _LATE_PRESSED_SHARE if num_cells >= _LATE_CELLS else _PRESSED_SHARE
    is_pressed, swelling, wobble, lens_share = rng.random() < share, *rng.random(3)
    if not is_pressed or num_cells < 2:
        return None
    return Pressing(swelling=1.02 + 0.16 * swelling, wobble=1 + 2.0 * wobble, lens_share=0.05 + 0.6 * lens_share)


def swell_cells(bodies: Sequence[Body], pressing: Pressing, zona_radius_px: float) -> list[Body]:
    """Larger, less even cells in the same places."""
    return [
        replace(
            body,
            radius_px=max(body.radius_px, min(body.radius_px * pressing.swelling, _LARGEST_SHARE * zona_radius_px)),
            harmonics=tuple((a * pressing.wobble, b * pressing.wobble) for a, b in body.harmonics),
        )
        for body in bodies
    ]


def flatten_contacts(bodies: Sequence[Body], patches: Sequence[Patch | None], pressing: Pressing) -> list[Patch | None]:
    """Cut each cell off near the line where its outline and a neighbour's cross.

    Args:
        bodies: The cells.
        patches: The same cells traced; None where one lies outside the frame.
        pressing: How much of each overlap stays.
    """
    return [
        None if patch is None else _flatten_one(index, bodies, patch, pressing) for index, patch in enumerate(patches)
    ]


def _flatten_one(index: int, bodies: Sequence[Body], patch: Patch, pressing: Pressing) -> Patch:
    body, depth = bodies[index], patch.depth_px
    for place, other in enumerate(bodies):
        x_px, y_px = other.x_px - body.x_px, other.y_px - body.y_px
        distance_px, radii_px = float(np.hypot(x_px, y_px)), (body.radius_px, other.radius_px)
        overlap_px = sum(radii_px) - distance_px
        if place == index or overlap_px <= 0 or distance_px < _STACKED_BELOW * max(radii_px):
            continue
        # of two circles, where the line through their crossings meets the line of their centres
        contact_px = (distance_px**2 + radii_px[0] ** 2 - radii_px[1] ** 2) / (2 * distance_px)
        kept_px = contact_px + 0.5 * pressing.lens_share * overlap_px
        along = patch.dx_px * np.float32(x_px / distance_px) + patch.dy_px * np.float32(y_px / distance_px)
        depth = smooth_minimum(depth, np.float32(kept_px) - along, 0.25 * body.radius_px)
    return replace(patch, depth_px=depth)
