"""Stored ratios graded by another scheme, without a picture."""

import numpy as np
import pandas as pd

from embryofrag.grading.frame import GradingSettings
from embryofrag.grading.referral import NEAR_CUT, REASONS, UNSURE_GRADE
from embryofrag.grading.schemes import cut_distance, grade_ratio


def regrade_frames(frames: pd.DataFrame, grading: GradingSettings) -> pd.DataFrame:
    """Grade the frames' ratios by ``grading.scheme``.

    `near_cut` is raised anew for the cuts of the scheme. `grade_probabilities` and `unsure_grade` belong to the scheme
    of the run and cannot be computed without the calibration, so frames of another scheme lose both.
    """
    scheme = grading.grade_scheme
    others_N = (frames["ratio_reg"].notna() & (frames["scheme"] != scheme.label)).to_numpy()
    if not others_N.any():
        return frames
    frames = frames.copy()
    ratios = frames.loc[others_N, "ratio_reg"]
    near = [cut_distance(ratio, scheme) < grading.referral.cut_margin for ratio in ratios]
    reasons = list(map(_reasons, frames.loc[others_N, "refer_reasons"], near))
    frames.loc[others_N, "grade"] = [grade_ratio(ratio, scheme) for ratio in ratios]
    frames.loc[others_N, "refer_reasons"] = reasons
    frames.loc[others_N, "referred"] = np.array([bool(reason) for reason in reasons])
    frames.loc[others_N, "grade_probabilities"] = pd.NA
    frames.loc[frames["scheme"].notna(), "scheme"] = scheme.label
    return frames


def _reasons(before: str, is_near: bool) -> str:
    """Reasons of a frame under another scheme.

    >>> _reasons("modules_disagree unsure_grade soft_focus", True)
    'modules_disagree near_cut soft_focus'
    """
    standing = set(before.split()) - {NEAR_CUT, UNSURE_GRADE} | ({NEAR_CUT} if is_near else set())
    return " ".join(reason for reason in REASONS if reason in standing)
