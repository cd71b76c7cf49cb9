import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from training_runs import TINY, draw_data_set, read_split, tiny_config

from embryofrag.errors import UsageError
from embryofrag.grading.schemes import SCHEMES
from embryofrag.network.config import NetworkConfig
from embryofrag.training.baselines import BASELINES, fit_baseline
from embryofrag.training.baselines.glcm import embed, measure_cooccurrence
from embryofrag.training.baselines.inception import InceptionLearner, InceptionRegressor
from embryofrag.training.baselines.lbp import measure_patterns
from embryofrag.training.baselines.texture import fit_texture, mean_ratios
from embryofrag.training.config import TrainConfig, change_phases
from embryofrag.training.dataset import grade_interval
from embryofrag.training.distributed import Ranks
from embryofrag.training.predictions import PREDICTION_COLUMNS
from embryofrag.training.progress import Reporter
from embryofrag.training.train import Run, train


def small(name: str, **changes: object) -> TrainConfig:
    """A baseline at a size that is fitted in a second (InceptionV3: in some)."""
    config = BASELINES[name].config
    network = replace(TINY, gate=config.network.gate, injection=config.network.injection)
    if name == "inception":
        network = replace(network, input_px=80)
    config = replace(config, network=network, batch_size=4, num_workers=0, precision="fp32", init="random", **changes)
    return change_phases(config, epochs=2)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    return draw_data_set(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def fitted(manifest, tmp_path_factory) -> dict[str, Path]:
    """The folders of the baselines that are quick."""
    root = tmp_path_factory.mktemp("baselines")
    return {name: fit_baseline(small(name), manifest, root / name, quiet=True) for name in ("deeplab", "lbp", "glcm")}


@pytest.fixture
def split_file(fitted) -> Path:
    return fitted["lbp"] / "split.csv"


def read_predictions(folder: Path) -> list[dict[str, str]]:
    with (folder / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def read_scores(folder: Path) -> dict[str, float]:
    scores = json.loads((folder / "metrics.json").read_text())["overall"]["scores"]
    return {name: estimate["value"] for name, estimate in scores.items()}


def test_every_baseline_and_the_experiments_score_the_same_frames(fitted, manifest, tmp_path):
    experiment = train(tiny_config("B", epochs=1), manifest, tmp_path / "B", quiet=True)
    expected = [(row["image"], row["group"], row["ratio_true"]) for row in read_predictions(experiment)]
    assert len(expected) > 1
    for name, folder in fitted.items():
        rows = read_predictions(folder)
        assert tuple(rows[0]) == PREDICTION_COLUMNS
        assert [(row["image"], row["group"], row["ratio_true"]) for row in rows] == expected, name
        document = json.loads((folder / "metrics.json").read_text())
        assert (document["model"], document["part"]) == (f"baseline {name}", "test")


def test_deeplab_grades_by_its_masks_alone(fitted):
    scores = read_scores(fitted["deeplab"])
    assert {"fragment_dice_per_image", "embryo_iou_pooled"} <= set(scores)
    assert not [name for name in scores if name.startswith("ratio_reg")]
    weights = load_file(fitted["deeplab"] / "training" / "deeplab" / "weights.safetensors")
    assert not [name for name in weights if name.startswith(("decoder.gate", "decoder.injection"))]


def test_textures_give_a_ratio_alone(fitted):
    for name in ("lbp", "glcm"):
        scores = read_scores(fitted[name])
        assert "ratio_reg_mae" in scores
        assert not [score for score in scores if score.startswith(("ratio_mask", "fragment", "embryo"))]
        assert all(0 <= float(row["ratio_reg"]) <= 1 for row in read_predictions(fitted[name]))


def test_the_perceptron_learns_what_the_features_show(manifest, tmp_path):
    config = BASELINES["lbp"].config
    _, split = read_split(manifest, config)
    seen_before = replace(split, test=tuple(row for row in split.train if row.kind == "paired"))
    run = Run(config=config, split=seen_before, out=tmp_path, dtype=torch.float32, ranks=Ranks(), reporter=Reporter())
    predictions = fit_texture(run, lambda grey: np.array([grey.mean(), grey.std()]))  # fragments are brighter
    truth = np.array([one.ratio_true for one in predictions])
    errors = np.array([one.ratio_reg for one in predictions]) - truth
    assert np.abs(errors).mean() < 0.5 * np.abs(truth - np.median(truth)).mean()


def test_cooccurrence_draws_its_figure(fitted):
    assert (fitted["glcm"] / "tsne.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_seed_gives_the_same_predictions(fitted, manifest, split_file, tmp_path):
    again = fit_baseline(small("lbp"), manifest, tmp_path / "lbp", split_file=split_file, quiet=True)
    assert (again / "predictions.csv").read_bytes() == (fitted["lbp"] / "predictions.csv").read_bytes()


def test_a_finished_baseline_is_left_alone(fitted, manifest):
    path = fitted["deeplab"] / "metrics.json"
    before = path.stat().st_mtime_ns
    fit_baseline(small("deeplab"), manifest, fitted["deeplab"], resume=True, quiet=True)
    assert path.stat().st_mtime_ns == before


def test_a_killed_baseline_goes_on_from_its_weights(fitted, manifest):
    expected = (fitted["deeplab"] / "predictions.csv").read_bytes()
    for name in ("metrics.json", "predictions.csv"):
        (fitted["deeplab"] / name).unlink()
    weights = fitted["deeplab"] / "training" / "deeplab" / "weights.safetensors"
    before = weights.stat().st_mtime_ns
    fit_baseline(small("deeplab"), manifest, fitted["deeplab"], resume=True, quiet=True)
    assert (fitted["deeplab"] / "predictions.csv").read_bytes() == expected
    assert weights.stat().st_mtime_ns == before


@pytest.mark.parametrize(("change", "reason"), [({"input_px": 64}, "at least 75 px"), ({}, "loads no weights by name")])
def test_inception_says_what_it_cannot_run_with(manifest, tmp_path, change, reason):
    config = small("inception")
    config = replace(config, network=replace(config.network, **change), init="random" if change else "imagenet")
    with pytest.raises(UsageError, match=reason):
        fit_baseline(config, manifest, tmp_path / "out", quiet=True)


def test_a_folder_that_holds_something_is_refused(manifest, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds something"):
        fit_baseline(small("lbp"), manifest, tmp_path, quiet=True)


def test_several_processes_are_refused(manifest, tmp_path, monkeypatch):
    class Joined:
        def __enter__(self):
            return Ranks(world_size=2)

        def __exit__(self, *_):
            return None

    monkeypatch.setattr("embryofrag.training.baselines.join_ranks", Joined)
    with pytest.raises(UsageError, match="without torchrun"):
        fit_baseline(small("lbp"), manifest, tmp_path / "out", quiet=True)


@pytest.mark.slow
def test_inception_learns_resumes_and_takes_a_file(manifest, split_file, tmp_path):
    config = small("inception")
    out = fit_baseline(config, manifest, tmp_path / "out", split_file=split_file, quiet=True)
    scores = read_scores(out)
    assert "ratio_reg_mae" in scores
    assert "fragment_dice_pooled" not in scores
    assert len(json.loads((out / "training" / "run.json").read_text())["config"]["phases"]) == 1

    (out / "metrics.json").unlink()
    expected = (out / "predictions.csv").read_bytes()
    fit_baseline(config, manifest, out, resume=True, quiet=True)
    assert (out / "predictions.csv").read_bytes() == expected

    weights = load_file(out / "training" / "inception" / "weights.safetensors")
    trunk = {name.removeprefix("backbone."): value for name, value in weights.items() if name.startswith("backbone.")}
    extra = {"fc.weight": torch.zeros(1000, 2048), "AuxLogits.fc.bias": torch.zeros(1000)}
    save_file(trunk | extra, tmp_path / "inception.safetensors")
    config = replace(change_phases(config, epochs=1), init=str(tmp_path / "inception.safetensors"))
    fit_baseline(config, manifest, tmp_path / "file", split_file=split_file, quiet=True)
    assert "ratio_reg_mae" in read_scores(tmp_path / "file")


@pytest.mark.slow
def test_inception_has_no_auxiliary_head_and_no_dropout():
    network = InceptionRegressor(NetworkConfig(input_px=80))
    assert network.backbone.AuxLogits is None
    assert not [module for module in network.modules() if isinstance(module, torch.nn.Dropout) and module.p]
    learner = InceptionLearner(network.train(), torch.float32)
    images_NHWC = torch.randint(0, 255, (2, 80, 80, 3), dtype=torch.uint8)
    first, again = learner.ratio_logit(images_NHWC), learner.ratio_logit(images_NHWC)
    assert first.shape == (2,)
    assert torch.equal(first, again)


def test_without_ratios_a_grade_counts_for_something_inside_its_interval():
    scheme = SCHEMES["istanbul-2011"]
    for grade, ratio in mean_ratios((), scheme).items():
        low, high = grade_interval(grade, scheme)
        assert low < ratio < high


@pytest.mark.parametrize("measure", [measure_patterns, measure_cooccurrence])
def test_textures_hardly_change_under_quarter_turns(measure):
    grey = np.random.default_rng(0).integers(0, 255, (40, 40)).astype(np.uint8)
    features, turned = measure(grey), measure(np.rot90(grey).copy())
    assert np.isfinite(features).all()
    assert np.allclose(features, turned, atol=0.02 * np.abs(features).max())


def test_tsne_parts_two_kinds_of_texture():
    rng = np.random.default_rng(0)
    features_NF = np.concatenate([rng.normal(0, 0.1, (12, 5)), rng.normal(3, 0.1, (12, 5))])
    places_N2 = embed(features_NF, seed=0)
    centres = places_N2[:12].mean(axis=0), places_N2[12:].mean(axis=0)
    own = np.linalg.norm(places_N2[:12] - centres[0], axis=1)
    other = np.linalg.norm(places_N2[:12] - centres[1], axis=1)
    assert (own < other).all()
