"""What lies on the cells and is no fragment: nuclei, pronuclei, vacuoles, granules, crescents and lenses."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from embryofrag.phantom.body import Body, Patch, draw_body, trace_body
from embryofrag.phantom.instrument import Look
from embryofrag.phantom.optics import Style

Painted = tuple[Patch, Style]


def draw_nuclei(
    rng: np.random.Generator, cells: list[Body], shape: tuple[int, int], look: Look, inside_HW: np.ndarray
) -> list[Painted]:
    """Pronuclei or nuclei, vacuoles and granules to paint on the cells, in order.

    Args:
        rng: Source of chance.
        cells: The cells, lowest first.
        shape: (H, W) of the frame.
        look: Contrasts and pixel size of the frame.
        inside_HW: (H, W) float32 depth inside the zona.
    """
    bodies: list[tuple[Body, Style]] = []
    granular, nucleated = rng.random() < 0.25, rng.choice([0.1, 0.4, 0.9])
    for cell in cells:
        if len(cells) == 1:
            bodies += _draw_pronuclei(rng, cell, look) if rng.random() < 0.7 else []
        elif rng.random() < nucleated:
            bodies += _draw_nucleus(rng, cell, look)
        if rng.random() < 0.08:
            bodies += [_draw_vacuole(rng, cell, look) for _ in range(rng.integers(1, 4))]
        if granular:
            bodies += _draw_granules(rng, cell, look)
    return list(_trace_all(bodies, shape, inside_HW))


def draw_crescents(
    rng: np.random.Generator, cells: list[Body], patches: list[Patch], look: Look, inside_HW: np.ndarray
) -> list[Painted]:
    """Soft lenses on the cells, lenses where two cells overlap, crescents along a cell's outline, in order.

    Args:
        rng: Source of chance.
        cells: The cells, lowest first.
        patches: The same cells traced.
        look: Contrasts and pixel size of the frame.
        inside_HW: (H, W) float32 depth inside the zona.
    """
    bodies = []
    if rng.random() < 0.5:
        bodies = [_draw_crescent(rng, cells[rng.integers(len(cells))], look) for _ in range(rng.integers(1, 4))]
    painted = list(_trace_all(bodies, inside_HW.shape, inside_HW))
    if rng.random() < 0.6:
        for index in rng.permutation(len(patches))[:3]:
            patch = _crop_to_body(patches[index])
            depth_px = _rim_depth(rng, patch, look) if rng.random() < 0.5 else _lens_depth(rng, patches, index, patch)
            if depth_px is not None and depth_px.max() > 0:
                lens = replace(patch, depth_px=np.minimum(depth_px, inside_HW[patch.window]))
                painted.append((lens, _lens_style(rng, look, float(depth_px.max()))))
    return painted


def _crop_to_body(patch: Patch) -> Patch:
    """The patch without the margin that only outlines need."""
    rows, columns = np.flatnonzero(patch.inside.any(axis=1)), np.flatnonzero(patch.inside.any(axis=0))
    if not len(rows):
        return patch
    down, across = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    top, left = patch.window[0].start, patch.window[1].start
    return replace(
        patch,
        window=(slice(top + down.start, top + down.stop), slice(left + across.start, left + across.stop)),
        depth_px=patch.depth_px[down, across],
        dx_px=patch.dx_px[:, across],
        dy_px=patch.dy_px[down],
    )


def _rim_depth(rng: np.random.Generator, patch: Patch, look: Look) -> np.ndarray:
    """Depth in a crescent that follows the outline on one side, thickest in its middle."""
    turn_rad = rng.uniform(0, 2 * np.pi)
    towards = (patch.dx_px * np.float32(np.cos(turn_rad)) + patch.dy_px * np.float32(np.sin(turn_rad))) / np.float32(
        patch.radius_px
    )
    half_px = np.float32(rng.uniform(1.2, 4.5) / look.um_per_px) * np.clip(towards - rng.uniform(0.1, 0.5), -0.2, 1)
    return (half_px - np.abs(patch.depth_px - half_px - np.float32(rng.uniform(0, 2) / look.um_per_px))).astype(
        np.float32
    )


def _lens_depth(rng: np.random.Generator, patches: list[Patch], index: int, patch: Patch) -> np.ndarray | None:
    """Depth in the overlap with another cell, or None where there is none."""
    other = patches[rng.integers(len(patches))]
    if other is patches[index]:
        return None
    depth_px = np.full(patch.depth_px.shape, -1000, np.float32)
    here, there = [], []
    for mine, its in zip(patch.window, other.window, strict=True):
        start, stop = max(mine.start, its.start), min(mine.stop, its.stop)
        if stop <= start:
            return None
        here.append(slice(start - mine.start, stop - mine.start))
        there.append(slice(start - its.start, stop - its.start))
    depth_px[tuple(here)] = np.minimum(patch.depth_px[tuple(here)], other.depth_px[tuple(there)])
    return depth_px


def _lens_style(rng: np.random.Generator, look: Look, depth_px: float) -> Style:
    """Brighter or darker than the cell, the softer the thicker it is, seldom with an outline of its own."""
    return Style(
        tone=(0.05 + 0.35 * look.relief) * rng.normal(0.3, 0.5),
        relief=look.relief * rng.uniform(0, 0.5),
        edge=look.edge * rng.uniform(0, 0.5) * (rng.random() < 0.3),
        edge_px=max(1.2, depth_px * rng.uniform(0.4, 1.2)),
        opacity=0.0,
    )


def _trace_all(bodies: list[tuple[Body, Style]], shape: tuple[int, int], inside_HW: np.ndarray) -> Iterator[Painted]:
    for body, style in bodies:
        patch = trace_body(body, shape, margin_px=2 + 2 * style.edge_px, within_HW=inside_HW)
        if patch is not None:
            yield patch, style


def _point_in(rng: np.random.Generator, cell: Body, reach: float) -> tuple[float, float]:
    """A point within `reach` cell radii of the cell's centre."""
    angle_rad, distance_px = rng.uniform(0, 2 * np.pi), cell.radius_px * reach * np.sqrt(rng.random())
    return cell.x_px + distance_px * np.cos(angle_rad), cell.y_px + distance_px * np.sin(angle_rad)


def _nuclear_style(rng: np.random.Generator, look: Look) -> Style:
    """A faint, smoother disc with a soft outline."""
    return Style(
        tone=rng.normal(0.01, 0.035),
        relief=look.relief * rng.uniform(-0.6, 0.3),
        edge=look.edge * rng.uniform(0.12, 0.55),
        edge_px=max(0.8, look.edge_um * rng.uniform(0.8, 1.5) / look.um_per_px),
        grain=look.grain * rng.uniform(0.2, 0.6),
        grain_px=look.grain_um / look.um_per_px,
        opacity=rng.uniform(0.25, 0.6),
    )


def _draw_nucleoli(
    rng: np.random.Generator, nucleus: Body, look: Look, line_rad: float | None
) -> list[tuple[Body, Style]]:
    """Two to eight small dots, along a line where `line_rad` gives its direction."""
    style = Style(
        tone=rng.normal(0.0, 0.12),
        relief=look.relief * 0.6,
        edge=look.edge * rng.uniform(0.2, 0.6),
        edge_px=0.8,
        opacity=0.4,
    )
    dots = []
    for _ in range(rng.integers(2, 9)):
        if line_rad is None:
            centre = _point_in(rng, nucleus, 0.75)
        else:
            along_px = rng.uniform(-0.7, 0.7) * nucleus.radius_px
            centre = (nucleus.x_px + along_px * np.cos(line_rad), nucleus.y_px + along_px * np.sin(line_rad))
        dot = draw_body(rng, centre, max(0.9, nucleus.radius_px * rng.uniform(0.08, 0.17)), z_um=nucleus.z_um)
        dots.append((dot, style))
    return dots


def _draw_nucleus(rng: np.random.Generator, cell: Body, look: Look) -> list[tuple[Body, Style]]:
    radius_px = min(0.4 * cell.radius_px, rng.uniform(6, 10) / look.um_per_px)
    nucleus = draw_body(rng, _point_in(rng, cell, 0.35), radius_px, wobble=0.01, z_um=cell.z_um)
    dots = _draw_nucleoli(rng, nucleus, look, None) if rng.random() < 0.6 else []
    return [(nucleus, _nuclear_style(rng, look)), *dots]


def _draw_pronuclei(rng: np.random.Generator, cell: Body, look: Look) -> list[tuple[Body, Style]]:
    """Two round pronuclei side by side, nucleoli often lined up where they meet."""
    x_px, y_px = _point_in(rng, cell, 0.35)
    line_rad = rng.uniform(0, np.pi)
    radius_px = rng.uniform(9, 13) / look.um_per_px
    lined_up = rng.random() < 0.6
    bodies = []
    for side in (-1, 1):
        offset_px = side * radius_px * rng.uniform(0.8, 1.1)
        centre = (x_px - offset_px * np.sin(line_rad), y_px + offset_px * np.cos(line_rad))
        pronucleus = draw_body(
            rng, centre, radius_px * rng.uniform(0.88, 1.1), stretch=0.05, wobble=0.008, z_um=cell.z_um
        )
        bodies.append((pronucleus, _nuclear_style(rng, look)))
        bodies += _draw_nucleoli(rng, pronucleus, look, line_rad if lined_up else None)
    return bodies


def _draw_vacuole(rng: np.random.Generator, cell: Body, look: Look) -> tuple[Body, Style]:
    """A clear, sharply outlined bubble without grain."""
    body = draw_body(
        rng, _point_in(rng, cell, 0.6), rng.uniform(2, 4.5) / look.um_per_px, stretch=0.04, wobble=0.005, z_um=cell.z_um
    )
    style = Style(
        tone=rng.uniform(0.0, 0.08),
        relief=-look.relief * rng.uniform(0.3, 1.0),
        edge=look.edge * rng.uniform(0.7, 1.1),
        edge_px=max(0.8, look.edge_um / look.um_per_px),
        opacity=0.85,
    )
    return body, style


def _draw_crescent(rng: np.random.Generator, cell: Body, look: Look) -> tuple[Body, Style]:
    """A soft bright or dark lens without an outline."""
    body = draw_body(
        rng,
        _point_in(rng, cell, 0.9),
        cell.radius_px * rng.uniform(0.12, 0.3),
        stretch=0.8,
        wobble=0.04,
        z_um=cell.z_um,
    )
    style = Style(
        tone=(0.05 + look.relief) * rng.normal(0.25, 0.5),
        relief=look.relief * rng.uniform(0, 0.4),
        edge_px=body.radius_px * rng.uniform(0.3, 0.7),
        opacity=0.0,
    )
    return body, style


def _draw_granules(rng: np.random.Generator, cell: Body, look: Look) -> list[tuple[Body, Style]]:
    """Small dark or bright dots."""
    style = Style(
        tone=rng.normal(-0.03, 0.12),
        relief=look.relief * rng.uniform(0.2, 0.8),
        edge=look.edge * rng.uniform(0.1, 0.35),
        edge_px=0.7,
        opacity=0.3,
    )
    granules = []
    for _ in range(rng.integers(2, 12)):
        radius_px = max(0.8, rng.uniform(0.5, 1.3) / look.um_per_px)
        granules.append((draw_body(rng, _point_in(rng, cell, 0.85), radius_px, z_um=cell.z_um), style))
    return granules
