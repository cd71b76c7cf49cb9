"""Split-conformal intervals of the ratio, as wide as the two modules disagree.

Frames that trained nothing are the calibration set. Each gives a signed residual in units of its own scale,

    r = (y_true - ratio_reg) / scale          scale = floor + |ratio_reg - ratio_mask|

and the interval of a new frame is ratio_reg -+ quantile x its scale, with the ceil((n + 1)(1 - alpha))-th smallest |r|
as the quantile: it holds the truth for at least 1 - alpha of frames that are exchangeable with the calibration
frames (Lei et al. 2018, JASA 113, section 5.2; Angelopoulos and Bates, arXiv 2107.07511, section 2.3). Frames of one
embryo are less than exchangeable with those of another, so a calibration set of many embryos counts, not of many
frames. The grade's probabilities come from the same residuals: where they would place the truth.
"""

import math
from collections.abc import Sequence

import numpy as np

from embryofrag.grading.conformal import Conformal
from embryofrag.statistics.bootstrap import group_rows

FLOOR = 0.05
"""Part of the scale that stays where the modules agree; fixed beforehand, since exact coverage asks for that."""
MAX_RESIDUALS = 201
"""Residuals that are kept for the grades' probabilities."""


def check_intervals(
    calibration: Conformal, ratio_reg: np.ndarray, ratio_mask: np.ndarray, truth: np.ndarray
) -> dict[str, float]:
    """Return the share of frames whose interval holds the truth, and the intervals' mean width, on at least one frame.

    >>> calibration = Conformal(alpha=0.1, floor=0.05, quantile=2.0, residuals=(0.0,), num_frames=20)
    >>> check_intervals(calibration, np.array([0.3, 0.5]), np.array([0.3, 0.5]), np.array([0.35, 0.7]))
    {'coverage': 0.5, 'mean_width': 0.2}
    """
    ends = np.array([calibration.interval(*pair) for pair in zip(ratio_reg, ratio_mask, strict=True)])
    return {
        "coverage": float(np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1]))),
        "mean_width": round(float(np.mean(ends[:, 1] - ends[:, 0])), 9),
    }


def check_left_out(
    ratio_reg: np.ndarray, ratio_mask: np.ndarray, truth: np.ndarray, groups: Sequence[str], alpha: float = 0.1
) -> dict[str, float] | None:
    """Calibrate without one group at a time, and check the intervals on the frames of that group.

    It says what intervals calibrated on these frames will hold for a new group, without further frames.

    Args:
        ratio_reg: As in `fit_conformal`.
        ratio_mask: As in `fit_conformal`.
        truth: As in `fit_conformal`.
        groups: The group of each frame.
        alpha: As in `fit_conformal`.

    Returns:
        As `check_intervals`; None where some group leaves too few frames to calibrate on.
    """
    ratios = np.array([ratio_reg, ratio_mask, truth], np.float64)
    checks, sizes = [], []
    for rows in group_rows(groups):
        others = np.delete(ratios, rows, axis=1)
        if others.shape[1] < min_frames(alpha):
            return None
        checks.append(check_intervals(fit_conformal(*others, alpha=alpha), *ratios[:, rows]))
        sizes.append(len(rows))
    return {name: float(np.average([one[name] for one in checks], weights=sizes)) for name in checks[0]}


def min_frames(alpha: float) -> int:
    """Return the least frames with which an interval can hold 1 - alpha of truths.

    >>> min_frames(0.1), min_frames(0.05)
    (9, 19)
    """
    return math.ceil(1 / alpha - 1e-9) - 1


def fit_conformal(
    ratio_reg: np.ndarray, ratio_mask: np.ndarray, truth: np.ndarray, alpha: float = 0.1, floor: float = FLOOR
) -> Conformal:
    """Calibrate on frames that neither trained nor chose the model.

    Args:
        ratio_reg: Module B's ratios, (N,) 0..1.
        ratio_mask: Module A's, (N,) 0..1.
        truth: True ratios, (N,) 0..1.
        alpha: Share of truths that may lie outside, 0..1.
        floor: Scale of a frame on which the modules agree, above 0.

    Raises:
        ValueError: Fewer than `min_frames`, a value outside 0..1, or a floor of 0.
    """
    ratios = np.array([ratio_reg, ratio_mask, truth], np.float64)
    num_frames = ratios.shape[1]
    if not 0.0 < alpha < 1.0 or not floor > 0.0:
        raise ValueError(f"alpha lies between 0 and 1 and the floor above 0, not at {alpha} and {floor}")
    if num_frames < min_frames(alpha):
        raise ValueError(f"an interval for alpha = {alpha} needs {min_frames(alpha)} frames or more, not {num_frames}")
    if not ((ratios >= 0.0) & (ratios <= 1.0)).all():
        raise ValueError("a calibration set holds ratios in 0..1 only")
    residuals = np.sort((ratios[2] - ratios[0]) / (floor + np.abs(ratios[0] - ratios[1])))
    rank = math.ceil((num_frames + 1) * (1 - alpha) - 1e-9)
    kept = residuals
    if num_frames > MAX_RESIDUALS:
        kept = np.quantile(residuals, (np.arange(MAX_RESIDUALS) + 0.5) / MAX_RESIDUALS)
    return Conformal(
        alpha=alpha,
        floor=floor,
        quantile=float(np.sort(np.abs(residuals))[rank - 1]),
        residuals=tuple(kept.tolist()),
        num_frames=num_frames,
    )
