"""Figures of an evaluation and of a training run, as PNG."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embryofrag.statistics.agreement import limits_of_agreement
from embryofrag.training.predictions import Prediction
from embryofrag.training.scores import RATIOS, Evaluation, Scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150
COLOURS = {"ratio_reg": "#1b5e9e", "ratio_mask": "#c8691c"}
TITLES = {"ratio_reg": "regression head", "ratio_mask": "masks"}
GREY = "#777777"
BAR_WIDTH = 0.36
FEW_FRAMES = 10
"""A bar over fewer frames than this is drawn pale."""


def plot_evaluation(folder: Path, predictions: Sequence[Prediction], evaluation: Evaluation) -> tuple[Path, ...]:
    """Draw the figures for which there is something to draw.

    | file               | shows                                                                    |
    |--------------------|--------------------------------------------------------------------------|
    | scatter.png        | predicted against true ratio, with the scheme's cuts                     |
    | bland_altman.png   | difference against mean, with bias and 95 % limits of agreement          |
    | confusion.png      | frames by true and predicted grade                                       |
    | per_grade.png      | mean absolute error and fragment Dice by true grade, with 95 % intervals |

    Args:
        folder: Exists.
        predictions: What ``evaluation`` was made from.
        evaluation: Its scores.

    Returns:
        The files written.
    """
    pairs = {name: _known_pairs(predictions, name) for name in RATIOS}
    pairs = {name: pair for name, pair in pairs.items() if len(pair[0])}
    graded = [name for name in RATIOS if evaluation.confusion[name].any()]
    written = []
    if pairs:
        written.append(_save(_draw_scatter(pairs, evaluation.scheme.cuts), folder / "scatter.png"))
        written.append(_save(_draw_bland_altman(pairs), folder / "bland_altman.png"))
    if graded:
        written.append(_save(_draw_confusion(evaluation, graded), folder / "confusion.png"))
    if pairs and evaluation.per_grade:
        written.append(_save(_draw_per_grade(evaluation), folder / "per_grade.png"))
    return tuple(written)


def plot_curves(path: Path, panels: Mapping[str, Mapping[str, Sequence[float | None]]]) -> Path:
    """Draw curves over epochs, one panel below the other.

    Args:
        path: PNG to write.
        panels: For each title the curves by name, a value an epoch from the first on; None or nan leaves a gap.
    """
    figure = _new_figure(7.0, 2.4 * len(panels))
    for axes, (title, curves) in zip(_axes_list(figure, len(panels), 1), panels.items(), strict=True):
        for name, values in curves.items():
            marker = "." if len(values) < 30 else None
            axes.plot(np.arange(1, len(values) + 1), np.array(values, np.float64), label=name, marker=marker)
        axes.set_title(title, loc="left")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    axes.set_xlabel("epoch")
    return _save(figure, path)


def _known_pairs(predictions: Sequence[Prediction], name: str) -> tuple[np.ndarray, np.ndarray]:
    """True and predicted ratios of the frames that have both."""
    pairs = [(one.ratio_true, getattr(one, name)) for one in predictions]
    known = np.array([pair for pair in pairs if None not in pair], np.float64).reshape(-1, 2)
    return known[:, 0], known[:, 1]


def _draw_scatter(pairs: Mapping[str, tuple[np.ndarray, np.ndarray]], cuts: Sequence[float]) -> "Figure":
    figure = _new_figure(4.2 * len(pairs), 4.2)
    top = min(1.0, 0.05 + max(float(np.max(pair)) for pair in pairs.values()))
    for axes, (name, (truth, predicted)) in zip(_axes_list(figure, 1, len(pairs)), pairs.items(), strict=True):
        for cut in cuts:
            axes.axvline(cut, color=GREY, linewidth=0.5, linestyle=":")
            axes.axhline(cut, color=GREY, linewidth=0.5, linestyle=":")
        axes.locator_params(nbins=6)
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1)
        axes.scatter(truth, predicted, s=14, color=COLOURS[name], alpha=0.6, linewidths=0)
        axes.set(xlim=(-0.02, top), ylim=(-0.02, top), aspect="equal", xlabel="true ratio", ylabel="predicted ratio")
        axes.set_title(f"{TITLES[name]}, {len(truth)} frames", loc="left")
    return figure


def _draw_bland_altman(pairs: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> "Figure":
    figure = _new_figure(4.8 * len(pairs), 3.8)
    reach = 1.1 * max(float(np.abs(predicted - truth).max()) for truth, predicted in pairs.values()) + 0.01
    right = 0.02 + max(float((predicted + truth).max()) / 2 for truth, predicted in pairs.values())
    for axes, (name, (truth, predicted)) in zip(_axes_list(figure, 1, len(pairs)), pairs.items(), strict=True):
        limits = limits_of_agreement(predicted, truth)
        axes.axhline(0.0, color=GREY, linewidth=0.5)
        axes.scatter((truth + predicted) / 2, predicted - truth, s=14, color=COLOURS[name], alpha=0.6, linewidths=0)
        lines = (("+1.96 SD", limits.high, "--"), ("bias", limits.bias, "-"), ("-1.96 SD", limits.low, "--"))
        for label, height, style in lines:
            if len(truth) > 1:
                axes.axhline(height, color="black", linewidth=1, linestyle=style, label=f"{label} {height:+.3f}")
        axes.set(
            xlim=(-0.02, right),
            ylim=(-reach, reach),
            xlabel="mean of true and predicted ratio",
            ylabel="predicted - true ratio",
        )
        axes.set_title(f"{TITLES[name]}, {len(truth)} frames", loc="left")
        if len(truth) > 1:
            axes.legend(loc="best", fontsize="small")
    return figure


def _draw_confusion(evaluation: Evaluation, names: Sequence[str]) -> "Figure":
    grades = evaluation.scheme.grades
    figure = _new_figure(3.9 * len(names), 3.9)
    for axes, name in zip(_axes_list(figure, 1, len(names)), names, strict=True):
        counts = evaluation.confusion[name]
        row_sums = counts.sum(axis=1, keepdims=True)
        shares = np.divide(counts, row_sums, out=np.zeros(counts.shape), where=row_sums > 0)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour)
        axes.set_xticks(range(len(grades)), grades)
        axes.set_yticks(range(len(grades)), grades)
        axes.set(xlabel="predicted grade", ylabel="true grade")
        axes.set_title(f"{TITLES[name]}, {counts.sum()} frames", loc="left")
    return figure


def _draw_per_grade(evaluation: Evaluation) -> "Figure":
    figure = _new_figure(9.0, 3.8)
    errors, dice = _axes_list(figure, 1, 2)
    scores = list(evaluation.per_grade.values())
    for offset, name in zip((-BAR_WIDTH / 2, BAR_WIDTH / 2), RATIOS, strict=True):
        _draw_bars(errors, scores, f"{name}_mae", offset, COLOURS[name], TITLES[name])
    errors.set_ylim(top=1.25 * errors.get_ylim()[1])  # room for the legend above the bars
    errors.legend(loc="upper left", ncols=2, frameon=False)
    errors.set_title("mean absolute error of the ratio", loc="left")
    _draw_bars(dice, scores, "fragment_dice_per_image", 0.0, COLOURS["ratio_mask"], None)
    dice.set_title("fragment Dice per image", loc="left")
    dice.set_ylim(0, 1)
    labels = [f"{grade}\n{one.num_frames} frames" for grade, one in evaluation.per_grade.items()]
    for axes in (errors, dice):
        axes.set_xticks(range(len(labels)), labels)
        axes.set_xlabel("true grade")
    return figure


def _draw_bars(
    axes: "Axes", scores: Sequence[Scores], score: str, offset: float, colour: str, label: str | None
) -> None:
    """One bar for each set of frames that has the score, with its interval."""
    for place, one in enumerate(scores):
        estimate = one.estimates.get(score)
        if estimate is None:
            continue
        axes.bar(
            place + offset,
            estimate.value,
            BAR_WIDTH,
            color=colour,
            alpha=0.4 if one.num_frames < FEW_FRAMES else 1.0,
            label=label,
        )
        label = None  # one entry of the legend for all bars
        axes.vlines(place + offset, estimate.low, estimate.high, color="black", linewidth=1.2)


def _new_figure(width_inches: float, height_inches: float) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_inches, height_inches), dpi=DPI, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    return figure


def _axes_list(figure: "Figure", rows: int, columns: int) -> list["Axes"]:
    axes_list = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in axes_list:
        axes.spines[["top", "right"]].set_visible(False)
    return axes_list


def _save(figure: "Figure", path: Path) -> Path:
    # without the library's name and version in it the same figure is the same file
    figure.savefig(path, metadata={"Software": None})
    return path
