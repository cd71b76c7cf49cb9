"""What every drawn picture needs, whatever it shows: a place with its light, a camera, burned-in text.

Chance comes in named streams of one seed, so that pictures of the same seed share well, zona and look, whatever their
stage, amount of fragmentation, time and focal plane.
"""

import math
from dataclasses import dataclass

import numpy as np

from embryofrag.phantom.body import draw_body
from embryofrag.phantom.camera import expose, pass_through_jpeg, tint
from embryofrag.phantom.instrument import (
    Instrument,
    Look,
    Range,
    draw_look,
    frame_instrument,
    get_instrument,
    vary_look,
)
from embryofrag.phantom.overlay import burn_overlay, burn_scale_bar
from embryofrag.phantom.well import draw_well, light_bench, light_well
from embryofrag.phantom.zona import Zona

CLEAVAGE_RADIUS_UM = (55.0, 65.0)
"""Inner radius of the zona around a cleavage-stage embryo."""

CLEAVAGE_THICKNESS_UM = (9.0, 25.0)
"""Thickness of that zona."""

STREAMS = (
    *("stage", "look", "well", "zona", "cells", "fragments", "paint", "debris", "camera", "overlay"),
    *("framing", "varied_looks", "perivitelline", "mosaics", "nuclei", "crescents", "pressing"),
)
"""Names of the streams of chance; a new one goes to the end, so that the others keep theirs."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """A place under an instrument, before anything is painted into it."""

    seed: int
    kind: Instrument
    look: Look
    zona: Zona
    """Where the embryo rests and how large it is, were there one."""
    light_HW: np.ndarray
    """(H, W) float32 light behind the embryo, 1 is full scale."""


def open_stream(seed: int, name: str, *moment: int) -> np.random.Generator:
    """The stream of that name; `moment` tells its parts or repetitions apart."""
    return np.random.default_rng([seed, STREAMS.index(name), *moment])


def draw_scene(
    seed: int,
    instrument: str,
    *,
    radius_um: Range = CLEAVAGE_RADIUS_UM,
    thickness_um: Range = CLEAVAGE_THICKNESS_UM,
    varied: bool = True,
) -> Scene:
    """A scene, fully determined by its arguments.

    Args:
        seed: Not negative.
        instrument: A key of `INSTRUMENTS`.
        radius_um: Range of the inner radius of the zona.
        thickness_um: Range of the thickness of the zona.
        varied: Whether the look may leave the instrument's usual ranges.

    Raises:
        UsageError: No such instrument.
    """
    kind = frame_instrument(open_stream(seed, "framing"), get_instrument(instrument))
    look = draw_look(open_stream(seed, "look"), kind)
    if varied:
        look = vary_look(open_stream(seed, "varied_looks"), look)
    rng = open_stream(seed, "zona")
    radius_px = rng.uniform(*radius_um) / look.um_per_px
    thick_um = rng.uniform(*thickness_um)
    (x_px, y_px), light_HW = _draw_place(seed, kind, look, rng, radius_px + thick_um / look.um_per_px)
    stretch = 0.15 if rng.random() < 0.2 else 0.04
    inner = draw_body(rng, (x_px, y_px), radius_px, stretch=stretch, wobble=0.006)
    zona = Zona(inner=inner, thickness_um=thick_um, um_per_px=look.um_per_px)
    return Scene(seed=seed, kind=kind, look=look, zona=zona, light_HW=light_HW)


def _draw_place(
    seed: int, kind: Instrument, look: Look, rng: np.random.Generator, outer_px: float
) -> tuple[tuple[float, float], np.ndarray]:
    """Where a zona of that outer radius rests, (x, y) in pixels, and the light behind it, (H, W) float32."""
    height, width = kind.shape
    direction_rad, far = rng.uniform(0, 2 * math.pi), math.sqrt(rng.random())
    if kind.has_well:
        well = draw_well(open_stream(seed, "well"), kind, look.um_per_px)
        room_px = max(0.0, well.radius_px - outer_px + 6 / look.um_per_px)
        x_px = well.x_px + room_px * far * math.cos(direction_rad)
        y_px = well.y_px + room_px * far * math.sin(direction_rad)
        light_HW = light_well(open_stream(seed, "well", 1), well, kind, look)
    else:
        # an embryo that fills the picture may be cut off a little at one side
        x_px = width / 2 + max(0.1 * width, width / 2 - outer_px) * 0.8 * far * math.cos(direction_rad)
        y_px = height / 2 + max(0.1 * height, height / 2 - outer_px) * 0.8 * far * math.sin(direction_rad)
        light_HW = light_bench(open_stream(seed, "well", 1), kind, look)
    return (x_px, y_px), light_HW


def photograph(
    scene: Scene, field_HW: np.ndarray, *, focal_um: float = 0.0, well: int | None = None, hpi: float | None = None
) -> np.ndarray:
    """The picture of what is painted in a scene: camera, burned-in text, JPEG.

    Args:
        scene: Where it is painted.
        field_HW: (H, W) float32 contrast relative to the light, 0 is clear medium.
        focal_um: Distance of the picture's plane from the best one.
        well: Well number to burn in, where the instrument does so.
        hpi: Hours post insemination to burn in, where the instrument does so.

    Returns:
        (H, W) uint8, or (H, W, 3) RGB where the instrument has colour.
    """
    light_HW = np.maximum(scene.light_HW * (1 + np.clip(field_HW, -0.95, 2.5)), 0)
    moment = (0 if hpi is None else round(hpi * 100), round(focal_um * 10) % 65536)
    image = expose(light_HW, scene.look, focal_um, open_stream(scene.seed, "camera", *moment))
    if scene.kind.has_colour:
        image = tint(image, open_stream(scene.seed, "camera"))
    _burn_text(image, scene, well, hpi)
    return pass_through_jpeg(image, scene.look.jpeg_quality)


def _burn_text(image: np.ndarray, scene: Scene, well: int | None, hpi: float | None) -> None:
    """Burns in what the caller named, else what the instrument would, in place."""
    rng = open_stream(scene.seed, "overlay", 1)
    if rng.random() < scene.kind.overlay_chance and well is None and hpi is None:
        well, hpi = int(rng.integers(1, 13)), float(rng.uniform(17, 70))
    if scene.kind.overlay_chance:
        burn_overlay(image, well, hpi)
    if rng.random() < scene.kind.scale_bar_chance:
        burn_scale_bar(image, scene.look.um_per_px, rng)
