"""Percentile intervals from a bootstrap that draws whole groups.

Frames of one patient or embryo resemble each other, so frames drawn one by one would give intervals far too narrow
(Davison and Hinkley 1997, section 3.8: resampling of clusters).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A score and its interval."""

    value: float
    low: float
    """nan where there is no interval: fewer than two groups, or no resample has the score."""
    high: float


def bootstrap_scores(
    score: Callable[[np.ndarray], dict[str, float]], groups: Sequence[str], *, num_resamples: int, seed: int
) -> dict[str, Estimate]:
    """Return each score of all frames with its 95 % interval.

    Every resample draws as many groups as there are, with replacement, each with all of its frames. Resamples in
    which a score is nan do not count for its interval.

    Args:
        score: Takes indices of frames, int64, with repeats; returns scores by name.
        groups: The group of each frame.
        num_resamples: 0: no intervals.
        seed: The same seed draws the same groups.

    >>> heights = np.array([1.0, 1.0, 3.0])
    >>> scores = bootstrap_scores(lambda rows: {"mean": heights[rows].mean()}, "aab", num_resamples=200, seed=0)
    >>> scores["mean"].low, scores["mean"].high
    (1.0, 3.0)
    """
    rows_of_group = group_rows(groups)
    everything = np.arange(len(groups))
    values = {name: float(value) for name, value in score(everything).items()}
    resamples = []
    if len(rows_of_group) > 1:
        rng = np.random.default_rng(seed)
        for _ in range(num_resamples):
            drawn = rng.integers(len(rows_of_group), size=len(rows_of_group))
            resamples.append(score(np.concatenate([rows_of_group[group] for group in drawn])))
    return {name: _estimate(value, np.array([one[name] for one in resamples])) for name, value in values.items()}


def group_rows(groups: Sequence[str]) -> list[np.ndarray]:
    """Return the indices of each group's frames, groups in the order of their names.

    >>> [rows.tolist() for rows in group_rows(["b", "a", "b"])]
    [[1], [0, 2]]
    """
    if not len(groups):
        return []
    _, group_of_row = np.unique(list(groups), return_inverse=True)
    order = np.argsort(group_of_row, kind="stable")
    return np.split(order, np.cumsum(np.bincount(group_of_row))[:-1])


def _estimate(value: float, resampled: np.ndarray) -> Estimate:
    known = resampled[~np.isnan(resampled)]
    if not known.size or np.isnan(value):
        return Estimate(value=value, low=np.nan, high=np.nan)
    low, high = np.quantile(known, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return Estimate(value=value, low=float(low), high=float(high))
