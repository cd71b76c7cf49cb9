"""A drawn frame of two cleavage-stage embryos, in one bench field or one large well."""

import math
from dataclasses import replace

import numpy as np

from embryofrag.phantom.body import draw_body
from embryofrag.phantom.element import check_elements
from embryofrag.phantom.frame import PhantomFrame, choose_stage, paint_embryo
from embryofrag.phantom.instrument import Look, draw_look, get_instrument, vary_look
from embryofrag.phantom.scene import (
    CLEAVAGE_RADIUS_UM,
    CLEAVAGE_THICKNESS_UM,
    Scene,
    open_stream,
    photograph,
)
from embryofrag.phantom.well import light_bench
from embryofrag.phantom.zona import Zona

STAGE = "two-embryos"

_FIELD_UM_PER_PX = (0.6, 1.1)
"""Pixel size of a bench field that holds two embryos."""


def draw_two_embryos(
    seed: int, *, instrument: str = "embryoscope", without: frozenset[str] = frozenset()
) -> PhantomFrame:
    """Draws two embryos side by side, fully determined by its arguments; the frame's edge may cut into them.

    Args:
        seed: Not negative.
        instrument: A key of `INSTRUMENTS`; an incubator's well is so large that its rim is out of the frame.
        without: Names of `ELEMENTS` to leave out.

    Returns:
        The frame; its masks are the union of both embryos', its ratio is the union's, its cells are those of both.

    Raises:
        UsageError: No such instrument or element.
    """
    check_elements(without)
    scenes = _draw_scenes(seed, instrument, varied="varied_looks" not in without)
    shape = scenes[0].kind.shape
    field_HW, num_cells = np.zeros(shape, np.float32), 0
    fragment_HW, embryo_HW = np.zeros((2, *shape), bool)
    for scene in scenes:
        cells, ratio = choose_stage(scene.seed, None, None)
        layer_HW = np.zeros(shape, np.float32)
        fragments, embryo = paint_embryo(layer_HW, scene, cells, ratio, without=without)
        field_HW += layer_HW
        fragment_HW |= fragments
        embryo_HW |= embryo
        num_cells += cells
    return PhantomFrame(
        image=photograph(scenes[0], field_HW),
        fragment_mask=fragment_HW,
        embryo_mask=embryo_HW,
        ratio=int(np.count_nonzero(fragment_HW)) / int(np.count_nonzero(embryo_HW)),
        stage=STAGE,
        num_cells=num_cells,
        instrument=instrument,
        seed=seed,
        um_per_px=scenes[0].look.um_per_px,
    )


def _draw_scenes(seed: int, instrument: str, *, varied: bool) -> tuple[Scene, Scene]:
    """The same place twice, with one embryo's zona and stream of chance each."""
    kind = replace(get_instrument(instrument), has_well=False)
    if kind.has_colour:
        kind = replace(kind, um_per_px=_FIELD_UM_PER_PX)
    look = draw_look(open_stream(seed, "look"), kind)
    if varied:
        look = vary_look(open_stream(seed, "varied_looks"), look)
    light_HW = light_bench(open_stream(seed, "well", 1), kind, look)
    rng = open_stream(seed, "zona")
    other_seed = int(rng.integers(2**31))
    zonas = _place_zonas(rng, kind.shape, look)
    return tuple(
        Scene(seed=own_seed, kind=kind, look=look, zona=zona, light_HW=light_HW)
        for own_seed, zona in zip((seed, other_seed), zonas, strict=True)
    )


def _place_zonas(rng: np.random.Generator, shape: tuple[int, int], look: Look) -> list[Zona]:
    """Two zonas that touch or lie apart, on both sides of a point near the middle of the frame."""
    height, width = shape
    thickness_um = rng.uniform(*CLEAVAGE_THICKNESS_UM, 2)
    radii_px = rng.uniform(*CLEAVAGE_RADIUS_UM, 2) / look.um_per_px
    apart_px = (radii_px + thickness_um / look.um_per_px).sum() * rng.uniform(0.97, 1.3)
    # any direction in which both middles stay well inside the frame, else along its diagonal
    directions_rad = [*rng.uniform(0, math.pi, 8), math.atan2(height, width)]
    halves = [0.5 * apart_px * np.array([math.cos(angle_rad), math.sin(angle_rad)]) for angle_rad in directions_rad]
    room_px = np.array([width, height]) / 2 - 0.8 * radii_px.max()
    half = next((half for half in halves if (np.abs(half) <= room_px).all()), halves[-1])
    middle = np.array([width, height]) * rng.uniform(0.47, 0.53, 2)
    centres = np.clip([middle - half, middle + half], 0, [width - 1, height - 1])
    return [
        Zona(
            inner=draw_body(rng, (x_px, y_px), radius_px, stretch=0.04, wobble=0.006),
            thickness_um=thick_um,
            um_per_px=look.um_per_px,
        )
        for (x_px, y_px), radius_px, thick_um in zip(centres, radii_px, thickness_um, strict=True)
    ]
