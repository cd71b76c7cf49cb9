"""Score a model on labelled frames, through the engine and the steps that a night run uses.

A frame goes the way it goes when it is graded: decode, blank the overlay, look at the frame or at the embryo in it,
engines, masks in the frame's own pixels. Where a locator finds no embryo the masks are empty and module B is not asked.
Masks are compared there, so the scores do not depend on the size of the network's input.

The output folder holds ``predictions.csv`` (`predictions.PREDICTION_COLUMNS`), ``metrics.json``
(`scores.Evaluation.to_dict`, the model, the engines and, where the model is calibrated, what its intervals hold,
which tells something only on frames that did not calibrate them) and the figures of `plots.plot_evaluation`.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from embryofrag.archive import blank_overlay
from embryofrag.engine.look import Look, look_at_embryos
from embryofrag.engine.pair import EngineChoice, EnginePair
from embryofrag.engine.select import load_pair
from embryofrag.errors import EmbryofragError, ItemError
from embryofrag.grading.conformal import Conformal
from embryofrag.grading.schemes import Scheme
from embryofrag.imaging.masks import masks_in_frame
from embryofrag.training.conformal import check_intervals
from embryofrag.training.labelled import LabelledFrame, read_labelled
from embryofrag.training.manifest import read_manifest
from embryofrag.training.plots import plot_evaluation
from embryofrag.training.predictions import Masks, Prediction, calibration_ratios, make_prediction, write_predictions
from embryofrag.training.row import Row
from embryofrag.training.scores import Evaluation, evaluate_predictions
from embryofrag.training.split import PARTS, read_split

PREDICTIONS_FILE = "predictions.csv"
METRICS_FILE = "metrics.json"
SPLIT_FILE = "split.csv"
"""In the model folder: which group of the manifest was trained on, and which was not."""
BATCH_SIZE = 4


def evaluate_model(
    manifest: Path,
    choice: EngineChoice,
    out: Path,
    *,
    scheme: Scheme,
    split_part: str | None = None,
    on_frame: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Run a model over a manifest and write what comes out.

    Args:
        manifest: CSV as `embryofrag.training.manifest` describes it.
        choice: The engine, as `embryofrag.engine.select.choose_engine` returns it.
        out: A folder that does not exist or is empty.
        scheme: The grades of the manifest and of the predictions.
        split_part: "train", "val" or "test": only these rows of the manifest the model was trained with, by the
            split that lies in the model folder. None: all rows.
        on_frame: Told after each frame how many frames are done, and of how many.

    Raises:
        EmbryofragError: A bad manifest, no split, a part without rows, an output folder that holds something, or an
            engine that does not load.
    """
    rows = _choose_rows(read_manifest(manifest, scheme), choice.model.path, split_part)
    _make_empty_folder(out)
    predictions = []
    with closing(load_pair(choice)) as engines:
        for prediction in predict_rows(rows, engines, scheme):
            predictions.append(prediction)
            on_frame(len(predictions), len(rows))
    evaluation = evaluate_predictions(predictions, scheme)
    write_predictions(out / PREDICTIONS_FILE, predictions, scheme)
    plot_evaluation(out, predictions, evaluation)
    document = {
        "model": choice.model.label,
        "engine_a": choice.engine_a_id,
        "engine_b": choice.engine_b_id,
        "looks_at": choice.looks_at,
        "views": choice.num_views,
        "denominator": choice.model.denominator,
        "part": split_part,
        **evaluation.to_dict(),
        "intervals": _check_calibration(choice.model.calibration, predictions),
    }
    (out / METRICS_FILE).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return evaluation


def predict_rows(rows: Sequence[Row], engines: EnginePair, scheme: Scheme) -> Iterator[Prediction]:
    """Run both modules over rows, in their order.

    Raises:
        EmbryofragError: A file of a row can no longer be read.
    """
    for start in range(0, len(rows), BATCH_SIZE):
        some = rows[start : start + BATCH_SIZE]
        frames = [_read_frame(row) for row in some]
        looks = look_at_embryos(engines, [blank_overlay(frame.image) for frame in frames])
        for row, frame, (masks, ratio_reg) in zip(some, frames, _answers(engines, looks), strict=True):
            yield make_prediction(
                row,
                scheme,
                truth=None if frame.fragment is None else (frame.fragment, frame.embryo),
                predicted=masks,
                ratio_reg=ratio_reg,
                denominator=engines.choice.model.denominator,
            )


def _answers(engines: EnginePair, looks: Sequence[Look]) -> Iterator[tuple[Masks, float | None]]:
    """Masks in the frame's pixels and module B's ratio of each look."""
    canvases = [look.canvas_SSC for look in looks if look.found]
    images_NHWC = np.stack(canvases) if canvases else None
    answers = zip(*engines.masks_and_ratios(images_NHWC), strict=True) if canvases else iter(())
    for look in looks:
        if look.found:
            probabilities_KSS, ratio_reg = next(answers)
            yield masks_in_frame(probabilities_KSS, look.box, engines.choice.mask_threshold), float(ratio_reg)
        else:
            nothing = np.zeros((look.box.height_px, look.box.width_px), bool)
            yield (nothing, nothing), None


def _choose_rows(rows: tuple[Row, ...], model_dir: Path, split_part: str | None) -> tuple[Row, ...]:
    if split_part is None:
        return rows
    if split_part not in PARTS:
        raise EmbryofragError(f"no part {split_part!r}: choose one of {', '.join(PARTS)}")
    chosen = getattr(read_split(model_dir / SPLIT_FILE, rows), split_part)
    if not chosen:
        raise EmbryofragError(f"no row of the manifest is in the part {split_part!r}: choose another part or all rows")
    return chosen


def _make_empty_folder(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise EmbryofragError(f"{out} exists and is not an empty folder: name a new one")
    out.mkdir(parents=True, exist_ok=True)


def _read_frame(row: Row) -> LabelledFrame:
    try:
        return read_labelled(row)
    except ItemError as error:
        raise EmbryofragError(
            f"line {row.line} of the manifest: {error.reason}; mend the file or remove the line, then start again"
        ) from error


def _check_calibration(values: dict | None, predictions: Sequence[Prediction]) -> dict | None:
    ratios = calibration_ratios(predictions)
    if values is None or not len(ratios[0]):
        return None
    calibration = Conformal.from_dict(values)
    return {"alpha": calibration.alpha, "num_frames": len(ratios[0]), **check_intervals(calibration, *ratios)}
