"""Shares of a count and how sure they are."""

from functools import lru_cache

import numpy as np
from scipy.stats import binomtest

CONFIDENCE = 0.95


@lru_cache(maxsize=65536)
def wilson_interval(count: int, total: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share (Wilson 1927); nan of nothing.

    It stays inside 0..1 and does not shrink to a point where the count is 0 or the total.

    Raises:
        ValueError: The count is negative or above the total.

    >>> [round(end, 4) for end in wilson_interval(0, 10)]
    [0.0, 0.2775]
    """
    if not total and not count:
        return np.nan, np.nan
    interval = binomtest(int(count), int(total)).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)
