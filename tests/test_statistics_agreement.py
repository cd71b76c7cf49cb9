import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, cohen_kappa_score, mean_absolute_error
from sklearn.metrics import confusion_matrix as sklearn_confusion

from embryofrag.statistics.agreement import (
    confusion_matrix,
    exact_agreement,
    icc_2_1,
    limits_of_agreement,
    quadratic_kappa,
    score_grades,
    score_ratios,
    within_one_agreement,
)

NAN = float("nan")


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(5, 80))
def test_grade_scores_are_scikit_learns(seed, count):
    truth, predicted = np.random.default_rng(seed).integers(4, size=(2, count))
    confusion = confusion_matrix(truth, predicted, 4)
    assert np.array_equal(confusion, sklearn_confusion(truth, predicted, labels=range(4)))
    assert exact_agreement(confusion) == pytest.approx(accuracy_score(truth, predicted))
    assert within_one_agreement(confusion) == pytest.approx(np.mean(np.abs(truth - predicted) <= 1))
    assert quadratic_kappa(confusion) == pytest.approx(
        cohen_kappa_score(truth, predicted, labels=range(4), weights="quadratic")
    )


def test_kappa_of_one_grade_alone_is_unknown():
    assert np.isnan(quadratic_kappa(confusion_matrix(np.zeros(5), np.zeros(5), 4)))


def test_no_frames_have_no_grade_scores():
    assert all(np.isnan(value) for value in score_grades(np.zeros((4, 4), np.int64)).values())


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(3, 40), raters=st.integers(2, 5))
def test_icc_follows_from_an_analysis_of_variance_by_hand(seed, count, raters):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(count, 1)) + rng.normal(size=(1, raters)) + 0.3 * rng.normal(size=(count, raters))
    long = pd.DataFrame(scores).stack().rename_axis(["target", "rater"]).rename("score").reset_index()
    grand = long.score.mean()
    ss_total = ((long.score - grand) ** 2).sum()
    ss_target = raters * ((long.groupby("target").score.mean() - grand) ** 2).sum()
    ss_rater = count * ((long.groupby("rater").score.mean() - grand) ** 2).sum()
    bms, jms = ss_target / (count - 1), ss_rater / (raters - 1)
    ems = (ss_total - ss_target - ss_rater) / ((count - 1) * (raters - 1))
    expected = (bms - ems) / (bms + (raters - 1) * ems + raters * (jms - ems) / count)
    assert icc_2_1(scores) == pytest.approx(expected)


def test_icc_counts_a_constant_error_as_disagreement():
    truth = np.linspace(0, 0.5, 20)
    assert icc_2_1(np.stack([truth, truth], axis=1)) == pytest.approx(1)
    assert icc_2_1(np.stack([truth, truth + 0.2], axis=1)) < 0.6


@pytest.mark.parametrize("scores", [np.zeros((1, 2)), np.full((6, 2), 0.3)])
def test_icc_without_variance_is_unknown(scores):
    assert np.isnan(icc_2_1(scores))


def test_limits_hold_95_percent_of_normal_differences():
    rng = np.random.default_rng(1)
    truth = rng.random(20_000)
    predicted = truth + rng.normal(0.02, 0.05, truth.size)
    limits = limits_of_agreement(predicted, truth)
    assert limits.bias == pytest.approx(0.02, abs=0.002)
    assert np.mean((predicted - truth > limits.low) & (predicted - truth < limits.high)) == pytest.approx(
        0.95, abs=0.01
    )


def test_ratio_scores_leave_out_what_is_unknown():
    rng = np.random.default_rng(2)
    truth, predicted = rng.random((2, 30))
    full = score_ratios(predicted, truth)
    assert full["mae"] == pytest.approx(mean_absolute_error(truth, predicted))
    assert full["bias"] == pytest.approx(predicted.mean() - truth.mean())
    padded = score_ratios(np.append(predicted, [NAN, 0.5]), np.append(truth, [0.1, NAN]))
    assert padded == pytest.approx(full)


def test_ratio_scores_of_nothing_are_unknown():
    assert all(np.isnan(value) for value in score_ratios(np.array([NAN]), np.array([0.3])).values())
