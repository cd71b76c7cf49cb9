import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_predictions import SCHEME, changed, drawn_predictions
from tiny_model import TINY, draw_discs, write_tiny_model

from embryofrag.engine.model import Crop, ModelHeader, write_model
from embryofrag.engine.select import choose_engine
from embryofrag.errors import EmbryofragError
from embryofrag.grading.conformal import Conformal
from embryofrag.network.seeded import module_weights, seeded_network
from embryofrag.phantom.dataset import write_frames
from embryofrag.training.evaluate import METRICS_FILE, PREDICTIONS_FILE, SPLIT_FILE, evaluate_model, predict_rows
from embryofrag.training.labelled import read_labelled
from embryofrag.training.manifest import read_manifest
from embryofrag.training.predictions import (
    PREDICTION_COLUMNS,
    Prediction,
    calibration_groups,
    calibration_ratios,
    make_prediction,
)
from embryofrag.training.row import Row
from embryofrag.training.scores import evaluate_predictions, measure_predictions
from embryofrag.training.split import split_rows, write_split

CALIBRATION = Conformal(alpha=0.1, floor=1.0, quantile=1.0, residuals=(0.0,), num_frames=9)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    return write_frames(tmp_path_factory.mktemp("frames") / "drawn", 14, 3, ("embryoscope",))


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory) -> Path:
    frames = draw_discs(TINY.input_px, 2)
    weights = module_weights(seeded_network(TINY, 0, frames))
    header = ModelHeader(
        name="tiny",
        trained=False,
        network=TINY.to_dict(),
        calibration=CALIBRATION.to_dict(),
    )
    return write_model(tmp_path_factory.mktemp("model") / "tiny", header, {"a": weights, "b": weights}, frames).path


@pytest.fixture(scope="module")
def evaluated(manifest, model_dir, tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluated") / "out"
    told = []
    evaluation = evaluate_model(
        manifest, choose_engine(model_dir, "eager"), out, scheme=SCHEME, on_frame=lambda *done: told.append(done)
    )
    return out, evaluation, told


def test_a_perfect_model_scores_perfectly():
    predictions = [
        changed(one, ratio_reg=one.ratio_true, ratio_mask=one.ratio_true, fragment_px=(50,) * 3, embryo_px=(950,) * 3)
        for one in drawn_predictions()
    ]
    scores = measure_predictions(predictions, SCHEME)
    assert {scores[f"{name}_mae"] for name in ("ratio_reg", "ratio_mask")} == {0}
    for ending in ("ratio_reg_icc", "ratio_reg_grade_exact", "ratio_mask_grade_kappa", "fragment_dice_pooled"):
        assert scores[ending] == pytest.approx(1), ending


def test_estimates_lie_inside_their_intervals_and_equal_the_plain_scores():
    predictions = drawn_predictions()
    evaluation = evaluate_predictions(predictions, SCHEME, num_resamples=200)
    plain = measure_predictions(predictions, SCHEME)
    assert {name: one.value for name, one in evaluation.overall.estimates.items()} == pytest.approx(plain)
    for name in ("ratio_reg_mae", "ratio_reg_icc", "ratio_mask_grade_kappa"):
        estimate = evaluation.overall.estimates[name]
        assert estimate.low < estimate.value < estimate.high


def test_grades_and_stages_share_out_the_frames():
    predictions = drawn_predictions()
    evaluation = evaluate_predictions(predictions, SCHEME, num_resamples=0)
    assert sum(scores.num_frames for scores in evaluation.per_grade.values()) == len(predictions)
    assert {stage: scores.num_frames for stage, scores in evaluation.per_stage.items()} == {"T2": 60, "T4": 60}
    assert tuple(evaluation.per_grade) == tuple(grade for grade in SCHEME.grades if grade in evaluation.per_grade)
    errors = [abs(one.ratio_reg - one.ratio_true) for one in predictions if one.grade_true == "B"]
    assert evaluation.per_grade["B"].estimates["ratio_reg_mae"].value == pytest.approx(np.mean(errors))
    assert "ratio_reg_icc" not in evaluation.per_grade["B"].estimates
    assert evaluation.confusion["ratio_reg"].sum() == len(predictions)


def test_a_grade_only_frame_counts_for_grades_alone():
    predictions = drawn_predictions(30)
    only_grade = changed(
        predictions[0], ratio_true=None, grade_true="D", ratio_reg=0.05, fragment_px=None, embryo_px=None
    )
    evaluation = evaluate_predictions([*predictions, only_grade], SCHEME, num_resamples=0)
    before = evaluate_predictions(predictions, SCHEME, num_resamples=0)
    assert (evaluation.num_with_ratio, evaluation.num_with_masks, evaluation.num_with_grade) == (30, 30, 31)
    assert evaluation.overall.estimates["ratio_reg_mae"] == before.overall.estimates["ratio_reg_mae"]
    assert evaluation.confusion["ratio_reg"][3, 0] == before.confusion["ratio_reg"][3, 0] + 1


def test_a_model_without_masks_has_no_scores_of_masks():
    predictions = [
        changed(one, ratio_mask=None, finds_embryo=None, fragment_px=None, embryo_px=None)
        for one in drawn_predictions(30)
    ]
    scores = measure_predictions(predictions, SCHEME)
    assert "ratio_reg_mae" in scores
    assert not [name for name in scores if name.startswith(("ratio_mask", "fragment", "embryo"))]


def test_frames_in_which_no_embryo_is_found_are_counted():
    predictions = drawn_predictions(30)
    predictions[3] = changed(predictions[3], ratio_mask=None, finds_embryo=False, embryo_px=(0, 0, 950))
    assert evaluate_predictions(predictions, SCHEME, num_resamples=0).num_without_embryo == 1


def test_metrics_are_valid_json_even_without_intervals():
    document = evaluate_predictions(drawn_predictions(6), SCHEME).to_dict()  # one patient: no interval
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["overall"]["scores"]["ratio_reg_mae"]["low"] is None


def test_a_prediction_measures_masks_and_keeps_labels():
    truth = (np.zeros((10, 10), bool), np.zeros((10, 10), bool))
    truth[0][:2], truth[1][:8] = True, True
    predicted = (truth[0] & (np.arange(10) < 5), truth[1])
    row = Row(line=2, image=Path("/data/a.png"), name="a.png", ratio=0.25, patient="P1", stage="T2")
    prediction = make_prediction(row, SCHEME, truth=truth, predicted=predicted, ratio_reg=0.3)
    assert prediction == Prediction(
        image="a.png",
        group="patient P1",
        stage="T2",
        ratio_true=0.25,
        grade_true="C",
        ratio_reg=0.3,
        ratio_mask=0.125,
        finds_embryo=True,
        fragment_px=(10, 10, 20),
        embryo_px=(80, 80, 80),
    )


def test_a_stated_grade_comes_before_that_of_the_ratio():
    row = Row(line=2, image=Path("a.png"), ratio=0.25, grade="B")
    prediction = make_prediction(row, SCHEME, truth=None, predicted=None, ratio_reg=0.3)
    assert (prediction.grade_true, prediction.finds_embryo, prediction.fragment_px) == ("B", None, None)


def test_calibration_uses_frames_with_all_three_ratios():
    predictions = drawn_predictions(5)
    predictions[1] = changed(predictions[1], ratio_mask=None)
    predictions[2] = changed(predictions[2], ratio_true=None)
    ratio_reg, ratio_mask, truth = calibration_ratios(predictions)
    assert truth.tolist() == [predictions[i].ratio_true for i in (0, 3, 4)]
    assert calibration_groups(predictions) == [predictions[i].group for i in (0, 3, 4)]
    assert ratio_reg.shape == ratio_mask.shape == (3,)
    assert calibration_ratios([])[0].shape == (0,)


def test_a_model_is_scored_on_every_row(evaluated, manifest):
    out, evaluation, told = evaluated
    rows = read_manifest(manifest, SCHEME)
    with (out / PREDICTIONS_FILE).open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert tuple(lines[0]) == PREDICTION_COLUMNS
    assert [line["image"] for line in lines] == [row.name for row in rows]
    assert [float(line["ratio_true"]) for line in lines] == pytest.approx([row.ratio for row in rows])
    assert evaluation.overall.num_frames == len(rows)
    assert told[-1] == (len(rows), len(rows))
    error = np.mean([abs(float(line["ratio_reg"]) - float(line["ratio_true"])) for line in lines])
    assert evaluation.overall.estimates["ratio_reg_mae"].value == pytest.approx(error, abs=1e-5)


def test_masks_are_compared_in_the_pixels_of_the_frame(evaluated, manifest):
    out, _, _ = evaluated
    with (out / PREDICTIONS_FILE).open(newline="") as file:
        line = next(csv.DictReader(file))
    frame = read_labelled(read_manifest(manifest, SCHEME)[0])
    assert frame.image.shape[0] > TINY.input_px
    assert int(line["embryo_true_px"]) == frame.embryo.sum()
    assert int(line["fragment_true_px"]) == frame.fragment.sum()


def test_metrics_name_model_engines_and_intervals(evaluated):
    out, evaluation, _ = evaluated
    document = json.loads((out / METRICS_FILE).read_text())
    assert document["model"].startswith("UNTRAINED tiny@")
    assert document["engine_a"].startswith("eager-fp32:")
    assert document["overall"] == evaluation.overall.to_dict()
    assert document["intervals"]["coverage"] == 1  # the calibration reaches 1 to either side
    assert sorted(path.name for path in out.glob("*.png")) == [
        "bland_altman.png",
        "confusion.png",
        "per_grade.png",
        "scatter.png",
    ]


def test_a_part_of_the_split_is_scored_alone(manifest, tmp_path):
    model = write_tiny_model(tmp_path / "model")
    split = split_rows(read_manifest(manifest, SCHEME), 0, 0.3, 0.3)
    write_split(model.path / SPLIT_FILE, split)
    choice = choose_engine(model.path, "eager")
    evaluation = evaluate_model(manifest, choice, tmp_path / "out", scheme=SCHEME, split_part="test")
    assert 0 < evaluation.overall.num_frames == len(split.test) < 14
    assert json.loads((tmp_path / "out" / METRICS_FILE).read_text())["intervals"] is None


def test_an_output_that_holds_something_is_refused(manifest, model_dir, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(EmbryofragError, match="name a new one"):
        evaluate_model(manifest, choose_engine(model_dir, "eager"), tmp_path, scheme=SCHEME)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_unknown_part_is_refused(manifest, model_dir, tmp_path):
    with pytest.raises(EmbryofragError, match="train, val, test"):
        evaluate_model(
            manifest, choose_engine(model_dir, "eager"), tmp_path / "out", scheme=SCHEME, split_part="holdout"
        )


class BrightnessEngines:
    """Engines of a model that looks twice; the locator finds an embryo in bright frames alone."""

    def __init__(self, choice):
        self.choice = replace(choice, crop=Crop(locator={"input_px": 32}, diameter_share=0.7))

    def locate(self, images_NLLC):
        seen = (images_NLLC[..., 0] > 100).astype(np.float32)
        return seen * (images_NLLC.mean(axis=(1, 2, 3)) > 45)[:, None, None]

    def masks(self, images_NSSC):
        grey = images_NSSC[..., 0]
        return np.stack([grey > 190, grey > 100], axis=1).astype(np.float32)

    def ratios(self, images_NSSC):
        return np.full(len(images_NSSC), 0.25, np.float32)

    def masks_and_ratios(self, images_NSSC):
        return self.masks(images_NSSC), self.ratios(images_NSSC)


def write_discs(folder: Path, grounds: list[int]) -> list[Row]:
    """Labelled frames of 200 px with a disc, a quarter of which is fragments, on a ground of another grey each."""
    rows = []
    for number, ground in enumerate(grounds):
        frame, masks = np.full((200, 200), ground, np.uint8), {}
        for name, radius_px, grey in (("embryo", 40, 160), ("fragment", 20, 220)):
            cv2.circle(frame, (60 + 10 * number, 80), radius_px, grey, cv2.FILLED)
            masks[name] = folder / f"{number}_{name}.png"
        cv2.imwrite(str(folder / f"{number}.png"), frame)
        for name, level in (("embryo", 150), ("fragment", 200)):
            cv2.imwrite(str(masks[name]), (frame > level).astype(np.uint8) * 255)
        rows.append(f"{number}.png,{masks['fragment'].name},{masks['embryo'].name},p{number}")
    manifest = folder / "manifest.csv"
    manifest.write_text("\n".join(["image,fragment_mask,embryo_mask,patient", *rows]) + "\n")
    return list(read_manifest(manifest, SCHEME))


def test_a_model_that_looks_twice_is_scored_in_the_frames_own_pixels(model_dir, tmp_path):
    """Also where the locator finds nothing: no mask, no ratio, and the frames around it keep theirs."""
    rows = write_discs(tmp_path, [40, 40, 10, 40, 10, 40])
    predictions = list(predict_rows(rows, BrightnessEngines(choose_engine(model_dir, "eager")), SCHEME))
    assert [one.finds_embryo for one in predictions] == [True, True, False, True, False, True]
    for one in predictions:
        common_px, predicted_px, true_px = one.embryo_px
        if one.finds_embryo:
            assert 2 * common_px / (predicted_px + true_px) > 0.97
            assert (one.ratio_reg, one.ratio_mask) == (0.25, pytest.approx(0.25, abs=0.02))
        else:
            assert (common_px, predicted_px, one.ratio_reg, one.ratio_mask) == (0, 0, None, None)
    scores = measure_predictions(predictions, SCHEME)
    assert scores["ratio_reg_mae"] == pytest.approx(0, abs=0.02)
