"""How far predicted ratios and grades agree with the true ones."""

from dataclasses import dataclass

import numpy as np

NORMAL_95 = 1.96
"""Standard deviations to either side that hold 95 % of a normal distribution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsOfAgreement:
    """Bias and 95 % limits of agreement (Bland and Altman, Lancet 1986); nan for fewer than two frames."""

    bias: float
    """Mean of prediction minus truth."""
    low: float
    high: float


def limits_of_agreement(predicted_N: np.ndarray, truth_N: np.ndarray) -> LimitsOfAgreement:
    """Return the mean difference and the limits 1.96 standard deviations (n - 1) to either side of it.

    >>> limits = limits_of_agreement(np.array([0.2, 0.5]), np.array([0.1, 0.2]))
    >>> round(limits.bias, 4), round(limits.low, 4), round(limits.high, 4)  # .2 -+ 1.96 x .1414
    (0.2, -0.0772, 0.4772)
    """
    if len(predicted_N) < 2:
        return LimitsOfAgreement(bias=np.nan, low=np.nan, high=np.nan)
    difference_N = predicted_N - truth_N
    bias, spread = float(difference_N.mean()), NORMAL_95 * float(difference_N.std(ddof=1))
    return LimitsOfAgreement(bias=bias, low=bias - spread, high=bias + spread)


def icc_2_1(scores_NR: np.ndarray) -> float:
    """Return ICC(2,1): two-way random effects, absolute agreement, one rater (Shrout and Fleiss 1979, p. 423).

    (BMS - EMS) / (BMS + (R - 1) EMS + R (JMS - EMS) / N) with the mean squares between targets, between judges and of
    the residual.

    Args:
        scores_NR: One row a target, one column a rater (here: truth and prediction).

    Returns:
        At most 1; nan for fewer than two targets or without any variance.

    >>> scores = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    >>> round(icc_2_1(np.array(scores)), 2)  # table 4 of the source
    0.29
    """
    squares = _mean_squares(np.asarray(scores_NR, np.float64))
    return np.nan if squares is None else _icc(squares)


def icc_interval(scores_NR: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of `icc_2_1` for independent targets (Shrout and Fleiss 1979, p. 424), nan as that is.

    >>> scores = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    >>> [round(end, 2) for end in icc_interval(np.array(scores))]
    [0.02, 0.76]
    """
    from scipy.stats import f  # imported here because training scores frames without it

    squares = _mean_squares(np.asarray(scores_NR, np.float64))
    if squares is None:
        return np.nan, np.nan
    n, k = squares.num_targets, squares.num_raters
    if not squares.residual:
        return (_icc(squares),) * 2
    icc, raters_f = _icc(squares), squares.raters / squares.residual
    middle = n * (1 + (k - 1) * icc) - k * icc
    freedom = (k - 1) * (n - 1) * (k * icc * raters_f + middle) ** 2
    freedom /= (n - 1) * (k * icc * raters_f) ** 2 + middle**2
    low_f, high_f = f.ppf(0.975, n - 1, freedom), f.ppf(0.975, freedom, n - 1)
    noise = k * squares.raters + (k * n - k - n) * squares.residual
    low = n * (squares.targets - low_f * squares.residual) / (low_f * noise + n * squares.targets)
    high = n * (high_f * squares.targets - squares.residual) / (noise + n * high_f * squares.targets)
    return float(low), float(high)


@dataclass(frozen=True, slots=True, kw_only=True)
class _MeanSquares:
    """Analysis of variance of one score a target and rater."""

    num_targets: int
    num_raters: int
    targets: float
    raters: float
    residual: float


def _mean_squares(scores_NR: np.ndarray) -> _MeanSquares | None:
    """Mean squares; None for fewer than two targets or without any variance."""
    num_targets, num_raters = scores_NR.shape
    if num_targets < 2 or not np.ptp(scores_NR):
        return None
    centred_NR = scores_NR - scores_NR.mean()
    target_N, rater_R = centred_NR.mean(axis=1), centred_NR.mean(axis=0)
    residual_NR = centred_NR - target_N[:, None] - rater_R
    return _MeanSquares(
        num_targets=num_targets,
        num_raters=num_raters,
        targets=num_raters * (target_N**2).sum() / (num_targets - 1),
        raters=num_targets * (rater_R**2).sum() / (num_raters - 1),
        residual=(residual_NR**2).sum() / ((num_targets - 1) * (num_raters - 1)),
    )


def _icc(squares: _MeanSquares) -> float:
    n, k = squares.num_targets, squares.num_raters
    noise = (k - 1) * squares.residual + k * (squares.raters - squares.residual) / n
    return float((squares.targets - squares.residual) / (squares.targets + noise))


def confusion_matrix(true_N: np.ndarray, predicted_N: np.ndarray, num_grades: int) -> np.ndarray:
    """Count frames by true grade (row) and predicted grade (column).

    Args:
        true_N: int, index of the grade in its scheme.
        predicted_N: int, the same.
        num_grades: Grades of the scheme.

    Returns:
        int64 (num_grades, num_grades).

    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    pairs_N = np.asarray(true_N, np.int64) * num_grades + np.asarray(predicted_N, np.int64)
    return np.bincount(pairs_N, minlength=num_grades**2).reshape(num_grades, num_grades)


def exact_agreement(confusion_GG: np.ndarray) -> float:
    """Return the share of frames whose grade is right; nan where there are none.

    >>> round(exact_agreement(np.array([[1, 1], [0, 1]])), 4)
    0.6667
    """
    return within_agreement(confusion_GG, 0)


def within_one_agreement(confusion_GG: np.ndarray) -> float:
    """Return the share of frames whose grade is right or next to the right one; nan where there are none.

    >>> within_one_agreement(np.array([[1, 1, 2], [0, 0, 0], [0, 0, 0]]))
    0.5
    """
    return within_agreement(confusion_GG, 1)


def within_agreement(confusion_GG: np.ndarray, steps: int) -> float:
    """Return the share of frames graded at most so many grades off; nan where there are none."""
    total = confusion_GG.sum()
    return float(confusion_GG[_steps_GG(len(confusion_GG)) <= steps].sum() / total) if total else np.nan


def quadratic_kappa(confusion_GG: np.ndarray) -> float:
    """Return Cohen's kappa with weights that grow with the square of the distance (Cohen 1968).

    Returns:
        1 - observed / expected disagreement, at most 1; nan where all grades are the same one.

    >>> quadratic_kappa(np.array([[5, 0], [0, 5]])), quadratic_kappa(np.array([[5, 5], [5, 5]]))
    (1.0, 0.0)
    """
    total = confusion_GG.sum()
    weights_GG = _steps_GG(len(confusion_GG)) ** 2
    chance_GG = np.outer(confusion_GG.sum(axis=1), confusion_GG.sum(axis=0))
    expected = (weights_GG * chance_GG).sum()
    return float(1.0 - total * (weights_GG * confusion_GG).sum() / expected) if expected else np.nan


def score_ratios(predicted_N: np.ndarray, truth_N: np.ndarray) -> dict[str, float]:
    """Score ratios against true ones: mean absolute error, bias, limits of agreement, ICC(2,1).

    Args:
        predicted_N: Ratios 0..1; pairs with a nan on either side are left out.
        truth_N: The same.

    Returns:
        Each score, nan where too few frames have both.

    >>> scores = score_ratios(np.array([0.2, 0.5, 0.9]), np.array([0.1, 0.2, np.nan]))
    >>> round(scores["mae"], 4), round(scores["bias"], 4)
    (0.2, 0.2)
    """
    both_N = ~(np.isnan(predicted_N) | np.isnan(truth_N))
    predicted_N, truth_N = predicted_N[both_N], truth_N[both_N]
    limits = limits_of_agreement(predicted_N, truth_N)
    return {
        "mae": float(np.abs(predicted_N - truth_N).mean()) if len(truth_N) else np.nan,
        "bias": limits.bias,
        "limit_low": limits.low,
        "limit_high": limits.high,
        "icc": icc_2_1(np.stack([truth_N, predicted_N], axis=1)),
    }


def score_grades(confusion_GG: np.ndarray) -> dict[str, float]:
    """Score grades: exact and within-one agreement, quadratic kappa."""
    return {
        "grade_exact": exact_agreement(confusion_GG),
        "grade_within_one": within_one_agreement(confusion_GG),
        "grade_kappa": quadratic_kappa(confusion_GG),
    }


def _steps_GG(num_grades: int) -> np.ndarray:
    grades_G = np.arange(num_grades)
    return np.abs(grades_G[:, None] - grades_G)
