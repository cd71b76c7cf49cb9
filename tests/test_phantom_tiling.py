import numpy as np
import pytest

from embryofrag.phantom.body import Body, trace_body
from embryofrag.phantom.instrument import INSTRUMENTS, draw_look
from embryofrag.phantom.mass import draw_lobes, trace_mass
from embryofrag.phantom.tiling import paint_tiling, spread_sites, trace_tiling

BALL = Body(x_px=80, y_px=75, radius_px=60)
SHAPE = (160, 160)


@pytest.mark.parametrize("count", [2, 20, 80])
def test_sites_lie_on_the_sphere_and_keep_apart(count):
    sites = spread_sites(np.random.default_rng(count), count)
    assert sites.shape == (count, 3)
    np.testing.assert_allclose(np.linalg.norm(sites, axis=1), 1, atol=1e-5)
    distance = np.linalg.norm(sites[:, None] - sites[None], axis=-1) + 9 * np.eye(count)
    assert distance.min() > 0.3 / np.sqrt(count)


def test_both_hemispheres_meet_at_the_equator():
    patch = trace_body(BALL, SHAPE)
    sites = spread_sites(np.random.default_rng(1), 12)
    near, far = (trace_tiling(patch, sites, near=side, step_px=1) for side in (True, False))
    np.testing.assert_allclose(near.height, -far.height)
    assert near.height.max() == pytest.approx(1, abs=0.01)
    outside = patch.depth_px <= 0
    np.testing.assert_array_equal(near.cell[outside], far.cell[outside])
    assert near.border.min() >= 0


def test_the_cell_of_a_pixel_is_that_of_the_nearest_site():
    sites = np.array([[1, 0, 0], [-1, 0, 0], [0, 0, 1]], np.float32)
    patch = trace_body(BALL, SHAPE)
    cell = trace_tiling(patch, sites, near=True, step_px=1).cell
    row, middle = patch.dy_px[:, 0].tolist().index(0), patch.dx_px[0].tolist().index(0)
    assert [int(cell[row, middle + shift]) for shift in (55, 0, -55)] == [0, 2, 1]


def test_paint_stays_inside_the_ball():
    field = np.zeros(SHAPE, np.float32)
    look = draw_look(np.random.default_rng(3), INSTRUMENTS["embryoscope"])
    patch = trace_body(BALL, SHAPE)
    paint_tiling(field, patch, look, np.random.default_rng(3), num_cells=20, strength=1.0, focus=0.0)
    inside = np.zeros(SHAPE, bool)
    inside[patch.window] = patch.inside
    assert not field[~inside].any()
    assert field[inside].std() > 0.02


def test_a_mass_lies_in_its_ball_and_notches_cut_into_it():
    lobes = draw_lobes(np.random.default_rng(2), BALL, 7, 0.9, 0.3)
    smooth, notched = (trace_mass(lobes, BALL, SHAPE, notch=notch) for notch in (0.0, 1.0))
    ball = trace_body(BALL, SHAPE, margin_px=0.3 * BALL.radius_px)
    assert not (smooth.inside & ~ball.inside).any()
    assert 0 < np.count_nonzero(notched.inside) < np.count_nonzero(smooth.inside)
