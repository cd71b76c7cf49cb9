from dataclasses import replace

import numpy as np
import pytest

from embryofrag.phantom.body import Body, trace_body
from embryofrag.phantom.instrument import INSTRUMENTS, draw_look
from embryofrag.phantom.optics import Style, find_margin_px, paint_body

SHAPE = (160, 160)
BODY = Body(x_px=80, y_px=80, radius_px=25)
LOOK = replace(draw_look(np.random.default_rng(1), INSTRUMENTS["embryoscope"]), light=(1.0, 0.0), one_sided=0.5)


def paint(style: Style, body: Body = BODY, focal_um: float = 0.0) -> np.ndarray:
    field = np.zeros(SHAPE, np.float32)
    patch = trace_body(body, SHAPE, margin_px=find_margin_px(style.edge_px, body.z_um - focal_um, halo=True))
    paint_body(field, patch, style, LOOK, np.random.default_rng(2), focal_um)
    return field


def test_relief_is_bright_towards_the_light_and_dark_away_from_it():
    field = paint(Style(relief=0.3))
    assert field[80, 100] > 0.05
    assert field[80, 60] == pytest.approx(-field[80, 100], abs=0.02)


def test_outline_is_dark_and_weaker_on_the_bright_side():
    field = paint(Style(edge=0.5, opacity=0.0))
    assert field[80, 55] < field[80, 105] < -0.1
    assert abs(field[80, 80]) < 0.01


def test_bodies_are_transparent_up_to_their_opacity():
    field = np.full(SHAPE, 0.4, np.float32)
    patch = trace_body(BODY, SHAPE)
    paint_body(field, patch, Style(opacity=0.75), LOOK, np.random.default_rng(2))
    assert field[80, 80] == pytest.approx(0.1, abs=0.01)
    assert field[5, 5] == pytest.approx(0.4)


@pytest.mark.parametrize("focal_um", [0.0, 60.0])
def test_paint_fades_out_within_the_margin(focal_um):
    style = Style(tone=-0.2, relief=0.3, edge=0.6, edge_px=2.0, halo=0.2)
    patch = trace_body(BODY, SHAPE, margin_px=find_margin_px(2.0, focal_um, halo=True))
    rim = paint(style, focal_um=focal_um)[patch.window]
    border = np.concatenate([rim[0], rim[-1], rim[:, 0], rim[:, -1]])
    assert np.abs(border).max() < 0.02


def test_outline_off_the_focal_plane_is_wider_and_weaker():
    style = Style(edge=0.5, opacity=0.0)
    near, far = paint(style), paint(style, focal_um=30)
    assert far.min() > near.min()
    assert (far < -0.05).sum() > (near < -0.05).sum()
