import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embryofrag.phantom import draw_frame
from embryofrag.phantom.body import Body, trace_body
from embryofrag.phantom.pressing import Pressing, draw_pressing, flatten_contacts, swell_cells

SHAPE = (160, 200)


def trace_all(bodies):
    return [trace_body(body, SHAPE) for body in bodies]


def fill(patches):
    masks = np.zeros((len(patches), *SHAPE), bool)
    for mask, patch in zip(masks, patches, strict=True):
        mask[patch.window] = patch.inside
    return masks


@settings(max_examples=40, deadline=None)
@given(distance_px=st.floats(40, 80), radius_px=st.floats(25, 40), lens_share=st.floats(0, 1))
def test_two_cells_keep_their_union_and_lose_their_overlap(distance_px, radius_px, lens_share):
    bodies = [Body(x_px=70, y_px=80, radius_px=38), Body(x_px=70 + distance_px, y_px=80, radius_px=radius_px)]
    pressing = Pressing(swelling=1, wobble=1, lens_share=lens_share)
    loose, pressed = fill(trace_all(bodies)), fill(flatten_contacts(bodies, trace_all(bodies), pressing))
    assert not (pressed & ~loose).any()
    assert pressed.any(axis=0).sum() > 0.95 * loose.any(axis=0).sum()
    lens_px, kept_px = loose.all(axis=0).sum(), pressed.all(axis=0).sum()
    assert kept_px <= lens_px
    if lens_share < 0.5 and lens_px > 100:
        assert kept_px < 0.8 * lens_px


def test_the_contact_lies_where_equal_circles_cross():
    bodies = [Body(x_px=80, y_px=80, radius_px=30), Body(x_px=120, y_px=80, radius_px=30)]
    pressing = Pressing(swelling=1, wobble=1, lens_share=0)
    left, right = fill(flatten_contacts(bodies, trace_all(bodies), pressing))
    assert np.flatnonzero(left[80]).max() <= 100 <= np.flatnonzero(right[80]).min()


def test_a_cell_on_another_and_one_apart_stay_round():
    bodies = [Body(x_px=60, y_px=80, radius_px=30), Body(x_px=66, y_px=80, radius_px=30)]
    bodies.append(Body(x_px=160, y_px=80, radius_px=30))
    loose = trace_all(bodies)
    pressed = flatten_contacts(bodies, loose, Pressing(swelling=1, wobble=1, lens_share=0))
    for before, after in zip(loose, pressed, strict=True):
        np.testing.assert_array_equal(before.depth_px, after.depth_px)


def test_cells_out_of_the_frame_stay_out():
    bodies = [Body(x_px=60, y_px=80, radius_px=30), Body(x_px=-90, y_px=80, radius_px=30)]
    pressed = flatten_contacts(bodies, trace_all(bodies), Pressing(swelling=1, wobble=1, lens_share=0))
    assert pressed[1] is None


@given(swelling=st.floats(1, 1.3), radius_px=st.floats(5, 100))
def test_cells_grow_but_not_beyond_the_zona(swelling, radius_px):
    body = Body(x_px=0, y_px=0, radius_px=radius_px, harmonics=((0.01, -0.02),))
    (swollen,) = swell_cells([body], Pressing(swelling=swelling, wobble=2, lens_share=0), 100)
    assert radius_px <= swollen.radius_px <= max(97, radius_px)
    assert swollen.harmonics == ((0.02, -0.04),)


def test_one_cell_has_nothing_to_press_on_and_many_mostly_press():
    drawn = {
        cells: [draw_pressing(np.random.default_rng(seed), cells) for seed in range(400)] for cells in (1, 2, 6, 16)
    }
    shares = {cells: np.mean([one is not None for one in some]) for cells, some in drawn.items()}
    assert shares[1] == 0
    assert 0.35 < shares[2] < 0.55 and 0.65 < shares[6] < 0.85 and 0.65 < shares[16] < 0.85
    assert all(one.swelling >= 1 and one.wobble >= 1 and 0 < one.lens_share < 1 for one in drawn[16] if one)


@pytest.mark.parametrize("num_cells", [2, 8, 16])
def test_pressed_cells_fill_more_of_the_zona(num_cells):
    seeds = range(12)
    areas = [
        [
            np.count_nonzero(draw_frame(seed, num_cells=num_cells, ratio=0.0, without=without).embryo_mask)
            for seed in seeds
        ]
        for without in (frozenset(), frozenset({"pressed_cells"}))
    ]
    assert sum(areas[0]) > sum(areas[1])
    assert any(pressed != loose for pressed, loose in zip(*areas, strict=True))
