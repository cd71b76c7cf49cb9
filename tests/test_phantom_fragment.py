import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embryofrag.phantom.body import Body, trace_body
from embryofrag.phantom.fragment import paint_fragment, plan_fragments
from embryofrag.phantom.instrument import INSTRUMENTS, draw_look
from embryofrag.phantom.optics import Style, paint_body
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


@pytest.mark.parametrize("texture", [0.0, 0.3])
def test_a_fragment_shows_on_what_it_lies_on(texture):
    rng = np.random.default_rng(5)
    look = draw_look(rng, INSTRUMENTS["embryoscope"])
    patch = trace_body(Body(x_px=150, y_px=150, radius_px=12), SHAPE, within_HW=INSIDE)
    below = (texture * rng.standard_normal(SHAPE)).astype(np.float32)
    pale = Style(tone=0.01, edge=0.02, opacity=0.02)
    contrasts = []
    for paint in (paint_body, paint_fragment):
        field = below.copy()
        paint(field, patch, pale, look, rng)
        contrasts.append(float(np.sqrt(np.square((field - below)[patch.window][patch.inside]).mean())))
    assert contrasts[0] < 0.05
    assert contrasts[1] == pytest.approx(max(0.12, 0.8 * below[patch.window][patch.inside].std()), rel=1e-3)


def test_a_fragment_that_shows_is_painted_as_any_body():
    look = draw_look(np.random.default_rng(5), INSTRUMENTS["embryoscope"])
    patch = trace_body(Body(x_px=150, y_px=150, radius_px=12), SHAPE, within_HW=INSIDE)
    plain, shown = np.zeros((2, *SHAPE), np.float32)
    for field, paint in ((plain, paint_body), (shown, paint_fragment)):
        paint(field, patch, Style(tone=0.4, edge=0.5), look, np.random.default_rng(0))
    np.testing.assert_array_equal(plain, shown)
