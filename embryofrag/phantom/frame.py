"""A drawn cleavage-stage embryo frame with exact masks."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from embryofrag.phantom.body import Body, Patch, trace_body
from embryofrag.phantom.debris import paint_debris
from embryofrag.phantom.distractor import draw_crescents, draw_nuclei
from embryofrag.phantom.element import check_elements
from embryofrag.phantom.fragment import draw_fragment_looks, fragment_style, paint_fragment, plan_fragments
from embryofrag.phantom.instrument import Look
from embryofrag.phantom.optics import Style, cell_style, find_margin_px, paint_body
from embryofrag.phantom.packing import pack_cells
from embryofrag.phantom.perivitelline import draw_polar_bodies, paint_matter
from embryofrag.phantom.pressing import draw_pressing, flatten_contacts, swell_cells
from embryofrag.phantom.scene import Scene, draw_scene, open_stream, photograph
from embryofrag.phantom.shattered import draw_pieces
from embryofrag.phantom.texture import crop_grain
from embryofrag.phantom.zona import Zona, paint_zona, trace_inside

MAX_CELLS = 16
MAX_RATIO = 0.7
MAX_ONE_CELL_RATIO = 0.15
"""One cell with more fragments than this is never drawn unasked."""

_STAGE_WEIGHTS = {1: 0.15, 2: 0.22, 3: 0.10, 4: 0.23, 5: 0.06, 6: 0.06, 7: 0.04, 8: 0.08} | dict.fromkeys(
    range(9, MAX_CELLS + 1), 0.06 / 8
)
"""Share of frames by number of cells, where the caller names none."""

_ODD_SHARE = 0.15
"""Share of the fragments that look unlike the others."""

_CONTRAST_FLOOR = 0.085
"""Least standard deviation of the contrast over the embryo."""

_GREY_FLOOR = 0.02
"""Least standard deviation of the grey level over the embryo, 1 is full scale."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PhantomFrame:
    """One drawn frame and the truth about it."""

    image: np.ndarray
    """(H, W) grey or (H, W, 3) RGB, uint8."""
    fragment_mask: np.ndarray
    """(H, W) bool: fragments, gaps up to 2 um closed, inside the zona."""
    embryo_mask: np.ndarray
    """(H, W) bool: cells and fragments, inside the zona."""
    ratio: float
    """area(fragment and embryo) / area(embryo) of the two masks, 0..1; nan in an empty well."""
    stage: str
    """`1-cell` .. `16-cell`, or `empty`."""
    num_cells: int
    instrument: str
    seed: int
    um_per_px: float


def draw_ratio(rng: np.random.Generator) -> float:
    """An amount of fragmentation: one embryo in four has none, many have little, few have more than half."""
    kind = rng.random()
    if kind < 0.24:
        return 0.0
    low, high = (
        (0.01, 0.06)
        if kind < 0.42
        else (0.03, 0.15)
        if kind < 0.62
        else (0.08, 0.32)
        if kind < 0.85
        else (0.28, MAX_RATIO)
    )
    return float(rng.uniform(low, high))


def draw_frame(
    seed: int,
    *,
    instrument: str = "embryoscope",
    ratio: float | None = None,
    num_cells: int | None = None,
    well: int | None = None,
    hpi: float | None = None,
    focal_um: float = 0.0,
    without: frozenset[str] = frozenset(),
) -> PhantomFrame:
    """Draws one frame, fully determined by its arguments.

    Args:
        seed: Not negative.
        instrument: A key of `INSTRUMENTS`.
        ratio: Fragmentation to draw, 0..0.7; drawn at random where None. The frame's own ratio is within 0.03 of it
            (0.01 measured).
        num_cells: 0 (an empty well) to 16; drawn at random where None.
        well: Well number to burn in, where the instrument does so.
        hpi: Hours post insemination to burn in, where the instrument does so.
        focal_um: Focal plane; the picture blurs with its distance from 0.
        without: Names of `ELEMENTS` to leave out; all else keeps its stream of chance.

    Raises:
        UsageError: No such instrument or element.
        ValueError: `ratio` or `num_cells` outside its range.
    """
    check_elements(without)
    num_cells, ratio = choose_stage(seed, num_cells, ratio)
    scene = draw_scene(seed, instrument, varied="varied_looks" not in without)
    field_HW = np.zeros(scene.kind.shape, np.float32)
    fragment_HW, embryo_HW = np.zeros((2, *scene.kind.shape), bool)
    if num_cells:
        fragment_HW, embryo_HW = paint_embryo(field_HW, scene, num_cells, ratio, focal_um=focal_um, without=without)
    image = photograph(scene, field_HW, focal_um=focal_um, well=well, hpi=hpi)
    area_px = int(np.count_nonzero(embryo_HW))
    return PhantomFrame(
        image=image,
        fragment_mask=fragment_HW,
        embryo_mask=embryo_HW,
        ratio=int(np.count_nonzero(fragment_HW)) / area_px if area_px else math.nan,
        stage=f"{num_cells}-cell" if num_cells else "empty",
        num_cells=num_cells,
        instrument=instrument,
        seed=seed,
        um_per_px=scene.look.um_per_px,
    )


def choose_stage(seed: int, num_cells: int | None, ratio: float | None) -> tuple[int, float]:
    """Number of cells and ratio: as asked for where they are, else drawn; one cell seldom draws fragments."""
    rng = open_stream(seed, "stage")
    drawn_cells = int(rng.choice(list(_STAGE_WEIGHTS), p=list(_STAGE_WEIGHTS.values())))
    drawn_ratio = draw_ratio(rng)
    num_cells = drawn_cells if num_cells is None else num_cells
    if ratio is None:
        ratio = 0.0 if num_cells == 1 and drawn_ratio > MAX_ONE_CELL_RATIO else drawn_ratio
    if not 0 <= num_cells <= MAX_CELLS:
        raise ValueError(f"num_cells is {num_cells}, not 0..{MAX_CELLS}")
    if not 0 <= ratio <= MAX_RATIO:
        raise ValueError(f"ratio is {ratio}, not 0..{MAX_RATIO}")
    return num_cells, ratio


def paint_embryo(
    field_HW: np.ndarray,
    scene: Scene,
    num_cells: int,
    ratio: float,
    *,
    focal_um: float = 0.0,
    without: frozenset[str] = frozenset(),
) -> tuple[np.ndarray, np.ndarray]:
    """Paints zona, cells, fragments and debris, in place; returns the fragment mask and the embryo mask."""
    seed, zona, look, shape = scene.seed, scene.zona, scene.look, field_HW.shape
    focus_um = focal_um + look.focus_um
    inside_HW = trace_inside(zona, shape)
    edge_px = max(1.0, 1.5 * look.edge_um / look.um_per_px)
    bodies, cells = _place_cells(scene, num_cells, ratio, inside_HW, edge_px, focus_um, without)
    embryo_HW = np.zeros(shape, bool)
    for cell in cells:
        embryo_HW[cell.window] |= cell.inside
    fragments, pieces, fragment_HW = [], [], np.zeros(shape, bool)
    if ratio > 0:
        if "mosaics" not in without:
            pieces = draw_pieces(open_stream(seed, "mosaics"), zona, inside_HW, embryo_HW, ratio, edge_px)
        fragments, fragment_HW, embryo_HW = plan_fragments(
            open_stream(seed, "fragments"), zona, inside_HW, embryo_HW, ratio, edge_px, pieces
        )
    paint_zona(field_HW, zona, look, open_stream(seed, "zona", 1))
    _paint_space(field_HW, scene, inside_HW, embryo_HW, focus_um, without)
    distractors = []
    if "nuclei" not in without:
        distractors += draw_nuclei(open_stream(seed, "nuclei", num_cells), bodies, shape, look, inside_HW)
    if "crescents" not in without:
        distractors += draw_crescents(open_stream(seed, "crescents", num_cells), bodies, cells, look, inside_HW)
    styled, roughness = _style_fragments(fragments, len(pieces), look, open_stream(seed, "paint"), without)
    _paint_bodies(field_HW, cells, distractors, styled, look, focus_um, seed)
    if fragments:
        _roughen_fragments(field_HW, fragment_HW, zona, look, roughness, open_stream(seed, "fragments", 1))
    _raise_contrast(field_HW, embryo_HW, look)
    if "debris" not in without:
        paint_debris(field_HW, zona, look, open_stream(seed, "debris"))
    return fragment_HW, embryo_HW


def _place_cells(
    scene: Scene,
    num_cells: int,
    ratio: float,
    inside_HW: np.ndarray,
    edge_px: float,
    focus_um: float,
    without: frozenset[str],
) -> tuple[list[Body], list[Patch]]:
    """The cells, lowest first, and those of them that the frame shows, traced."""
    seed, zona = scene.seed, scene.zona
    bodies = pack_cells(open_stream(seed, "cells", num_cells), zona, num_cells, ratio)
    pressing = draw_pressing(open_stream(seed, "pressing", num_cells), num_cells)
    if "pressed_cells" in without:
        pressing = None
    if pressing:
        bodies = swell_cells(bodies, pressing, zona.radius_px)
    margins_px = [find_margin_px(edge_px, body.z_um - focus_um, halo=True) for body in bodies]
    traced = [
        trace_body(body, inside_HW.shape, margin_px=margin_px, within_HW=inside_HW)
        for body, margin_px in zip(bodies, margins_px, strict=True)
    ]
    if pressing:
        traced = flatten_contacts(bodies, traced, pressing)
    return bodies, [patch for patch in traced if patch is not None]


def _paint_space(
    field_HW: np.ndarray,
    scene: Scene,
    inside_HW: np.ndarray,
    embryo_HW: np.ndarray,
    focus_um: float,
    without: frozenset[str],
) -> None:
    """Matter and polar bodies between zona and cells, in place."""
    seed, zona, look = scene.seed, scene.zona, scene.look
    if "perivitelline_matter" not in without:
        paint_matter(field_HW, zona, inside_HW, embryo_HW, look, open_stream(seed, "perivitelline"))
    if "polar_bodies" not in without:
        rng = open_stream(seed, "perivitelline", 1)
        for patch, style in draw_polar_bodies(rng, zona, inside_HW, embryo_HW, look):
            paint_body(field_HW, patch, style, look, rng, focus_um)


def _style_fragments(
    fragments: list[Patch], num_pieces: int, look: Look, rng: np.random.Generator, without: frozenset[str]
) -> tuple[list[tuple[Patch, Style]], float]:
    """Each fragment with its style, the pieces of a mosaic like cells; and the roughness of the whole mass."""
    main, odd = draw_fragment_looks(rng, look, without)
    styled = [
        (
            patch,
            cell_style(look, rng)
            if index < num_pieces
            else fragment_style(odd if rng.random() < _ODD_SHARE else main, look, rng, patch.radius_px),
        )
        for index, patch in enumerate(fragments)
    ]
    return styled, main.roughness * (0.35 if num_pieces else 1.0)


def _paint_bodies(
    field_HW: np.ndarray,
    cells: list[Patch],
    distractors: list[tuple[Patch, Style]],
    fragments: list[tuple[Patch, Style]],
    look: Look,
    focus_um: float,
    seed: int,
) -> None:
    """Cells, what lies on them, fragments, in place."""
    rng, on_cells_rng = open_stream(seed, "paint", 1), open_stream(seed, "paint", 2)
    for cell in cells:
        paint_body(field_HW, cell, cell_style(look, rng), look, rng, focus_um)
    for patch, style in distractors:
        paint_body(field_HW, patch, style, look, on_cells_rng, focus_um)
    for patch, style in fragments:
        paint_fragment(field_HW, patch, style, look, rng, focus_um)


def _roughen_fragments(
    field_HW: np.ndarray, fragment_HW: np.ndarray, zona: Zona, look: Look, strength: float, rng: np.random.Generator
) -> None:
    """Coarse refraction over the whole fragment mass, which hides the single outlines in a cluster, in place."""
    size_px = rng.uniform(0.6, 1.4) / zona.um_per_px
    x, y, width, height = cv2.boundingRect(fragment_HW.astype(np.uint8))
    window = slice(y, y + height), slice(x, x + width)
    soft = cv2.GaussianBlur(fragment_HW[window].astype(np.float32), (0, 0), 0.8 / zona.um_per_px)
    field_HW[window] += soft * crop_grain(rng, soft.shape, size_px, look.light, coarse=False) * np.float32(strength)


def _raise_contrast(field_HW: np.ndarray, embryo_HW: np.ndarray, look: Look) -> None:
    """Strengthens a field that would leave the embryo nearly invisible, in place."""
    contrast = float(field_HW[embryo_HW].std())
    least = max(_CONTRAST_FLOOR, _GREY_FLOOR / look.medium_level)
    if 0 < contrast < least:
        field_HW *= np.float32(least / contrast)
