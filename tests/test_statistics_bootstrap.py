import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap

from embryofrag.statistics.bootstrap import bootstrap_scores, group_rows

RNG = np.random.default_rng(11)


def mean_of(values):
    return lambda rows: {"mean": values[rows].mean()}


@given(st.lists(st.sampled_from("abcd"), max_size=30))
def test_group_rows_splits_all_rows_by_group(groups):
    rows = group_rows(groups)
    assert sorted(np.concatenate(rows).tolist() if rows else []) == list(range(len(groups)))
    assert [{groups[row] for row in one} for one in rows] == [{name} for name in sorted(set(groups))]


def test_groups_of_one_give_the_ordinary_bootstrap():
    values = RNG.normal(size=80)
    ours = bootstrap_scores(mean_of(values), [str(i) for i in range(80)], num_resamples=2000, seed=0)["mean"]
    theirs = bootstrap((values,), np.mean, method="percentile", n_resamples=2000, rng=0).confidence_interval
    assert ours.value == pytest.approx(values.mean())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_copies_of_a_frame_do_not_narrow_the_interval():
    values = RNG.normal(size=40)
    single = bootstrap_scores(mean_of(values), [str(i) for i in range(40)], num_resamples=500, seed=0)["mean"]
    copied = bootstrap_scores(
        mean_of(np.repeat(values, 10)), [str(i) for i in range(40) for _ in range(10)], num_resamples=500, seed=0
    )["mean"]
    alone = bootstrap_scores(mean_of(np.repeat(values, 10)), [str(i) for i in range(400)], num_resamples=500, seed=0)[
        "mean"
    ]
    assert copied.high - copied.low == pytest.approx(single.high - single.low, rel=0.2)
    assert alone.high - alone.low < 0.5 * (copied.high - copied.low)


def test_the_same_seed_gives_the_same_interval():
    values = RNG.normal(size=12)
    groups = list("aabbccddeeff")
    first, again, other = (
        bootstrap_scores(mean_of(values), groups, num_resamples=50, seed=seed)["mean"] for seed in (4, 4, 5)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize(("groups", "num_resamples"), [("aaa", 100), ("abc", 0)])
def test_one_group_or_no_resamples_has_no_interval(groups, num_resamples):
    estimate = bootstrap_scores(mean_of(np.arange(3.0)), groups, num_resamples=num_resamples, seed=0)["mean"]
    assert estimate.value == 1
    assert np.isnan([estimate.low, estimate.high]).all()


def test_resamples_without_the_score_do_not_count():
    values = np.array([1.0, 2.0, np.nan, np.nan])

    def score(rows):
        known = values[rows][~np.isnan(values[rows])]
        return {"mean": known.mean() if known.size else np.nan}

    estimate = bootstrap_scores(score, "abcd", num_resamples=300, seed=0)["mean"]
    assert (estimate.value, estimate.low, estimate.high) == (1.5, 1.0, 2.0)
