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
    icc_interval,
    limits_of_agreement,
    quadratic_kappa,
    score_grades,
    score_ratios,
    within_one_agreement,
)

NAN = float("nan")


@settings(max_examples=50)
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


@settings(max_examples=30)
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


@pytest.mark.parametrize(
    ("scores", "icc", "interval"),
    [
        (
            [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]],
            0.28976377952755916,
            (0.018786513375, 0.761084369649),
        ),
        (
            [
                [0.01, 0.034],
                [0.202, 0.151],
                [0.319, 0.4],
                [0.26, 0.299],
                [-0.033, 0.059],
                [0.228, 0.295],
                [0.255, 0.265],
                [0.005, 0.193],
                [0.272, 0.422],
                [0.04, 0.013],
                [0.163, 0.162],
                [0.277, 0.253],
            ],
            0.8049990548184082,
            (0.409090857352, 0.941513168681),
        ),
    ],
)
def test_the_interval_of_the_icc_is_pingouins(scores, icc, interval):
    """pingouin 0.6.1, intraclass_corr, row ICC(A,1); the first scores are Shrout and Fleiss's own."""
    assert icc_2_1(np.array(scores)) == pytest.approx(icc, abs=1e-9)
    assert icc_interval(np.array(scores)) == pytest.approx(interval, abs=1e-9)


@pytest.mark.parametrize("scores", [np.zeros((1, 2)), np.full((6, 2), 0.3)])
def test_the_interval_of_an_unknown_icc_is_unknown(scores):
    assert np.isnan(icc_interval(scores)).all()


def test_raters_who_agree_fully_leave_no_doubt():
    assert icc_interval(np.repeat([[0.1], [0.2], [0.4]], 2, axis=1)) == (1, 1)


def test_bland_and_altmans_peak_flow_meters():
    """Lancet 1986, table 1: the first of each two readings; mean difference -2.1, standard deviation 38.8 l/min."""
    wright = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
    mini = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
    limits = limits_of_agreement(np.array(wright), np.array(mini))
    assert limits.bias == pytest.approx(-2.1, abs=0.05)
    assert (limits.high - limits.bias) / 1.96 == pytest.approx(38.8, abs=0.05)
