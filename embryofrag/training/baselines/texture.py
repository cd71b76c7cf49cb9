"""A ratio from hand-made features of texture, by a small multilayer perceptron (scikit-learn).

Shape legend: N image, F feature.
"""

import warnings
from collections import defaultdict
from collections.abc import Callable
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from embryofrag.errors import EmbryofragError
from embryofrag.grading.schemes import SCHEMES, Scheme
from embryofrag.network.config import NetworkConfig
from embryofrag.training.baselines.canvas import read_canvases, scored_rows
from embryofrag.training.config import PhaseConfig, TrainConfig
from embryofrag.training.dataset import grade_interval
from embryofrag.training.predictions import Prediction, grade_of, make_prediction
from embryofrag.training.row import Row
from embryofrag.training.train import Run

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Measure = Callable[[np.ndarray], np.ndarray]
"""uint8 (h, w) to float64 (F,)."""
NUM_HIDDEN = 64
PENALTIES = (0.1, 1.0, 10.0, 100.0)
"""Weights of the squared coefficients, of which the validation rows choose one."""


def texture_config(name: str) -> TrainConfig:
    """Return the defaults; of a texture baseline only input, seed, split, scheme and epochs (iterations) are read."""
    phase = PhaseConfig(name=name, trainable=("head",), alpha=0, gamma=0, epochs=200)
    network = NetworkConfig(input_px=256)
    return TrainConfig(experiment=name, phases=(phase,), module_a=name, module_b=name, network=network, init="random")


def measure_rows(rows: tuple[Row, ...], measure: Measure, input_px: int) -> np.ndarray:
    """Return the features of rows, float64 (N, F)."""
    return np.array([measure(canvas.grey) for canvas in read_canvases(rows, input_px)], np.float64)


def fit_texture(run: Run, measure: Measure) -> list[Prediction]:
    """Fit the perceptron with the penalty that the validation rows like best, and predict.

    Raises:
        EmbryofragError: No training or no validation row has a ratio or a grade.
    """
    scheme, input_px = SCHEMES[run.config.scheme], run.config.network.input_px
    ratio_of_grade = mean_ratios(run.split.train, scheme)
    (train_NF, train_N), (val_NF, val_N) = (
        _measure_labelled(rows, measure, input_px, ratio_of_grade) for rows in (run.split.train, run.split.val)
    )
    fitted = [_fit_perceptron(train_NF, train_N, penalty, run.config) for penalty in PENALTIES]
    best = min(fitted, key=lambda perceptron: np.abs(predict_ratios(perceptron, val_NF) - val_N).mean())
    predictions = []
    for canvas in read_canvases(scored_rows(run.split), input_px):
        [ratio] = predict_ratios(best, measure(canvas.grey)[None])
        predictions.append(
            make_prediction(canvas.row, scheme, truth=canvas.truth, predicted=None, ratio_reg=float(ratio))
        )
    return predictions


def mean_ratios(rows: tuple[Row, ...], scheme: Scheme) -> dict[str, float]:
    """Return what a row of each grade counts for that has no ratio of its own.

    Returns:
        For each grade the mean ratio of its rows that have one, the middle of its interval where none has.

    >>> from pathlib import Path
    >>> rows = tuple(Row(line=2, image=Path("a.png"), ratio=ratio) for ratio in (0.02, 0.04, 0.3))
    >>> {grade: round(ratio, 3) for grade, ratio in mean_ratios(rows, SCHEMES["regdeeplab"]).items()}
    {'A': 0.03, 'B': 0.175, 'C': 0.3, 'D': 0.75}
    """
    known = defaultdict(list)
    for row in rows:
        if row.ratio is not None:
            known[row.grade or grade_of(row.ratio, scheme)].append(row.ratio)
    return {grade: fmean(known[grade] or grade_interval(grade, scheme)) for grade in scheme.grades}


def predict_ratios(perceptron: "Pipeline", features_NF: np.ndarray) -> np.ndarray:
    """Return ratios, float64 (N,) in 0..1."""
    return perceptron.predict(features_NF).clip(0.0, 1.0)


def _measure_labelled(
    rows: tuple[Row, ...], measure: Measure, input_px: int, ratio_of_grade: dict[str, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, F) and ratios (N,) of the rows that have a ratio or a grade."""
    labelled = tuple(row for row in rows if row.ratio is not None or row.grade)
    if not labelled:
        raise EmbryofragError("a part of the split has no embryo and no grade: there is no ratio to learn")
    ratio_N = np.array([ratio_of_grade[row.grade] if row.ratio is None else row.ratio for row in labelled])
    return measure_rows(labelled, measure, input_px), ratio_N


def _fit_perceptron(features_NF: np.ndarray, ratio_N: np.ndarray, penalty: float, config: TrainConfig) -> "Pipeline":
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    perceptron = MLPRegressor(
        hidden_layer_sizes=(NUM_HIDDEN,),
        solver="lbfgs",
        alpha=penalty,
        max_iter=config.phases[-1].epochs,
        random_state=config.seed,
    )
    pipeline = make_pipeline(StandardScaler(), perceptron)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of iterations is a choice
        return pipeline.fit(features_NF, ratio_N)
