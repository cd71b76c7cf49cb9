"""The wall of a blastocyst: a hollow ball of flat cells, sharp where the focal plane cuts it."""

import cv2
import numpy as np

from embryofrag.phantom.body import Body, Patch, trace_body
from embryofrag.phantom.instrument import Look
from embryofrag.phantom.optics import Style, find_margin_px, paint_body
from embryofrag.phantom.texture import crop_grain
from embryofrag.phantom.tiling import paint_tiling

_GRANULE = np.float32(1.6)
"""Standard deviations beyond which grain counts as a granule."""


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
    style = _cavity_style(look, rng, focus)
    patch = trace_body(ball, field_HW.shape, margin_px=find_margin_px(style.edge_px, 0, halo=True))
    if patch is None:
        return
    paint_body(field_HW, patch, style, look, rng)
    strength = rng.uniform(0.8, 2.0)
    paint_tiling(field_HW, patch, look, rng, num_cells=num_cells, strength=strength, focus=focus)
    _paint_rim(field_HW, patch, look, rng, num_cells, focus)
    _paint_cytoplasm(field_HW, patch, look, rng, focus)


def _cavity_style(look: Look, rng: np.random.Generator, focus: float) -> Style:
    """The ball as a whole: clear, flat, outlined."""
    return Style(
        tone=rng.uniform(-0.12, 0.08),
        relief=look.relief * rng.uniform(0.1, 0.6),
        edge=look.edge * rng.uniform(0.6, 1.1) * (1 - 0.6 * abs(focus)),
        edge_px=max(1.0, look.edge_um * rng.uniform(1.0, 2.0) / look.um_per_px) * (1 + 3 * abs(focus)),
        grain=look.grain * 0.3,
        grain_px=3 * look.grain_um / look.um_per_px,
        opacity=rng.uniform(0.5, 0.95),
        halo=look.halo,
    )


def _paint_rim(
    field_HW: np.ndarray, patch: Patch, look: Look, rng: np.random.Generator, num_cells: int, focus: float
) -> None:
    """The wall cut by the focal plane: a bright granular band, thicker where a cell bulges into the cavity."""
    angle_rad = np.arctan2(patch.dy_px, patch.dx_px)
    around = max(5, round(1.8 * np.sqrt(num_cells)))
    bumps = rng.uniform(0.15, 1.0, around) ** 2
    turn = (angle_rad / np.float32(2 * np.pi) + np.float32(0.5)) * around
    cell = np.minimum(turn.astype(np.int32), around - 1)
    bulge = np.sin(np.float32(np.pi) * (turn - cell)) * bumps.astype(np.float32)[cell]
    thin_um, thick_um = rng.uniform(1.0, 2.5), rng.uniform(4, 12)
    depth_um = patch.depth_px * np.float32(look.um_per_px)
    beyond_um = depth_um - np.float32(thin_um) - np.float32(thick_um) * bulge
    sharp = np.float32(max(0.0, 1 - 1.6 * abs(focus)))
    band = np.clip(np.float32(0.5) - beyond_um, 0, 1) * np.clip(depth_um, 0, 1)
    grain = crop_grain(rng, band.shape, look.grain_um * 1.6 / look.um_per_px, look.light)
    line = np.exp(-np.square(beyond_um / np.float32(rng.uniform(0.6, 1.4)))) * (depth_um > 0)
    shine = np.float32(rng.uniform(-0.1, 0.3)) + np.float32(look.grain * rng.uniform(0.7, 1.7)) * grain
    field_HW[patch.window] += sharp * (band * shine - line * np.float32(look.edge * rng.uniform(0.3, 0.8)))


def _paint_cytoplasm(field_HW: np.ndarray, patch: Patch, look: Look, rng: np.random.Generator, focus: float) -> None:
    """Cytoplasm in patches: fine grain and single granules, the more the nearer the wall is to the focal plane."""
    grain = crop_grain(rng, patch.depth_px.shape, look.grain_um * rng.uniform(1, 1.8) / look.um_per_px, look.light)
    grain += np.float32(rng.uniform(0, 2.5)) * (grain - np.clip(grain, -_GRANULE, _GRANULE))
    patchy = rng.uniform(0, 1, (9, 9)).astype(np.float32)
    patchy = cv2.resize(patchy, grain.shape[::-1], interpolation=cv2.INTER_CUBIC)
    inside = np.clip(patch.depth_px * np.float32(0.7), 0, 1)
    field_HW[patch.window] += grain * patchy * inside * np.float32(look.grain * (0.3 + 0.6 * abs(focus)))
