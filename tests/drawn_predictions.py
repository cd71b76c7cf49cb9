"""Predictions drawn by chance, for the tests of scores, figures and the model card."""

import numpy as np

from embryofrag.grading.schemes import SCHEMES, grade_ratio
from embryofrag.training.predictions import Prediction

SCHEME = SCHEMES["regdeeplab"]


def drawn_predictions(count=120, seed=0, error=0.04):
    """Frames of two stages, six to a patient, with both ratios off by a normal error."""
    rng = np.random.default_rng(seed)
    truth = rng.beta(1.2, 4, count)
    noisy = np.clip(truth + rng.normal(0, error, (2, count)), 0, 1)
    return [
        Prediction(
            image=f"{i}.png",
            group=f"patient {i // 6}",
            stage="T4" if i % 2 else "T2",
            ratio_true=truth[i],
            grade_true=grade_ratio(truth[i], SCHEME),
            ratio_reg=noisy[0, i],
            ratio_mask=noisy[1, i],
            finds_embryo=True,
            fragment_px=(40, 60, 50),
            embryo_px=(900, 1000, 950),
        )
        for i in range(count)
    ]


def changed(prediction: Prediction, **changes) -> Prediction:
    return Prediction(**{name: getattr(prediction, name) for name in Prediction.__slots__} | changes)
