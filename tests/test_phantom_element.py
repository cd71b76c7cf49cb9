import numpy as np
import pytest

from embryofrag.errors import UsageError
from embryofrag.phantom import draw_frame
from embryofrag.phantom.element import ELEMENTS, check_elements

SEEDS = range(8)


@pytest.mark.parametrize("element", ELEMENTS)
def test_leaving_an_element_out_changes_pictures(element):
    changed = 0
    for seed in SEEDS:
        whole, less = (draw_frame(seed, ratio=0.25, without=without) for without in (frozenset(), frozenset({element})))
        changed += not np.array_equal(whole.image, less.image)
        assert less.num_cells == whole.num_cells
        if element not in ("mosaics", "pressed_cells"):
            np.testing.assert_array_equal(whole.fragment_mask, less.fragment_mask)
            np.testing.assert_array_equal(whole.embryo_mask, less.embryo_mask)
    assert changed >= 1


def test_everything_can_be_left_out():
    frame = draw_frame(1, ratio=0.2, without=frozenset(ELEMENTS))
    assert frame.ratio == pytest.approx(0.2, abs=0.03)


def test_unknown_elements_are_refused():
    check_elements(frozenset(ELEMENTS))
    with pytest.raises(UsageError, match="choose from pressed_cells"):
        draw_frame(1, without=frozenset({"tails"}))
