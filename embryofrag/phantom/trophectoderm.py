"""The wall of a blastocyst: a hollow ball of flat cells, sharp where the focal plane cuts it."""

import cv2
import numpy as np

from embryofrag.phantom.body import Body, Patch, trace_body
from embryofrag.phantom.instrument import Look
from embryofrag.phantom.optics import Style, paint_body
from embryofrag.phantom.texture import crop_grain
from embryofrag.phantom.tiling import Tiling, spread_sites, trace_tiling

_FOCAL_DEPTH = 0.4
"""Distance from the focal plane, in radii, at which half of the sharpness is gone."""


def paint_trophectoderm(
    field_HW: np.ndarray, ball: Body, look: Look, rng: np.random.Generator, *, num_cells: int, focus: float
) -> None:
    """Paints a hollow ball of flat cells with a clear cavity, in place.

    Args:
        field_HW: (H, W) float32 contrast.
        ball: Outline of the ball.
        look: Light, contrasts and pixel size of the frame.
        rng: Source of chance.
        num_cells: Cells of the whole wall.
        focus: Height of the focal plane above the equator in radii, -1..1.
    """
    patch = trace_body(ball, field_HW.shape, margin_px=6)
    if patch is None:
        return
    paint_body(field_HW, patch, _cavity_style(look, rng, focus), look, rng)
    sites_N3 = spread_sites(rng, num_cells)
    strength = rng.uniform(0.7, 1.5)
    for near in (False, True):
        step_px = max(1, round(patch.radius_px / 75))
        tiling = trace_tiling(patch, sites_N3, near=near, step_px=step_px)
        layer = _shade(tiling, look, rng, step_px * look.um_per_px, strength, focus)
        height, width = patch.depth_px.shape
        full = cv2.resize(layer, None, fx=step_px, fy=step_px, interpolation=cv2.INTER_LINEAR)[:height, :width]
        cover = np.clip(patch.depth_px * np.float32(0.7), 0, 1)
        field_HW[patch.window] += full * cover
    _paint_cytoplasm(field_HW, patch, look, rng, focus)


def _cavity_style(look: Look, rng: np.random.Generator, focus: float) -> Style:
    """The ball as a whole: clear, flat, outlined."""
    sharp = 1 - 0.6 * abs(focus)
    return Style(
        tone=rng.uniform(-0.14, 0.04),
        relief=look.relief * rng.uniform(0.1, 0.6),
        edge=look.edge * rng.uniform(0.6, 1.1) * sharp,
        edge_px=max(1.0, look.edge_um * rng.uniform(1.0, 2.0) / look.um_per_px) * (1 + 3 * abs(focus)),
        grain=look.grain * 0.3,
        grain_px=3 * look.grain_um / look.um_per_px,
        opacity=rng.uniform(0.5, 0.95),
        halo=look.halo,
    )


def _shade(
    tiling: Tiling, look: Look, rng: np.random.Generator, um_per_step: float, strength: float, focus: float
) -> np.ndarray:
    """Contrast of one hemisphere: slope of the cells' domes along the light, dark borders, cells of unlike tone."""
    # seen edge-on near the equator, the wall is thicker
    through = 1 / np.maximum(np.abs(tiling.height), np.float32(0.3))
    dome = (1 - np.exp(-tiling.border * np.float32(rng.uniform(2.5, 6)))) * through * np.float32(rng.uniform(3, 7))
    uneven = np.float32(rng.normal(0, 0.25, tiling.cell.max() + 1).astype(np.float32))[tiling.cell]
    dome *= 1 + uneven
    tone = np.float32(look.cell_tone * 0.4) * (1 + 3 * uneven) * np.sqrt(through)
    line = np.exp(-np.square(tiling.border * np.float32(rng.uniform(7, 12)))) * np.float32(look.edge * 0.5)
    sharp = _slope(dome, look, um_per_step) * np.float32(look.relief * strength) + tone - line
    blur = max(0.6, rng.uniform(1.8, 3.2) / um_per_step)
    soft = cv2.GaussianBlur(sharp, (0, 0), blur)
    in_focus = np.exp2(-np.square((tiling.height - np.float32(focus)) / np.float32(_FOCAL_DEPTH)))
    return soft + in_focus * (sharp - soft)


def _slope(height_um: np.ndarray, look: Look, um_per_step: float) -> np.ndarray:
    """Slope of a height map towards the dark side, compressed to -1..1."""
    fall_y, fall_x = np.gradient(cv2.GaussianBlur(height_um, (0, 0), 0.8), um_per_step)
    along = np.float32(look.light[0]) * fall_x + np.float32(look.light[1]) * fall_y
    return np.tanh(np.float32(-0.9) * along)


def _paint_cytoplasm(field_HW: np.ndarray, patch: Patch, look: Look, rng: np.random.Generator, focus: float) -> None:
    """Granular cytoplasm: fine over what is in focus, strong at the rim where the wall is seen edge-on."""
    grain = crop_grain(rng, patch.depth_px.shape, look.grain_um * rng.uniform(1, 1.8) / look.um_per_px, look.light)
    inwards = np.clip(patch.depth_px / np.float32(patch.radius_px), 0, 1)
    rim = np.exp(-inwards / np.float32(rng.uniform(0.06, 0.16))) * np.float32(1.6 * (1 - 0.7 * abs(focus)))
    inside = np.clip(patch.depth_px * np.float32(0.7), 0, 1)
    field_HW[patch.window] += grain * (rim + np.float32(0.3 + 0.5 * abs(focus))) * inside * np.float32(look.grain)
