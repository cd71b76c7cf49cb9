import math

import numpy as np
import pytest
from drawn_predictions import SCHEME, changed, drawn_predictions
from PIL import Image

from embryofrag.training.plots import plot_curves, plot_evaluation
from embryofrag.training.scores import evaluate_predictions

FIGURES = ["scatter.png", "bland_altman.png", "confusion.png", "per_grade.png"]


def evaluate(predictions):
    return evaluate_predictions(predictions, SCHEME, num_resamples=20)


def holds_colour(path, red, green, blue):
    pixels = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3).astype(int)
    return bool((np.abs(pixels - (red, green, blue)).sum(axis=1) < 30).any())


def test_every_figure_is_drawn_in_both_colours(tmp_path):
    predictions = drawn_predictions()
    written = plot_evaluation(tmp_path, predictions, evaluate(predictions))
    assert [path.name for path in written] == FIGURES
    bars = tmp_path / "per_grade.png"
    assert holds_colour(bars, 0x1B, 0x5E, 0x9E)
    assert holds_colour(bars, 0xC8, 0x69, 0x1C)


def test_the_same_scores_give_the_same_file(tmp_path):
    predictions = drawn_predictions(24)
    evaluation = evaluate(predictions)
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        plot_evaluation(tmp_path / folder, predictions, evaluation)
    for name in FIGURES:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_a_model_without_masks_leaves_the_other_colour_out(tmp_path):
    predictions = [
        changed(one, ratio_mask=None, finds_embryo=None, fragment_px=None, embryo_px=None)
        for one in drawn_predictions()
    ]
    plot_evaluation(tmp_path, predictions, evaluate(predictions))
    assert holds_colour(tmp_path / "scatter.png", 0x1B, 0x5E, 0x9E)
    assert not holds_colour(tmp_path / "per_grade.png", 0xC8, 0x69, 0x1C)


def test_grade_only_frames_have_a_confusion_and_no_scatter(tmp_path):
    predictions = [changed(one, ratio_true=None, fragment_px=None, embryo_px=None) for one in drawn_predictions(24)]
    written = plot_evaluation(tmp_path, predictions, evaluate(predictions))
    assert [path.name for path in written] == ["confusion.png"]


def test_one_frame_is_drawn_without_limits(tmp_path):
    predictions = drawn_predictions(1)
    assert len(plot_evaluation(tmp_path, predictions, evaluate(predictions))) == len(FIGURES)


@pytest.mark.parametrize("num_epochs", [1, 50])
def test_curves_are_drawn_with_gaps(tmp_path, num_epochs):
    falling = [1 / (epoch + 1) for epoch in range(num_epochs)]
    panels = {
        "loss": {"train": falling, "validation": [math.nan, *falling[1:]]},
        "fragment Dice": {"validation": [*falling[1:], None]},
    }
    path = plot_curves(tmp_path / "curves.png", panels)
    assert Image.open(path).size[1] > Image.open(path).size[0] * 0.5
