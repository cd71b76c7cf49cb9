"""Cells in the zona: radii that fill it, positions that share it."""

from dataclasses import replace

import numpy as np

from embryofrag.phantom.body import Body, draw_body
from embryofrag.phantom.zona import Zona

_FILL_EXPONENT = 0.40
"""Cell radius over zona radius falls as num_cells ** -0.40: slower than -1/2, because cells overlap in projection."""

_FLATTENING = {1: 0.05, 2: 0.50, 3: 0.35}
"""Largest aspect ratio - 1 by number of cells: two or three cells press hardest on each other."""


def draw_radii(rng: np.random.Generator, num_cells: int, ratio: float) -> np.ndarray:
    """Cell radii relative to the inner radius of the zona, (num_cells,) float64.

    What the fragments hold, the cells have lost: the radii shrink with the ratio.
    """
    fill = rng.uniform(0.70, 0.95) if num_cells == 1 else rng.uniform(0.82, 0.97) * num_cells**-_FILL_EXPONENT
    # one embryo in five has very uneven cells
    spread = 0.0 if num_cells == 1 else rng.uniform(0.16, 0.32) if rng.random() < 0.2 else rng.uniform(0.02, 0.16)
    uneven = np.exp(spread * rng.standard_normal(num_cells))
    return np.clip(fill * np.sqrt(1 - 0.65 * ratio) * uneven, 0.12, 0.97)


def pack_spheres(rng: np.random.Generator, radii: np.ndarray, *, flatness: float) -> np.ndarray:
    """Places spheres in the unit ball, overlapping a little where they must.

    Args:
        rng: Source of chance.
        radii: (n,) relative to the ball's radius, each below 1.
        flatness: 0 puts all centres in the focal plane, 1 spreads them evenly over height.

    Returns:
        (n, 3) centres x, y, z; each sphere stays inside the ball.
    """
    room = 1 - radii
    directions = rng.standard_normal((len(radii), 3)) * [1, 1, flatness]
    centres = directions / np.linalg.norm(directions, axis=1, keepdims=True) * room[:, None]
    touching = 0.9 * (radii[:, None] + radii[None])
    for _ in range(30):
        gaps = centres[:, None] - centres[None]
        distance = np.sqrt((gaps**2).sum(-1)) + np.eye(len(radii)) * 1e9
        centres = centres + 0.3 * (gaps * (np.maximum(touching - distance, 0) / distance)[..., None]).sum(1)
        centres[:, 2] *= 0.7 + 0.3 * flatness
        reach = np.sqrt((centres**2).sum(1))
        centres *= np.minimum(1, room / np.maximum(reach, 1e-6))[:, None]
    return centres


def pack_cells(rng: np.random.Generator, zona: Zona, num_cells: int, ratio: float) -> list[Body]:
    """The 1..16 cells of one embryo, lowest first, when fragments take their share (ratio) of it.

    Three embryos in ten leave part of the zona empty and lean to one side of it.
    """
    filled = rng.uniform(0.76, 0.97) if rng.random() < 0.3 else 1.0
    lean_rad, lean = rng.uniform(0, 2 * np.pi), (1 - filled) * np.sqrt(rng.random())
    radii = draw_radii(rng, num_cells, ratio) * filled
    aspects = 1 + _FLATTENING.get(num_cells, 0.12) * rng.uniform(0.2, 1.0, num_cells)
    # flattened cells lie further apart: what counts is the half axis towards the middle of the embryo
    flatness = rng.uniform(0.1, 0.5) if num_cells <= 3 else rng.uniform(0.25, 0.9)
    centres = pack_spheres(rng, radii / np.sqrt(aspects) / filled, flatness=flatness) * filled
    centres[:, :2] += [lean * np.cos(lean_rad), lean * np.sin(lean_rad)]
    cells = []
    for index in np.argsort(centres[:, 2]):
        x, y, z = centres[index] * zona.radius_px
        cell = draw_body(
            rng,
            (zona.x_px + x, zona.y_px + y),
            radii[index] * zona.radius_px,
            wobble=rng.uniform(0.004, 0.022),
            z_um=z * zona.um_per_px,
        )
        # cells flatten against their neighbours: long axis across the direction to the middle of the embryo
        across_rad = float(np.arctan2(y, x) + np.pi / 2 + rng.normal(0, 0.2))
        cells.append(replace(cell, aspect=float(aspects[index]), angle_rad=across_rad))
    return cells
