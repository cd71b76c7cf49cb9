"""Distractors, debris, light, camera and overlay: small promises, one each."""

from dataclasses import replace

import numpy as np
import pytest

from embryofrag.phantom.body import Body, trace_body
from embryofrag.phantom.camera import expose, pass_through_jpeg, tint
from embryofrag.phantom.debris import paint_debris
from embryofrag.phantom.distractor import draw_crescents, draw_nuclei
from embryofrag.phantom.instrument import INSTRUMENTS, draw_look, frame_instrument, get_instrument, vary_look
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


def test_bench_pictures_are_wide_or_square_and_show_the_embryo_small_to_overfilling():
    wide, shares = 0, []
    for seed in range(60):
        kind = frame_instrument(np.random.default_rng(seed), get_instrument("bench"))
        wide += kind.shape == (480, 720)
        shares.append(60 / kind.um_per_px[0] / min(kind.shape))
    assert 15 < wide < 45
    assert 0.14 < min(shares) < 0.2
    assert 0.5 < max(shares) < 0.62
    assert frame_instrument(np.random.default_rng(1), KIND) == KIND


def test_varied_looks_leave_the_ranges_but_keep_pixel_size_and_light():
    looks = [(look_of(seed), vary_look(np.random.default_rng(seed), look_of(seed))) for seed in range(40)]
    assert all(old.um_per_px == new.um_per_px and old.light == new.light for old, new in looks)
    assert {new.relief > KIND.relief[1] for _, new in looks} == {True, False}
    assert min(new.jpeg_quality for _, new in looks) < 80


def test_what_lies_on_the_cells_lies_in_the_zona():
    inside = trace_inside(ZONA, KIND.shape)
    cells = [Body(x_px=230, y_px=250, radius_px=60), Body(x_px=290, y_px=250, radius_px=55)]
    patches = [trace_body(cell, KIND.shape, within_HW=inside) for cell in cells]
    painted = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        painted += draw_nuclei(rng, cells, KIND.shape, look_of(seed), inside)
        painted += draw_crescents(rng, cells, patches, look_of(seed), inside)
    assert len(painted) > 20
    for patch, _ in painted:
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


def test_exposure_sharpens_and_darkens_the_corners():
    step = np.full((80, 80), 0.3, np.float32)
    step[:, 40:] = 0.5
    plain, sharp, dim = (
        expose(step, replace(look_of(1), noise=0.0, sharpen=sharpen, vignette=vignette), 0.0, np.random.default_rng(0))
        for sharpen, vignette in ((0.0, 0.0), (1.5, 0.0), (0.0, 0.5))
    )
    assert sharp.max() > plain.max() + 5
    assert dim[0, 0] < 0.6 * plain[0, 0]
    assert dim[40, 30] == pytest.approx(plain[40, 30], abs=4)


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
