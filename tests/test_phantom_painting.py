"""Distractors, debris, light, camera and overlay: small promises, one each."""

import numpy as np
import pytest

from embryofrag.phantom.body import Body
from embryofrag.phantom.camera import expose, pass_through_jpeg, tint
from embryofrag.phantom.debris import paint_debris
from embryofrag.phantom.distractor import draw_distractors
from embryofrag.phantom.instrument import INSTRUMENTS, draw_look, get_instrument
from embryofrag.phantom.overlay import burn_overlay, burn_scale_bar, render_label
from embryofrag.phantom.well import draw_well, light_bench, light_well
from embryofrag.phantom.zona import Zona, trace_inside

KIND = INSTRUMENTS["embryoscope"]
ZONA = Zona(inner=Body(x_px=250, y_px=250, radius_px=100), thickness_um=15, um_per_px=0.5814)


def look_of(seed: int):
    return draw_look(np.random.default_rng(seed), KIND)


def test_every_instrument_draws_looks_inside_its_ranges():
    for name in INSTRUMENTS:
        kind = get_instrument(name)
        for seed in range(20):
            look = draw_look(np.random.default_rng(seed), kind)
            assert kind.um_per_px[0] <= look.um_per_px <= kind.um_per_px[1]
            assert kind.relief[0] <= look.relief <= kind.relief[1]
            assert np.hypot(*look.light) == pytest.approx(1)


def test_distractors_lie_in_the_zona():
    inside = trace_inside(ZONA, KIND.shape)
    cell = Body(x_px=250, y_px=250, radius_px=80)
    for seed in range(10):
        for patch, _ in draw_distractors(np.random.default_rng(seed), [cell], KIND.shape, look_of(seed), inside):
            assert not (patch.inside & (inside[patch.window] <= 0)).any()


def test_debris_leaves_the_embryo_alone():
    y, x = np.mgrid[:500, :500]
    core = np.hypot(x - 250, y - 250) < 90
    painted = 0
    for seed in range(10):
        field = np.zeros(KIND.shape, np.float32)
        paint_debris(field, ZONA, look_of(seed), np.random.default_rng(seed))
        assert np.abs(field[core]).max() < 0.02
        painted += np.abs(field).max() > 0.1
    assert painted >= 5


def test_well_is_even_inside_and_dark_somewhere_outside():
    for seed in range(5):
        look = look_of(seed)
        well = draw_well(np.random.default_rng(seed), KIND, look.um_per_px)
        light = light_well(np.random.default_rng(seed), well, KIND, look)
        y, x = np.mgrid[:500, :500]
        radius = np.hypot(x - well.x_px, y - well.y_px)
        assert light.shape == KIND.shape
        assert light[radius < 0.6 * well.radius_px].mean() == pytest.approx(look.medium_level, rel=0.25)
        assert light[radius > 1.15 * well.radius_px].min() < 0.4 * look.medium_level


def test_bench_field_is_even():
    kind = INSTRUMENTS["bench"]
    light = light_bench(np.random.default_rng(1), kind, draw_look(np.random.default_rng(1), kind))
    assert light.shape == kind.shape
    assert light.std() < 0.2 * light.mean()


def test_exposure_saturates_and_keeps_the_level():
    look = look_of(1)
    grey = expose(np.full((60, 60), 0.5, np.float32), look, 0.0, np.random.default_rng(0))
    white = expose(np.full((60, 60), 3.0, np.float32), look, 0.0, np.random.default_rng(0))
    assert grey.dtype == np.uint8
    assert grey.mean() == pytest.approx(127, abs=2)
    assert white.min() >= 245


def test_tint_and_jpeg_keep_the_shape():
    grey = np.tile(np.arange(0, 240, 4, dtype=np.uint8), (40, 1))
    colour = tint(grey, np.random.default_rng(1))
    assert colour.shape == (40, 60, 3)
    assert pass_through_jpeg(colour, 90).shape == colour.shape
    assert np.abs(pass_through_jpeg(grey, 95).astype(int) - grey).mean() < 2


def test_labels_stand_in_the_corners_dark_on_white():
    image = np.full((500, 500), 90, np.uint8)
    burn_overlay(image, 10, 33.0)
    rows, columns = np.nonzero(image != 90)
    assert rows.min() >= 465
    assert columns.min() < 20 and columns.max() > 480
    assert not ((columns > 110) & (columns < 390)).any()
    label = render_label("33.0 h")
    assert (label[0] == 255).all() and label.min() < 60


def test_scale_bar_is_25_um_long():
    image = np.full((480, 720, 3), 128, np.uint8)
    burn_scale_bar(image, 0.5, np.random.default_rng(0))
    changed = np.flatnonzero((image[460] != 128).any(axis=1))
    assert changed[-1] - changed[0] == pytest.approx(50, abs=3)
