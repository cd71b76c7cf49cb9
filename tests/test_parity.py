"""Parity is counted exactly and judged by both limits."""

from dataclasses import replace

import numpy as np

from embryofrag.engine.parity import Answers, compare_answers, pack_answers, unpack_answers


def answers(num_flipped: int = 0, ratio_shift: float = 0.0) -> Answers:
    masks = np.zeros((2, 2, 50, 50), bool)
    masks.flat[:num_flipped] = True
    return Answers(masks_NKHW=masks, ratios_N=np.array([0.1, 0.2 + ratio_shift], np.float32))


def test_counts_and_judges():
    parity = compare_answers(answers(), answers(10, 0.001))
    assert (parity.num_mask_pixels, parity.num_mask_pixels_differ, parity.mask_differ_frac) == (10000, 10, 0.001)
    assert parity.passed
    assert not compare_answers(answers(), answers(11)).passed
    assert not compare_answers(answers(), answers(0, 0.003)).passed
    assert str(parity).startswith("0.1000% of 10000 mask pixels differ (limit 0.1000%)")


def located(num_flipped: int) -> Answers:
    masks = np.zeros((2, 100, 100), bool)
    masks.flat[:num_flipped] = True
    return replace(answers(), locator_masks_NHW=masks)


def test_locator_is_held_to_the_limit_by_itself():
    parity = compare_answers(located(0), located(20))
    assert (parity.locator_differ_frac, parity.mask_differ_frac, parity.passed) == (0.001, 0.0, True)
    assert "0.1000% of the locator's differ" in str(parity)
    assert not compare_answers(located(0), located(21)).passed
    assert compare_answers(answers(), answers()).locator_differ_frac is None


def scoped(shift: float) -> Answers:
    return replace(answers(), scopes_N=np.array([0.5, 0.75 + shift], np.float32))


def test_scope_has_a_limit_of_its_own():
    parity = compare_answers(scoped(0), scoped(0.0195))
    assert (round(parity.scope_max_difference, 4), parity.ratio_max_difference, parity.passed) == (0.0195, 0.0, True)
    assert str(parity).endswith("scope by at most 0.019500 (limit 0.02)")
    assert not compare_answers(scoped(0), scoped(0.0205)).passed
    assert not compare_answers(scoped(0), scoped(np.nan)).passed
    assert compare_answers(answers(), answers()).scope_max_difference is None


def test_not_a_number_does_not_pass():
    assert not compare_answers(answers(), answers(0, np.nan)).passed


def test_packed_answers_come_back():
    packed = pack_answers(answers(7))
    one = unpack_answers(packed, 1)
    assert one.locator_masks_NHW is one.scopes_N is None
    assert np.array_equal(unpack_answers(pack_answers(scoped(0)), 1).scopes_N, [np.float32(0.5)])
    back = unpack_answers(pack_answers(located(30)), 1)
    assert np.array_equal(back.locator_masks_NHW, located(30).locator_masks_NHW[:1])
    assert np.array_equal(one.masks_NKHW, answers(7).masks_NKHW[:1])
    assert np.array_equal(one.ratios_N, answers(7).ratios_N[:1])
