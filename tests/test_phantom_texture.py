import numpy as np
import pytest

from embryofrag.phantom.texture import SLOPE_TILE_PX, crop_grain, crop_white


@pytest.mark.parametrize("coarse", [True, False])
def test_grain_has_unit_contrast_and_mean_zero(coarse):
    grain = crop_grain(np.random.default_rng(1), (SLOPE_TILE_PX, SLOPE_TILE_PX), 1.2, (0.6, 0.8), coarse=coarse)
    assert grain.dtype == np.float32
    assert grain.mean() == pytest.approx(0, abs=0.05)
    assert grain.std() == pytest.approx(1, abs=0.1)


def test_light_from_the_other_side_turns_the_grain_over():
    lit, unlit = (crop_grain(np.random.default_rng(1), (40, 50), 1.2, light) for light in ((1.0, 0.0), (-1.0, 0.0)))
    np.testing.assert_allclose(lit, -unlit, atol=1e-6)


def test_crop_depends_on_the_generator_only():
    first, again, other = (crop_white(np.random.default_rng(seed), (30, 20)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
