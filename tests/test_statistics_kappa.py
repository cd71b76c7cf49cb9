import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from embryofrag.statistics.kappa import cohen_kappa, gwet_ac2, kappa_interval

GRADES = np.array([[88, 10, 2, 0], [14, 40, 6, 0], [3, 11, 18, 3], [0, 1, 3, 1]])
"""Counts made up for these tests; every reference value below was computed from them."""


def test_kappas_are_those_of_statsmodels():
    """statsmodels 0.15.0, stats.inter_rater.cohens_kappa."""
    assert cohen_kappa(GRADES) == pytest.approx(0.5716306324510002, abs=1e-9)
    assert kappa_interval(GRADES, quadratic=False) == pytest.approx((0.47844677186764, 0.66481449303436), abs=1e-9)
    assert kappa_interval(GRADES, quadratic=True) == pytest.approx((0.65465178690741, 0.81470546271890), abs=1e-9)


def test_ac2_is_that_of_irrcac():
    """irrCAC 0.4.4, raw.CAC with quadratic weights, gwet()."""
    assert gwet_ac2(GRADES) == pytest.approx(0.902530322, abs=1e-8)


def test_the_paradox_of_kappa():
    """118 of 125 agree (Gwet 2008): kappa is below 0, AC above .9."""
    skewed = np.array([[118, 5], [2, 0]])
    assert cohen_kappa(skewed) == pytest.approx(-0.0234, abs=1e-4)
    assert gwet_ac2(skewed) == pytest.approx(0.9408, abs=1e-4)


@given(seed=st.integers(0, 2**31), count=st.integers(5, 80))
def test_kappa_is_scikit_learns_and_lies_in_its_interval(seed, count):
    truth, predicted = np.random.default_rng(seed).integers(3, size=(2, count))
    confusion = np.zeros((3, 3), np.int64)
    np.add.at(confusion, (truth, predicted), 1)
    kappa = cohen_kappa(confusion)
    assert kappa == pytest.approx(cohen_kappa_score(truth, predicted, labels=range(3)))
    low, high = kappa_interval(confusion, quadratic=False)
    assert low <= kappa <= high


def test_perfect_agreement_is_1():
    perfect = np.diag([4, 3, 2])
    assert (cohen_kappa(perfect), gwet_ac2(perfect)) == pytest.approx((1, 1))
    assert kappa_interval(perfect, quadratic=True) == pytest.approx((1, 1))


@pytest.mark.parametrize("confusion", [np.zeros((3, 3), np.int64), np.diag([5, 0, 0])])
def test_kappa_of_nothing_or_one_grade_alone_is_unknown(confusion):
    assert np.isnan(cohen_kappa(confusion))
    assert np.isnan(kappa_interval(confusion, quadratic=False)).all()


def test_ac2_of_nothing_is_unknown():
    assert np.isnan(gwet_ac2(np.zeros((4, 4), np.int64)))
