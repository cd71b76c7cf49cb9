import numpy as np
import pytest

from embryofrag.phantom.body import Body
from embryofrag.phantom.instrument import INSTRUMENTS, draw_look
from embryofrag.phantom.zona import Zona, paint_zona, trace_inside

ZONA = Zona(inner=Body(x_px=150, y_px=150, radius_px=80), thickness_um=15, um_per_px=0.6)
SHAPE = (300, 300)


def test_inside_is_a_little_smaller_than_the_inner_outline():
    area_px = np.count_nonzero(trace_inside(ZONA, SHAPE) > 0)
    assert area_px == pytest.approx(np.pi * (80 - 1 / 0.6) ** 2, rel=0.01)


def test_radii():
    assert ZONA.thickness_px == pytest.approx(25)
    assert ZONA.outer_radius_px == pytest.approx(105)


def test_band_is_painted_and_the_far_field_is_not():
    field = np.zeros(SHAPE, np.float32)
    look = draw_look(np.random.default_rng(3), INSTRUMENTS["embryoscope"])
    paint_zona(field, ZONA, look, np.random.default_rng(4))
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    radius = np.hypot(x - 150, y - 150)
    assert field[(radius > 85) & (radius < 100)].std() > 0.01
    assert np.abs(field[radius > 140]).max() < 0.05
