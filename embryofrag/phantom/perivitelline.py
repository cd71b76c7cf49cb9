"""The space between zona and cells: polar bodies and granular matter, neither of which counts as fragment."""

import cv2
import numpy as np

from embryofrag.phantom.body import Patch, draw_body, trace_body
from embryofrag.phantom.instrument import Look
from embryofrag.phantom.optics import Style, find_margin_px
from embryofrag.phantom.texture import crop_grain
from embryofrag.phantom.zona import Zona

_MOST_COVERED = 0.4
"""A polar body is left out where cells cover more of it than this share."""


def draw_polar_bodies(
    rng: np.random.Generator, zona: Zona, inside_HW: np.ndarray, embryo_HW: np.ndarray, look: Look
) -> list[tuple[Patch, Style]]:
    """None to three polar bodies, 8 to 18 um wide, close together where cells leave room.

    Args:
        rng: Source of chance.
        zona: Geometry.
        inside_HW: (H, W) float32 depth inside the zona.
        embryo_HW: (H, W) bool union of cells and fragments.
        look: Contrasts of the frame.

    Returns:
        What to paint, in order; it may reach below cells, never beyond the zona.
    """
    painted = []
    near_rad = rng.uniform(0, 2 * np.pi)
    for _ in range(rng.choice(4, p=[0.15, 0.40, 0.32, 0.13])):
        radius_px = rng.uniform(4, 9) / zona.um_per_px
        angles_rad = near_rad + rng.normal(0, [0.4] * 6 + [3.0] * 10)
        reach_px = zona.radius_px - radius_px * rng.uniform(0.9, 1.5, 16) - 1
        x, y = zona.x_px + reach_px * np.cos(angles_rad), zona.y_px + reach_px * np.sin(angles_rad)
        best = int(np.argmin(_share_covered(embryo_HW, x, y, radius_px)))
        near_rad = float(angles_rad[best])
        pieces = rng.integers(2, 4) if rng.random() < 0.2 else 1
        style = _polar_style(rng, look)
        for _ in range(pieces):
            centre = (
                x[best] + rng.normal(0, 0.5) * (pieces > 1) * radius_px,
                y[best] + rng.normal(0, 0.3) * (pieces > 1),
            )
            body = draw_body(rng, centre, radius_px * pieces**-0.5, stretch=0.15, wobble=0.02, z_um=rng.normal(0, 6))
            patch = trace_body(
                body, inside_HW.shape, margin_px=find_margin_px(style.edge_px, abs(body.z_um) + 5), within_HW=inside_HW
            )
            if patch is not None and _covered(embryo_HW, patch) < _MOST_COVERED:
                painted.append((patch, style))
    return painted


def _share_covered(embryo_HW: np.ndarray, x_px: np.ndarray, y_px: np.ndarray, radius_px: float) -> np.ndarray:
    """Share of five points of each disc that lie on the embryo."""
    dx, dy = np.array([[0, 0.7, -0.7, 0, 0], [0, 0, 0, 0.7, -0.7]])[:, :, None] * radius_px
    rows = np.clip(y_px + dy, 0, embryo_HW.shape[0] - 1).astype(int)
    columns = np.clip(x_px + dx, 0, embryo_HW.shape[1] - 1).astype(int)
    return embryo_HW[rows, columns].mean(axis=0)


def _covered(embryo_HW: np.ndarray, patch: Patch) -> float:
    """Share of the body's pixels that lie on the embryo."""
    inside = patch.inside
    return np.count_nonzero(inside & embryo_HW[patch.window]) / max(1, np.count_nonzero(inside))


def _polar_style(rng: np.random.Generator, look: Look) -> Style:
    """A small cell: paler or darker, often grainier."""
    return Style(
        tone=look.cell_tone * rng.uniform(0.1, 1.2) + rng.normal(0, 0.03),
        relief=look.relief * rng.uniform(0.5, 1.4),
        edge=look.edge * rng.uniform(0.3, 1.0),
        edge_px=max(0.7, look.edge_um * rng.uniform(0.7, 1.2) / look.um_per_px),
        grain=look.grain * rng.uniform(0.3, 2.2),
        grain_px=look.grain_um * rng.uniform(0.9, 2.2) / look.um_per_px,
        opacity=rng.uniform(0.4, 0.9),
    )


def paint_matter(
    field_HW: np.ndarray, zona: Zona, inside_HW: np.ndarray, embryo_HW: np.ndarray, look: Look, rng: np.random.Generator
) -> None:
    """Haze, grain and specks in the space that the embryo leaves free, thick here and thin there, in place."""
    if rng.random() < 0.2:
        return
    reach_px = zona.radius_px * 1.15
    window = tuple(
        slice(max(0, int(middle - reach_px)), max(0, int(middle + reach_px))) for middle in (zona.y_px, zona.x_px)
    )
    free = (np.clip(inside_HW[window], 0, 1) * ~embryo_HW[window]).astype(np.float32)
    if not free.any():
        return
    px_per_um = 1 / zona.um_per_px
    free = cv2.GaussianBlur(free, (0, 0), rng.uniform(0.3, 0.9) * px_per_um)
    knots = rng.normal(rng.uniform(0.0, 0.9), 0.7, (7, 7)).astype(np.float32)
    patchy = free * np.clip(cv2.resize(knots, free.shape[::-1], interpolation=cv2.INTER_CUBIC), 0, 1.5)
    strength = 0.03 + look.relief * rng.uniform(0.05, 0.6)
    grain_um = np.exp(rng.uniform(np.log(0.35), np.log(2.6)))
    grain = crop_grain(rng, free.shape, grain_um * px_per_um, look.light, coarse=rng.random() < 0.4)
    # only the steepest slopes of the grain, which leaves single specks
    steep = np.float32(rng.uniform(0.0, 1.6))
    specks = grain - np.clip(grain, -steep, steep)
    tone = look.cell_tone * rng.uniform(0.0, 0.7)
    field_HW[window] += patchy * (np.float32(tone) + specks * np.float32(strength * (0.5 + 0.6 * float(steep))))
