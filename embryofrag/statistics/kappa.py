"""Agreement of two raters beyond chance: Cohen's kappa, plain and quadratic, and Gwet's AC2.

With p the shares of a confusion matrix, w the weights of its cells (1 on the diagonal, falling with the distance) and
P_o = sum(w p), each is (P_o - P_e) / (1 - P_e); they differ in the agreement P_e that chance would give. Kappa takes it
from both raters' own grades and falls low where nearly all embryos have one grade; AC2 takes it from how evenly the
grades are used (Gwet 2014, Handbook of Inter-Rater Reliability, chapters 3 and 4).
"""

from statistics import NormalDist

import numpy as np

_NORMAL_95 = NormalDist().inv_cdf(0.975)


def cohen_kappa(confusion_GG: np.ndarray) -> float:
    """Return Cohen's kappa (1960); nan where there is nothing to compare or all grades are the same one.

    >>> round(cohen_kappa(np.array([[20, 5], [10, 15]])), 9)
    0.4
    """
    return _beyond_chance(_shares(confusion_GG), np.eye(len(confusion_GG)))[0]


def kappa_interval(confusion_GG: np.ndarray, *, quadratic: bool) -> tuple[float, float]:
    """Return the 95 % interval of kappa for independent cases, by its large-sample variance.

    Fleiss, Cohen and Everitt 1969, Psychological Bulletin 72, equation 13.

    Args:
        confusion_GG: Counts.
        quadratic: Of `quadratic_kappa` instead of `cohen_kappa`.

    Returns:
        Its ends, nan where kappa is.
    """
    shares_GG = _shares(confusion_GG)
    weights_GG = quadratic_weights(len(shares_GG)) if quadratic else np.eye(len(shares_GG))
    kappa, chance = _beyond_chance(shares_GG, weights_GG)
    if np.isnan(kappa):
        return np.nan, np.nan
    row_weights_G = weights_GG @ shares_GG.sum(axis=0)
    column_weights_G = shares_GG.sum(axis=1) @ weights_GG
    pull_GG = weights_GG - (row_weights_G[:, None] + column_weights_G) * (1 - kappa)
    spread = (shares_GG * pull_GG**2).sum() - (kappa - chance * (1 - kappa)) ** 2
    half = _NORMAL_95 * np.sqrt(max(0.0, spread) / confusion_GG.sum()) / (1 - chance)
    return float(kappa - half), float(kappa + half)


def gwet_ac2(confusion_GG: np.ndarray) -> float:
    """Return Gwet's AC2 with quadratic weights; nan where there is nothing to compare.

    >>> round(gwet_ac2(np.array([[118, 5], [2, 0]])), 4)  # kappa is -.023 here
    0.9408
    """
    shares_GG = _shares(confusion_GG)
    num_grades = len(shares_GG)
    weights_GG = quadratic_weights(num_grades)
    used_G = (shares_GG.sum(axis=0) + shares_GG.sum(axis=1)) / 2
    chance = weights_GG.sum() / (num_grades * (num_grades - 1)) * (used_G * (1 - used_G)).sum()
    return float(((weights_GG * shares_GG).sum() - chance) / (1 - chance))


def quadratic_weights(num_grades: int) -> np.ndarray:
    """Return the weights 1 - (distance / largest distance)^2 of two grades.

    >>> quadratic_weights(3).tolist()
    [[1.0, 0.75, 0.0], [0.75, 1.0, 0.75], [0.0, 0.75, 1.0]]
    """
    grades_G = np.arange(num_grades)
    return 1 - ((grades_G[:, None] - grades_G) / (num_grades - 1)) ** 2


def _shares(confusion_GG: np.ndarray) -> np.ndarray:
    total = confusion_GG.sum()
    return confusion_GG / total if total else np.full(confusion_GG.shape, np.nan)


def _beyond_chance(shares_GG: np.ndarray, weights_GG: np.ndarray) -> tuple[float, float]:
    """Kappa and the weighted agreement by chance."""
    chance = float((weights_GG * np.outer(shares_GG.sum(axis=1), shares_GG.sum(axis=0))).sum())
    if np.isnan(chance) or np.isclose(chance, 1):
        return np.nan, chance
    return float(((weights_GG * shares_GG).sum() - chance) / (1 - chance)), chance
