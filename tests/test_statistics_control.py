import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embryofrag.statistics.control import control_flags, level_limits, share_sigma

WAFERS = [12, 15, 8, 10, 4, 7, 16, 9, 14, 10, 5, 6, 17, 12, 22, 8, 10, 5, 13, 11, 20, 18, 24, 15, 9, 12, 7, 13, 9, 6]
"""Defective of 50 each: the p-chart of the NIST/SEMATECH e-Handbook of Statistical Methods, section 6.3.3.2."""


def test_the_p_chart_of_the_nist_handbook():
    centre = sum(WAFERS) / (50 * len(WAFERS))
    sigma = share_sigma(centre, 50)
    assert (centre, centre + 3 * sigma, centre - 3 * sigma) == pytest.approx((0.2313, 0.4102, 0.0524), abs=5e-5)
    flags = control_flags([(count / 50 - centre) / sigma for count in WAFERS])
    assert [place for place, raised in enumerate(flags) if "1_3s" in raised] == [14, 22]


def test_limits_are_mean_and_sample_deviation():
    limits = level_limits([99, 101, 100, 102, 98])
    assert (limits.centre, limits.sigma) == pytest.approx((100, np.sqrt(2.5)))


@pytest.mark.parametrize("values", [[], [0.3]])
def test_limits_of_too_few_points_are_unknown(values):
    assert np.isnan([level_limits(values).centre, level_limits(values).sigma]).all()


def test_a_share_of_no_cases_has_no_spread():
    assert np.isnan(share_sigma(0.2, 0))


@pytest.mark.parametrize(
    ("distances", "last"),
    [
        ([2.1], ("1_2s",)),
        ([-3.1], ("1_2s", "1_3s")),
        ([2.1, 2.2], ("1_2s", "2_2s")),
        ([2.1, -2.2], ("1_2s",)),
        ([1.1] * 3, ()),
        ([1.1] * 4, ("4_1s",)),
        ([-1.1] * 4, ("4_1s",)),
        ([1.1, 1.1, 1.1, -1.1], ()),
        ([0.1] * 9, ()),
        ([0.1] * 10, ("10_x",)),
        ([0.1] * 9 + [-0.1], ()),
        ([0.0] * 12, ()),
    ],
)
def test_each_rule_of_westgard(distances, last):
    assert control_flags(distances)[-1] == last


def test_a_restart_begins_every_row_anew():
    assert control_flags([0.1] * 12, restarts={9})[-1] == ()
    assert control_flags([0.1] * 19, restarts={9})[-1] == ("10_x",)


def test_a_point_that_is_not_judged_neither_adds_nor_ends():
    assert control_flags([2.1, np.nan, 2.2]) == [("1_2s",), (), ("1_2s", "2_2s")]


@given(st.lists(st.floats(-5, 5), max_size=40))
def test_flags_mirror(distances):
    assert control_flags(distances) == control_flags([-one for one in distances])
