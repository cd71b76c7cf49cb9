import math
from zlib import crc32

import numpy as np
import pytest

from embryofrag.errors import UsageError
from embryofrag.phantom import INSTRUMENTS, OUT_OF_SCOPE, draw_out_of_scope, draw_two_embryos
from embryofrag.phantom.blastocyst import FORMS, paint_blastocyst
from embryofrag.phantom.scene import draw_scene


def paint_form(form_name: str, seed: int):
    form = FORMS[form_name]
    scene = draw_scene(seed, "embryoscope", radius_um=form.radius_um, thickness_um=form.thickness_um)
    field = np.zeros(scene.kind.shape, np.float32)
    paint_blastocyst(field, scene, form_name)
    return scene, field


@pytest.mark.parametrize("instrument", list(INSTRUMENTS))
@pytest.mark.parametrize("kind", OUT_OF_SCOPE)
def test_nothing_is_labelled(kind, instrument):
    for seed in range(4):
        frame = draw_out_of_scope(seed, kind=kind, instrument=instrument)
        assert frame.image.dtype == np.uint8
        assert frame.image.shape[:2] == frame.embryo_mask.shape == frame.fragment_mask.shape
        assert not frame.embryo_mask.any()
        assert not frame.fragment_mask.any()
        assert math.isnan(frame.ratio)
        assert (frame.stage, frame.num_cells, frame.instrument) == (kind, 0, instrument)


@pytest.mark.parametrize("kind", OUT_OF_SCOPE)
def test_same_arguments_same_bytes_and_other_seed_other_bytes(kind):
    digests = [crc32(draw_out_of_scope(seed, kind=kind).image.tobytes()) for seed in (5, 5, 6)]
    assert digests[0] == digests[1] != digests[2]


def test_lamp_off_is_dark_and_blank_is_not():
    assert max(np.median(draw_out_of_scope(seed, kind="black").image) for seed in range(20)) < 40
    assert np.median([np.median(draw_out_of_scope(seed, kind="blank").image) for seed in range(20)]) > 40


def test_no_two_black_frames_are_the_same_picture():
    frames = {draw_out_of_scope(seed, kind="black", well=1, hpi=40.0).image.tobytes() for seed in range(10)}
    assert len(frames) == 10


@pytest.mark.parametrize("form_name", list(FORMS))
def test_every_form_of_blastocyst_stands_out_of_the_medium(form_name):
    for seed in range(3):
        scene, field = paint_form(form_name, seed)
        y, x = np.mgrid[: field.shape[0], : field.shape[1]]
        inside = np.hypot(x - scene.zona.x_px, y - scene.zona.y_px) < 0.5 * scene.zona.radius_px
        assert field[inside].std() > 0.03


def test_expanded_blastocysts_are_larger_than_cleavage_embryos():
    widths_um = [2 * paint_form("expanded", seed)[0].zona.radius_px * 0.5814 for seed in range(6)]
    assert min(widths_um) > 130


def test_text_is_burned_in_where_asked_for():
    plain, marked = (draw_out_of_scope(3, kind="black", well=well, hpi=40.0).image for well in (None, 12))
    changed = np.argwhere(np.abs(plain.astype(int) - marked) > 60)
    assert len(changed)
    assert changed[:, 0].min() > 460


def test_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind is 'zebra'"):
        draw_out_of_scope(1, kind="zebra")


@pytest.mark.parametrize("instrument", list(INSTRUMENTS))
def test_two_embryos_have_the_masks_of_both(instrument):
    for seed in range(3):
        frame = draw_two_embryos(seed, instrument=instrument)
        assert frame.stage == "two-embryos"
        assert frame.num_cells >= 2
        assert not (frame.fragment_mask & ~frame.embryo_mask).any()
        assert frame.ratio == np.count_nonzero(frame.fragment_mask) / np.count_nonzero(frame.embryo_mask)


def test_two_embryos_cover_more_than_one_does():
    area_um2 = [np.count_nonzero(draw_two_embryos(seed).embryo_mask) * 0.5814**2 for seed in range(4)]
    assert np.mean(area_um2) > 1.3 * math.pi * 60**2 * 0.8


def test_two_embryos_refuse_unknown_elements():
    with pytest.raises(UsageError, match="unicorns"):
        draw_two_embryos(1, without=frozenset({"unicorns"}))
