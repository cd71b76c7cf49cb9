"""A cell that has fallen to pieces: closely packed fragments of 8 to 22 um that flatten against each other."""

from dataclasses import replace

import numpy as np

from embryofrag.phantom.body import Patch, draw_body, trace_body
from embryofrag.phantom.optics import find_margin_px
from embryofrag.phantom.zona import Zona

_CHANCE, _LEAST_RATIO = 0.28, 0.07


def draw_pieces(
    rng: np.random.Generator, zona: Zona, inside_HW: np.ndarray, cells_HW: np.ndarray, ratio: float, edge_px: float
) -> list[Patch]:
    """The pieces of one shattered cell, in one in four of the frames that have room for it.

    Args:
        rng: Source of chance.
        zona: Geometry.
        inside_HW: (H, W) float32 depth inside the zona.
        cells_HW: (H, W) bool union of the cells.
        ratio: The frame's fragmentation; the pieces cover less than it.
        edge_px: Half width of the outlines, for which the patches leave room.
    """
    if rng.random() > _CHANCE or ratio < _LEAST_RATIO:
        return []
    area_px = rng.uniform(0.45, 0.85) * ratio * np.count_nonzero(cells_HW)
    reach_px = min(0.8 * zona.radius_px, np.sqrt(area_px / np.pi))
    piece_px = max(rng.uniform(4, 11) / zona.um_per_px, reach_px / 5.5)
    turn_rad, far_px = rng.uniform(0, 2 * np.pi), (zona.radius_px - reach_px) * np.sqrt(rng.random())
    middle = np.array([zona.x_px + far_px * np.cos(turn_rad), zona.y_px + far_px * np.sin(turn_rad)])
    sites = middle + _spread_sites(rng, max(2, int(0.9 * (reach_px / piece_px) ** 2))) * reach_px
    pieces = [_trace_piece(rng, sites, site, piece_px, inside_HW, edge_px) for site in sites]
    least_px = 0.25 * np.pi * piece_px**2
    return [piece for piece in pieces if piece is not None and np.count_nonzero(piece.inside) > least_px]


def _spread_sites(rng: np.random.Generator, count: int) -> np.ndarray:
    """Points in the unit disc that keep apart, (count, 2) float64."""
    angles_rad, reach = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.random(count))
    sites = np.stack([reach * np.cos(angles_rad), reach * np.sin(angles_rad)], -1)
    apart = 1.7 / np.sqrt(count)
    for _ in range(10):
        gaps = sites[:, None] - sites[None]
        distance = np.sqrt((gaps**2).sum(-1)) + np.eye(count) * 1e9
        sites = sites + 0.3 * (gaps * (np.maximum(apart - distance, 0) / distance)[..., None]).sum(1)
        sites *= np.minimum(1, 0.85 / np.maximum(np.linalg.norm(sites, axis=1), 1e-6))[:, None]
    return sites


def _trace_piece(
    rng: np.random.Generator,
    sites: np.ndarray,
    site: np.ndarray,
    radius_px: float,
    inside_HW: np.ndarray,
    edge_px: float,
) -> Patch | None:
    """One round piece, cut off a little beyond the middle of the way to each neighbour, as it is transparent."""
    body = draw_body(
        rng, tuple(site), radius_px * rng.uniform(0.85, 1.25), stretch=0.15, wobble=0.03, z_um=rng.normal(0, 7)
    )
    margin_px = find_margin_px(edge_px, abs(body.z_um) + 5)
    patch = trace_body(body, inside_HW.shape, margin_px=margin_px, within_HW=inside_HW)
    if patch is None:
        return None
    depth_px = patch.depth_px
    for other in sites:
        gap = other - site
        distance = float(np.hypot(*gap))
        if 0 < distance < 2.2 * radius_px:
            along = (patch.dx_px * np.float32(gap[0]) + patch.dy_px * np.float32(gap[1])) / np.float32(distance)
            depth_px = np.minimum(depth_px, np.float32(0.55 * distance) - along)
    return replace(patch, depth_px=depth_px)
