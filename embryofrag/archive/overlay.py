"""The strip that EmbryoScope exports burn into a frame: well number and hours in white boxes at the bottom corners."""

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayRules:
    """How a text box looks; shares are of the frame's width or height."""

    white: int = 225
    """Grey level from which a pixel counts as box background."""
    dark: int = 120
    """Grey level up to which a pixel counts as text."""
    max_width_share: float = 0.30
    min_width_share: float = 0.04
    max_height_share: float = 0.08
    min_height_share: float = 0.015
    max_gap_share: float = 0.06
    """Largest distance of a box from its side and from the bottom."""
    text_shares: tuple[float, float] = (0.02, 0.5)
    """Least and greatest share of text pixels within the box."""
    margin_share: float = 0.006
    """How far around the box the compression's ringing is blanked too."""


def blank_overlay(image: np.ndarray, rules: OverlayRules = OverlayRules()) -> np.ndarray:
    """Fill the overlay's text boxes with the grey level around them.

    Only a near-white rectangle with dark text, close to the bottom-left or bottom-right corner, is taken for a box.

    Args:
        image: uint8, (H, W) or (H, W, 3).

    Returns:
        A new array; equal to ``image`` where there is no overlay.
    """
    blanked = image.copy()
    for box in find_overlay(image, rules):
        margin = max(3, round(rules.margin_share * image.shape[1]))
        inner, ring = _grow(box, margin, image.shape), _grow(box, 3 * margin, image.shape)
        around = np.ones(image.shape[:2], bool)
        around[inner] = False
        blanked[inner] = np.median(image[ring][around[ring]], axis=0).round()
    return blanked


def find_overlay(image: np.ndarray, rules: OverlayRules = OverlayRules()) -> list[tuple[slice, slice]]:
    """Rows and columns of each text box found, left one first."""
    grey = image if image.ndim == 2 else image.min(axis=2)
    height_px, width_px = grey.shape
    top = height_px - round((rules.max_height_share + rules.max_gap_share) * height_px)
    reach = round((rules.max_width_share + rules.max_gap_share) * width_px)
    boxes = []
    for left in (0, width_px - reach):
        box = _find_box(grey[top:, left : left + reach], grey.shape, rules)
        if box is None:
            continue
        rows, columns = (
            slice(part.start + first, part.stop + first) for part, first in zip(box, (top, left), strict=True)
        )
        gap_px = columns.start if left == 0 else width_px - columns.stop
        if max(gap_px / width_px, (height_px - rows.stop) / height_px) <= rules.max_gap_share:
            boxes.append((rows, columns))
    return boxes


def _find_box(corner: np.ndarray, shape: tuple[int, int], rules: OverlayRules) -> tuple[slice, slice] | None:
    """The first white area of a corner that has the shape and content of a text box."""
    white = corner >= rules.white
    _, _, stats, _ = cv2.connectedComponentsWithStats(white.astype(np.uint8), connectivity=4)
    for left, top, width_px, height_px, _ in stats[1:].tolist():
        is_sized = (
            rules.min_width_share * shape[1] <= width_px <= rules.max_width_share * shape[1]
            and rules.min_height_share * shape[0] <= height_px <= rules.max_height_share * shape[0]
        )
        box = slice(top, top + height_px), slice(left, left + width_px)
        if is_sized and _is_text_box(corner, white, box, rules):
            return box
    return None


def _is_text_box(corner: np.ndarray, white: np.ndarray, box: tuple[slice, slice], rules: OverlayRules) -> bool:
    inside = white[box]
    # text may touch the sides of its box, never its top or bottom
    is_framed = inside[[0, -1]].mean(axis=1).min() > 0.8 and inside[:, [0, -1]].mean(axis=0).min() > 0.4
    least, most = rules.text_shares
    has_text = least <= (corner[box] <= rules.dark).mean() <= most
    ring = white[_grow(box, 4, corner.shape)]
    is_cut_out = ring.sum() - inside.sum() < 0.2 * (ring.size - inside.size)
    return bool(is_framed and has_text and is_cut_out)


def _grow(box: tuple[slice, slice], by_px: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    rows, columns = (
        slice(max(0, part.start - by_px), min(limit, part.stop + by_px))
        for part, limit in zip(box, shape[:2], strict=True)
    )
    return rows, columns
