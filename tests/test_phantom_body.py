import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embryofrag.phantom.body import Body, draw_body, trace_body

SHAPE = (120, 140)


def test_circle_has_the_depth_and_area_of_a_circle():
    patch = trace_body(Body(x_px=70, y_px=60, radius_px=30), SHAPE)
    assert patch.depth_px.max() == pytest.approx(30, abs=1)
    assert patch.inside.sum() == pytest.approx(np.pi * 30**2, rel=0.01)


@settings(max_examples=40, deadline=None)
@given(
    radius_px=st.floats(4, 40),
    aspect=st.floats(1, 2.5),
    angle_rad=st.floats(0, 3.14),
    weight=st.floats(-0.08, 0.08),
)
def test_outline_and_margin_lie_inside_the_patch(radius_px, aspect, angle_rad, weight):
    body = Body(
        x_px=200, y_px=200, radius_px=radius_px, aspect=aspect, angle_rad=angle_rad, harmonics=((weight, -weight),) * 3
    )
    inside = trace_body(body, (400, 400), margin_px=2).inside
    assert not (inside[0].any() or inside[-1].any() or inside[:, 0].any() or inside[:, -1].any())
    assert inside.sum() == pytest.approx(np.pi * radius_px**2, rel=0.25)


def test_enclosing_body_cuts_the_outline():
    within = np.full(SHAPE, -10, np.float32)
    within[:, :70] = 10
    patch = trace_body(Body(x_px=70, y_px=60, radius_px=30), SHAPE, within_HW=within)
    columns = np.flatnonzero(patch.inside.any(axis=0)) + patch.window[1].start
    assert columns.max() == 69


def test_body_outside_the_frame_has_no_patch():
    assert trace_body(Body(x_px=-80, y_px=60, radius_px=20), SHAPE) is None


def test_drawn_body_depends_on_the_generator_only():
    assert draw_body(np.random.default_rng(5), (1, 2), 9) == draw_body(np.random.default_rng(5), (1, 2), 9)
