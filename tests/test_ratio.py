import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from embryofrag.grading.ratio import Areas, counted_fragment, measure_masks

mask_pairs = hnp.array_shapes(min_dims=2, max_dims=2, max_side=12).flatmap(
    lambda shape: st.tuples(hnp.arrays(np.bool_, shape), hnp.arrays(np.bool_, shape))
)


def draw_masks() -> tuple[np.ndarray, np.ndarray]:
    """A 10 x 20 frame, an embryo of 100 px, a fragment of 30 px of which 18 lie inside."""
    fragment, embryo = np.zeros((2, 10, 20), bool)
    embryo[:, :10] = True
    fragment[2:8, 7:12] = True
    return fragment, embryo


def test_embryo_denominator_counts_the_inside():
    assert measure_masks(*draw_masks()) == Areas(fragment_area_px=18, embryo_area_px=100, ratio_mask=0.18)


def test_image_denominator_counts_everything():
    assert measure_masks(*draw_masks(), "image") == Areas(fragment_area_px=30, embryo_area_px=100, ratio_mask=0.15)


def test_no_embryo_has_no_ratio():
    fragment, embryo = draw_masks()
    embryo[:] = False
    assert measure_masks(fragment, embryo) == Areas(fragment_area_px=0, embryo_area_px=0, ratio_mask=None)
    assert measure_masks(fragment, embryo, "image").ratio_mask == 0.15


@given(mask_pairs, st.sampled_from(["embryo", "image"]))
def test_ratio_lies_between_0_and_1_and_belongs_to_the_areas(masks, denominator):
    areas = measure_masks(*masks, denominator)
    assert areas.fragment_area_px == counted_fragment(*masks, denominator).sum()
    if areas.ratio_mask is None:
        assert denominator == "embryo"
        assert areas.embryo_area_px == 0
    else:
        assert 0.0 <= areas.ratio_mask <= 1.0
        whole_px = areas.embryo_area_px if denominator == "embryo" else masks[0].size
        assert areas.ratio_mask == areas.fragment_area_px / whole_px


@given(mask_pairs, st.integers(2, 4))
def test_ratio_knows_no_scale(masks, factor):
    enlarged = [mask.repeat(factor, 0).repeat(factor, 1) for mask in masks]
    assert measure_masks(*enlarged).ratio_mask == measure_masks(*masks).ratio_mask


def test_refuses_masks_that_do_not_fit():
    fragment, embryo = draw_masks()
    for wrong in (embryo[:, :5], embryo.astype(np.uint8), embryo[:, :, None]):
        with pytest.raises(ValueError, match="two bool images of one size"):
            measure_masks(fragment, wrong)
    with pytest.raises(ValueError, match="denominator is one of embryo, image"):
        measure_masks(fragment, embryo, "zona")
