import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embryofrag.imaging.window import Circle, Window, enclosing_circle, window_around


def draw_disc(x_px: float, y_px: float, radius_px: float) -> np.ndarray:
    rows, columns = np.mgrid[:200, :200]
    return np.hypot(columns - x_px, rows - y_px) <= radius_px


@given(st.floats(60, 140), st.floats(60, 140), st.floats(5, 55))
def test_the_circle_of_a_disc_is_the_disc(x_px, y_px, radius_px):
    circle = enclosing_circle(draw_disc(x_px, y_px, radius_px))
    assert abs(circle.x_px - x_px) < 1 and abs(circle.y_px - y_px) < 1
    assert abs(circle.radius_px - radius_px) < 1.1


def test_the_largest_component_decides():
    circle = enclosing_circle(draw_disc(50, 50, 20) | draw_disc(150, 150, 30))
    assert round(circle.x_px) == 150


def test_an_empty_mask_has_no_circle():
    assert enclosing_circle(np.zeros((10, 10), bool)) is None


@given(st.floats(-50, 500), st.floats(-50, 500), st.floats(1, 300), st.floats(0.1, 1))
def test_a_window_holds_its_circle_in_the_middle(x_px, y_px, radius_px, share):
    window = window_around(Circle(x_px=x_px, y_px=y_px, radius_px=radius_px), share)
    assert abs(window.left_px + window.side_px / 2 - (x_px + 0.5)) <= 0.5
    assert abs(window.top_px + window.side_px / 2 - (y_px + 0.5)) <= 0.5
    assert abs(window.side_px * share - 2 * radius_px) <= 0.5 or window.side_px == 1


def test_wrong_shares_and_sides_are_refused():
    with pytest.raises(ValueError, match="share"):
        window_around(Circle(x_px=0, y_px=0, radius_px=5), 1.5)
    with pytest.raises(ValueError, match="side"):
        Window(top_px=0, left_px=0, side_px=0)
