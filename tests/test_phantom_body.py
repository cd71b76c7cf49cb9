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


@settings(max_examples=40)
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


@pytest.mark.parametrize("radius_px", [12, 60, 110, 160])
def test_depth_does_not_depend_on_the_margin(radius_px):
    body = draw_body(np.random.default_rng(1), (150.3, 148.6), radius_px)
    near, far = (trace_body(body, (300, 300), margin_px=margin_px) for margin_px in (2.0, 9.3))
    rows, columns = (
        slice(mine.start - its.start, mine.stop - its.start) for mine, its in zip(near.window, far.window, strict=True)
    )
    np.testing.assert_array_equal(near.depth_px, far.depth_px[rows, columns])
