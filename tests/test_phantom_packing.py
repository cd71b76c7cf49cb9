import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embryofrag.phantom.body import Body
from embryofrag.phantom.packing import draw_radii, pack_cells, pack_spheres
from embryofrag.phantom.zona import Zona

ZONA = Zona(inner=Body(x_px=150, y_px=140, radius_px=100), thickness_um=16, um_per_px=0.6)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32), num_cells=st.integers(1, 16), ratio=st.floats(0, 0.7))
def test_spheres_stay_in_the_ball(seed, num_cells, ratio):
    rng = np.random.default_rng(seed)
    radii = draw_radii(rng, num_cells, ratio)
    centres = pack_spheres(rng, radii, flatness=0.5)
    assert (np.linalg.norm(centres, axis=1) + radii <= 1 + 1e-9).all()


def test_fragmentation_shrinks_the_cells():
    whole, fragmented = (draw_radii(np.random.default_rng(1), 4, ratio) for ratio in (0.0, 0.6))
    assert (fragmented < whole).all()


@pytest.mark.parametrize("num_cells", [1, 2, 4, 8, 16])
def test_cells_come_lowest_first_inside_the_zona(num_cells):
    cells = pack_cells(np.random.default_rng(2), ZONA, num_cells, 0.1)
    heights = [cell.z_um for cell in cells]
    assert len(cells) == num_cells
    assert heights == sorted(heights)
    assert all(np.hypot(cell.x_px - 150, cell.y_px - 140) < 100 for cell in cells)
