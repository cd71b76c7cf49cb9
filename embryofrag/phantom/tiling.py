"""A ball tiled with polygonal cells, as the trophectoderm tiles a blastocyst and cells tile a morula.

The cells are the Voronoi cells of sites on the sphere, seen along the optical axis: polygons in the middle,
foreshortened towards the rim.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from embryofrag.phantom.body import Patch
from embryofrag.phantom.instrument import Look

_FOCAL_DEPTH = 0.4
"""Distance from the focal plane, in radii, at which half of the sharpness is gone."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tiling:
    """One hemisphere on every `step_px`-th pixel of a patch; outside the sphere the values of its rim."""

    cell: np.ndarray
    """(h, w) intp: which site is nearest."""
    border: np.ndarray
    """(h, w) float32: distance to the nearest border, about 1 in the middle of a cell of usual size."""
    height: np.ndarray
    """(h, w) float32: height above the equator in radii, -1..1, negative on the far hemisphere."""


def spread_sites(rng: np.random.Generator, count: int) -> np.ndarray:
    """Points spread unevenly over the unit sphere, none very near another.

    Returns:
        (count, 3) float32 unit vectors x, y, z.
    """
    sites = rng.standard_normal((count, 3))
    sites /= np.linalg.norm(sites, axis=1, keepdims=True)
    for _ in range(4):
        gaps = sites[:, None] - sites[None]
        distance = np.sqrt((gaps**2).sum(-1)) + np.eye(count) * 1e9
        push = np.exp(-0.5 * count * distance**2 / 4)
        sites = sites + 0.4 * (gaps * (push / distance)[..., None]).sum(1) / np.sqrt(count)
        sites /= np.linalg.norm(sites, axis=1, keepdims=True)
    return sites.astype(np.float32)


def trace_tiling(patch: Patch, sites_N3: np.ndarray, *, near: bool, step_px: int) -> Tiling:
    """Traces the near or the far hemisphere of a body tiled around its sites.

    Args:
        patch: The body.
        sites_N3: At least 2 unit vectors.
        near: The hemisphere above the equator.
        step_px: Every how many pixels.
    """
    dx, dy = patch.dx_px[:, ::step_px], patch.dy_px[::step_px]
    rho = np.minimum(1 - patch.depth_px[::step_px, ::step_px] / np.float32(patch.radius_px), 1)
    stretch = rho / np.maximum(np.sqrt(dx * dx + dy * dy), np.float32(1e-3))
    height = np.sqrt(np.maximum(1 - rho * rho, 0)) * np.float32(1 if near else -1)
    towards_NHW = (
        sites_N3[:, 0, None, None] * (dx * stretch)
        + sites_N3[:, 1, None, None] * (dy * stretch)
        + sites_N3[:, 2, None, None] * height
    )
    cell = towards_NHW.argmax(0)
    nearest = towards_NHW.max(0)
    np.put_along_axis(towards_NHW, cell[None], -2, axis=0)
    # the difference of the two cosines rises from a border by the gap of its sites, 2 / sqrt(N) in radii
    border = (nearest - towards_NHW.max(0)) * np.float32(len(sites_N3) / 4)
    return Tiling(cell=cell, border=border, height=height)


def paint_tiling(
    field_HW: np.ndarray,
    patch: Patch,
    look: Look,
    rng: np.random.Generator,
    *,
    num_cells: int,
    strength: float,
    focus: float,
) -> None:
    """Paints the cells of a ball, the far hemisphere first, in place.

    Args:
        field_HW: (H, W) float32 contrast.
        patch: The ball.
        look: Light, contrasts and pixel size of the frame.
        rng: Source of chance.
        num_cells: On the whole ball, at least 2.
        strength: How much the cells stand out; 1 is as much as a cell of a cleavage-stage embryo does.
        focus: Height of the focal plane above the equator in radii, -1..1.
    """
    sites_N3 = spread_sites(rng, num_cells)
    step_px = max(1, round(patch.radius_px / 75))
    height, width = patch.depth_px.shape
    cover = np.clip(patch.depth_px * np.float32(0.7), 0, 1)
    for near in (False, True):
        tiling = trace_tiling(patch, sites_N3, near=near, step_px=step_px)
        layer = _shade(tiling, look, rng, step_px * look.um_per_px, strength, focus)
        full = cv2.resize(layer, None, fx=step_px, fy=step_px, interpolation=cv2.INTER_LINEAR)
        field_HW[patch.window] += full[:height, :width] * cover


def _shade(
    tiling: Tiling, look: Look, rng: np.random.Generator, um_per_step: float, strength: float, focus: float
) -> np.ndarray:
    """Contrast of one hemisphere: slope of the cells' domes along the light, dark borders, cells of unlike tone."""
    # seen edge-on near the equator, the wall is thicker
    through = 1 / np.maximum(np.abs(tiling.height), np.float32(0.3))
    dome = (1 - np.exp(-tiling.border * np.float32(rng.uniform(2.5, 6)))) * through * np.float32(rng.uniform(3, 8))
    uneven = rng.normal(0, 0.25, tiling.cell.max() + 1).astype(np.float32)[tiling.cell]
    dome *= 1 + uneven
    tone = np.float32(look.cell_tone) * (np.float32(0.25) + uneven) * np.sqrt(through)
    line = np.exp(-np.square(tiling.border * np.float32(rng.uniform(7, 14)))) * np.float32(look.edge * 0.5)
    sharp = (_slope(dome, look, um_per_step) * np.float32(look.relief) + tone - line) * np.float32(strength)
    soft = cv2.GaussianBlur(sharp, (0, 0), max(0.6, rng.uniform(1.8, 5.0) / um_per_step))
    in_focus = np.exp2(-np.square((tiling.height - np.float32(focus)) / np.float32(_FOCAL_DEPTH)))
    return soft + in_focus * (sharp - soft)


def _slope(height_um: np.ndarray, look: Look, um_per_step: float) -> np.ndarray:
    """Slope of a height map towards the dark side, compressed to -1..1."""
    fall_y, fall_x = np.gradient(cv2.GaussianBlur(height_um, (0, 0), 0.8), um_per_step)
    along = np.float32(look.light[0]) * fall_x + np.float32(look.light[1]) * fall_y
    return np.tanh(np.float32(-0.9) * along)
