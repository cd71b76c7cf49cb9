import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embryofrag.phantom.body import Body
from embryofrag.phantom.fragment import plan_fragments
from embryofrag.phantom.zona import Zona, trace_inside

SHAPE = (300, 300)
ZONA = Zona(inner=Body(x_px=150, y_px=150, radius_px=100), thickness_um=15, um_per_px=0.6)
INSIDE = trace_inside(ZONA, SHAPE)
CELLS = INSIDE > 30


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), ratio=st.floats(0.005, 0.7))
def test_masks_hold_what_they_promise(seed, ratio):
    patches, fragment, embryo = plan_fragments(np.random.default_rng(seed), ZONA, INSIDE, CELLS, ratio, 1.5)
    union = np.zeros(SHAPE, bool)
    for patch in patches:
        union[patch.window] |= patch.inside
    assert not (union & ~fragment).any()
    np.testing.assert_array_equal(embryo, CELLS | fragment)
    assert not (fragment & (INSIDE <= 0)).any()
    assert fragment.sum() / embryo.sum() == pytest.approx(ratio, abs=0.03)


def test_typical_fragments_are_5_to_25_um_wide():
    diameters_um = []
    for seed in range(12):
        patches, _, _ = plan_fragments(np.random.default_rng(seed), ZONA, INSIDE, CELLS, 0.25, 1.5)
        diameters_um += [2 * patch.radius_px * ZONA.um_per_px for patch in patches]
    low, median, high = np.percentile(diameters_um, [5, 50, 95])
    assert low > 3
    assert 5 < median < 15
    assert high < 25
