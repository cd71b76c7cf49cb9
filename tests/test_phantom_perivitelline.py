import numpy as np
import pytest

from embryofrag.phantom import draw_frame
from embryofrag.phantom.body import Body
from embryofrag.phantom.instrument import INSTRUMENTS, draw_look
from embryofrag.phantom.perivitelline import draw_polar_bodies, paint_matter
from embryofrag.phantom.zona import Zona, trace_inside

SHAPE = (300, 300)
ZONA = Zona(inner=Body(x_px=150, y_px=150, radius_px=100), thickness_um=15, um_per_px=0.6)
INSIDE = trace_inside(ZONA, SHAPE)
CELL = INSIDE > 22
LOOK = draw_look(np.random.default_rng(3), INSTRUMENTS["embryoscope"])


def draw_many(cell_HW: np.ndarray) -> list:
    return [draw_polar_bodies(np.random.default_rng(seed), ZONA, INSIDE, cell_HW, LOOK) for seed in range(40)]


def test_polar_bodies_are_few_and_small_and_lie_in_the_space():
    frames = draw_many(CELL)
    widths_um = [2 * patch.radius_px * ZONA.um_per_px for painted in frames for patch, _ in painted]
    assert {0, 1, 2} <= {len(painted) for painted in frames}
    assert max(len(painted) for painted in frames) <= 9
    assert min(widths_um) > 4
    assert max(widths_um) <= 18
    for painted in frames:
        for patch, _ in painted:
            assert not (patch.inside & (INSIDE[patch.window] <= 0)).any()
            assert (patch.inside & CELL[patch.window]).sum() < 0.4 * patch.inside.sum()


def test_no_polar_body_without_room():
    assert not any(draw_many(INSIDE > 0))


def test_matter_lies_between_zona_and_cells():
    touched = 0
    for seed in range(12):
        field = np.zeros(SHAPE, np.float32)
        paint_matter(field, ZONA, INSIDE, CELL, LOOK, np.random.default_rng(seed))
        assert np.abs(field[(INSIDE < -6) | (INSIDE > 30)]).max() < 0.02
        touched += np.abs(field[(INSIDE > 2) & ~CELL]).max() > 0.05
    assert touched >= 6


@pytest.mark.parametrize("element", ["polar_bodies", "perivitelline_matter"])
def test_neither_counts_as_embryo_or_fragment(element):
    for seed in range(5):
        whole, less = (
            draw_frame(seed, num_cells=1, ratio=0.0, without=without) for without in (frozenset(), frozenset({element}))
        )
        np.testing.assert_array_equal(whole.embryo_mask, less.embryo_mask)
        assert not whole.fragment_mask.any()
