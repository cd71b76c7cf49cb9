import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embryofrag.statistics.shares import wilson_interval


@pytest.mark.parametrize(
    ("count", "total", "expected"),
    [
        (5, 10, (0.23659309051256394, 0.7634069094874361)),
        (0, 10, (0.0, 0.27753279986288926)),
        (347, 1500, (0.21069603762523348, 0.25334320981507735)),
        (3, 3, (0.43850296824495444, 1.0)),
    ],
)
def test_intervals_are_those_of_statsmodels(count, total, expected):
    """statsmodels 0.15.0, stats.proportion.proportion_confint(method="wilson")."""
    assert wilson_interval(count, total) == pytest.approx(expected, abs=1e-9)


@given(st.integers(1, 10_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_the_interval_holds_the_share_and_stays_a_share(counts):
    count, total = counts
    low, high = wilson_interval(count, total)
    assert 0 <= low <= count / total + 1e-12
    assert count / total - 1e-12 <= high <= 1


def test_a_share_of_nothing_is_unknown():
    assert np.isnan(wilson_interval(0, 0)).all()


def test_more_than_all_is_refused():
    with pytest.raises(ValueError):
        wilson_interval(3, 2)
