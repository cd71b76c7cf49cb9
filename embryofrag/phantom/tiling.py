"""A sphere tiled with flat polygonal cells, as the trophectoderm tiles a blastocyst.

The cells are the Voronoi cells of sites on the sphere, seen along the optical axis: polygons in the middle,
foreshortened towards the rim.
"""

from dataclasses import dataclass

import numpy as np

from embryofrag.phantom.body import Patch


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
