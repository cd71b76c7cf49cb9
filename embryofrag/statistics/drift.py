"""How far a distribution has moved from a baseline's."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import chi2, ks_2samp

PSI_BINS = 10
PSI_SOME, PSI_MUCH = 0.10, 0.25
"""Customary bounds: below the first little has moved, above the second much (Siddiqi 2006, Credit Risk Scorecards)."""


def stability_index(baseline: Sequence[float], values: Sequence[float], num_bins: int = PSI_BINS) -> float:
    """Return the population stability index over bins of equal baseline share.

    sum((p - q) ln(p / q)) over the bins, p of the values and q of the baseline; half a case is added to each bin, so
    that an empty one does not make it infinite. Equal neighbouring quantiles join their bins.

    Args:
        baseline: Finite numbers.
        values: The same.
        num_bins: Bins before any are joined.

    Returns:
        0 or above; nan where either is empty or the baseline has one value only.

    >>> stability_index(range(100), range(100))
    0.0
    >>> round(stability_index(range(100), range(50, 100)), 2)
    1.38
    """
    baseline_N, values_M = np.asarray(baseline, np.float64), np.asarray(values, np.float64)
    if not len(baseline_N) or not len(values_M):
        return np.nan
    cuts = np.unique(np.quantile(baseline_N, np.linspace(0, 1, num_bins + 1)[1:-1]))
    if np.ptp(baseline_N) == 0:
        return np.nan
    shares_q, shares_p = _bin_shares(baseline_N, cuts), _bin_shares(values_M, cuts)
    return float(((shares_p - shares_q) * np.log(shares_p / shares_q)).sum())


def stability_by_chance(num_baseline: int, num_values: int, num_bins: int = PSI_BINS) -> float:
    """Return what the index of an unmoved distribution stays below in 95 of 100 samples; nan of nothing.

    The index times the harmonic sum of the sizes follows about a chi-squared distribution with a degree of freedom less
    than there are bins (Yurdakul 2018, Statistical Properties of Population Stability Index).

    >>> round(stability_by_chance(1000, 1000), 4)
    0.0338
    """
    if not num_baseline or not num_values:
        return np.nan
    return float(chi2.ppf(0.95, num_bins - 1) * (1 / num_baseline + 1 / num_values))


def distribution_shift(baseline: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """Return distance and p-value of the two-sample Kolmogorov-Smirnov test; nan where either is empty.

    >>> distribution_shift([1, 2, 3], [1, 2, 3])
    (0.0, 1.0)
    """
    if not len(baseline) or not len(values):
        return np.nan, np.nan
    test = ks_2samp(baseline, values)
    return float(test.statistic), float(test.pvalue)


def _bin_shares(values_N: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    counts = np.bincount(np.searchsorted(cuts, values_N, side="right"), minlength=len(cuts) + 1) + 0.5
    return counts / counts.sum()
