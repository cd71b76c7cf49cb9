import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy, ks_2samp

from embryofrag.statistics.drift import distribution_shift, stability_by_chance, stability_index


def test_the_index_is_the_sum_of_both_relative_entropies():
    rng = np.random.default_rng(0)
    baseline, values = rng.normal(size=500), rng.normal(0.4, 1.2, size=300)
    edges = np.quantile(baseline, np.linspace(0, 1, 11))
    edges[[0, -1]] = -np.inf, np.inf
    before, after = (np.histogram(sample, edges)[0] + 0.5 for sample in (baseline, values))
    assert stability_index(baseline, values) == pytest.approx(entropy(after, before) + entropy(before, after), abs=1e-9)


def test_two_bins_by_hand():
    """Baseline 2:2, values 1:3; half a case more in each bin: q = (.5, .5), p = (.3, .7)."""
    expected = (0.3 - 0.5) * np.log(0.3 / 0.5) + (0.7 - 0.5) * np.log(0.7 / 0.5)
    assert stability_index([1, 2, 3, 4], [1, 3, 4, 4], num_bins=2) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50), st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_the_index_is_never_negative(baseline, values):
    index = stability_index(baseline, values)
    assert np.isnan(index) or index >= 0


@pytest.mark.parametrize(("baseline", "values"), [([], [1.0]), ([1.0, 2.0], []), ([1.0, 1.0], [2.0])])
def test_nothing_to_compare_is_unknown(baseline, values):
    assert np.isnan(stability_index(baseline, values))


def test_the_shift_is_scipys():
    rng = np.random.default_rng(1)
    baseline, values = rng.random(80), rng.random(60) ** 2
    test = ks_2samp(baseline, values)
    assert distribution_shift(baseline, values) == (test.statistic, test.pvalue)
    assert np.isnan(distribution_shift([], values)).all()


def test_unmoved_samples_stay_below_chance_as_often_as_it_says():
    rng = np.random.default_rng(2)
    bound = stability_by_chance(400, 150)
    above = [stability_index(rng.random(400), rng.random(150)) > bound for _ in range(1000)]
    assert np.mean(above) == pytest.approx(0.05, abs=0.02)
    assert np.isnan(stability_by_chance(400, 0))
