import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from training_runs import draw_data_set, tiny_config

from embryofrag.engine.build import build_engines
from embryofrag.engine.eager import share_backbone
from embryofrag.engine.model import read_model, read_probe
from embryofrag.engine.select import choose_engine, list_engines, load_pair
from embryofrag.errors import EmbryofragError, UsageError
from embryofrag.training.delivery import name_init
from embryofrag.training.experiments import only_last_phase
from embryofrag.training.train import train


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    return draw_data_set(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def dual(manifest, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("dual") / "model"
    return train(tiny_config("dual", epochs=2), manifest, out, quiet=True)


@pytest.fixture(scope="module")
def two_stage(manifest, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("two_stage") / "model"
    return train(tiny_config("D+", epochs=2), manifest, out, quiet=True)


def same_weights(first: Path, second: Path, below: str = "") -> bool:
    ours, theirs = load_file(first), load_file(second)
    names = [name for name in ours if name.startswith(below)]
    return bool(names) and all(torch.equal(ours[name], theirs[name]) for name in names)


def test_the_model_folder_is_complete(dual):
    names = {path.name for path in dual.iterdir()}
    assert names >= {"model.json", "module_a.safetensors", "module_b.safetensors", "probe.npz", "split.csv"}
    assert names >= {"metrics.json", "predictions.csv", "MODEL_CARD.md", "curves_A.png", "curves_C.png", "scatter.png"}
    model = read_model(dual)
    assert model.trained and model.name == "resnet18-dual"
    assert model.provenance["recipe"] == tiny_config("dual", epochs=2).to_dict()
    assert read_probe(model).shape[1:] == (32, 32, 3)
    assert "Research use only" in (dual / "MODEL_CARD.md").read_text()


def test_dual_takes_module_a_from_a_and_module_b_from_c(dual):
    assert same_weights(dual / "module_a.safetensors", dual / "training" / "A" / "weights.safetensors")
    assert same_weights(dual / "module_b.safetensors", dual / "training" / "C" / "weights.safetensors")
    assert not same_weights(dual / "module_a.safetensors", dual / "module_b.safetensors")


def test_engines_are_built_from_the_folder_and_graded_with(dual):
    report = build_engines(dual, precision="fp32")
    assert report.parity.passed
    pair = load_pair(choose_engine(dual))
    assert np.isfinite(pair.ratios(read_probe(read_model(dual)))).all()
    pair.close()


def test_phase_two_keeps_the_backbone_and_tells_dice_before_and_after(two_stage):
    first, second = (two_stage / "training" / name / "weights.safetensors" for name in ("A", "D+"))
    assert same_weights(first, second, "backbone.") and same_weights(first, second, "decoder.aspp.")
    assert not same_weights(first, second, "head.")
    metrics = json.loads((two_stage / "metrics.json").read_text())
    masks = metrics["masks_of_phase_2"]["D+"]
    assert masks["before"].keys() == masks["after"].keys() == {"fragment", "embryo"}
    assert metrics["phases"]["A"]["num_epochs"] == 2 and metrics["part"] == "test"
    assert not list((two_stage / "training").rglob("*.maps"))


def test_phase_two_alone_from_the_weights_of_phase_one_is_the_same(two_stage, manifest, tmp_path):
    weights = two_stage / "training" / "A" / "weights.safetensors"
    config = only_last_phase(tiny_config("D+", epochs=2), str(weights))
    out = train(config, manifest, tmp_path / "model", quiet=True)
    assert same_weights(out / "module_b.safetensors", two_stage / "module_b.safetensors")
    assert read_model(out).trained


@pytest.mark.parametrize(("experiment", "untrained"), [("A", ["b"]), ("B", ["a"])])
def test_half_a_model_is_called_untrained(manifest, tmp_path, experiment, untrained):
    out = train(tiny_config(experiment, epochs=1), manifest, tmp_path / "model", quiet=True)
    model = read_model(out)
    assert not model.trained and model.provenance["untrained_modules"] == untrained


def test_a_folder_that_holds_something_is_left_alone(manifest, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="--resume"):
        train(tiny_config("B"), manifest, tmp_path, quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_resume_needs_a_run_of_the_same_configuration_and_manifest(manifest, two_stage, tmp_path):
    with pytest.raises(UsageError, match="no run to resume"):
        train(tiny_config("B"), manifest, tmp_path / "new", resume=True, quiet=True)
    half = tmp_path / "half"
    (half / "training").mkdir(parents=True)
    (half / "training" / "run.json").write_bytes((two_stage / "training" / "run.json").read_bytes())
    with pytest.raises(EmbryofragError, match="another seed, the manifest"):
        other = draw_data_set(tmp_path)
        other.write_text(other.read_text().replace(",B,", ",A,"))
        train(tiny_config("D+", epochs=2, seed=5), other, half, resume=True, quiet=True)


def test_a_finished_run_is_left_as_it_is(dual, manifest):
    before = {path: path.stat().st_mtime_ns for path in dual.rglob("*")}
    train(tiny_config("dual", epochs=2), manifest, dual, resume=True, quiet=True)
    assert {path: path.stat().st_mtime_ns for path in dual.rglob("*")} == before


def test_a_split_can_be_given_and_a_patient_in_two_parts_is_refused(dual, manifest, tmp_path):
    split = dual / "split.csv"
    out = train(tiny_config("B", epochs=1, seed=9), manifest, tmp_path / "model", split_file=split, quiet=True)
    assert (out / "split.csv").read_text() == split.read_text()
    twice = tmp_path / "twice.csv"
    first = split.read_text().splitlines()[1]
    twice.write_text(
        split.read_text() + first.rsplit(",", 1)[0] + (",val\n" if first.endswith("train") else ",train\n")
    )
    with pytest.raises(EmbryofragError, match="keep one of the two lines"):
        train(tiny_config("B"), manifest, tmp_path / "other", split_file=twice, quiet=True)


def test_a_split_without_validation_is_refused(manifest, tmp_path):
    split = tmp_path / "split.csv"
    groups = [f"image {line.split(',')[0]}" for line in manifest.read_text().splitlines()[1:]]
    split.write_text("group,part\n" + "".join(f"{group},train\n" for group in groups))
    with pytest.raises(EmbryofragError, match="0 validation frames"):
        train(tiny_config("B"), manifest, tmp_path / "model", split_file=split, quiet=True)


def test_a_head_starts_at_the_mean_ratio_of_its_rows(manifest, tmp_path):
    config = replace(tiny_config("A", epochs=1), test_frac=0.0)
    out = train(config, manifest, tmp_path / "model", quiet=True)
    bias = load_file(out / "module_b.safetensors")["head.to_logit.bias"]
    assert 0.02 < torch.sigmoid(bias).item() < 0.25
    assert json.loads((out / "metrics.json").read_text())["part"] == "val"


def test_a_model_names_its_start_weights_and_not_where_they_lay(tmp_path):
    weights = tmp_path / "secret" / "start.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"x")
    assert name_init(str(weights)) == f"start.safetensors@{hashlib.sha256(b'x').hexdigest()[:8]}"
    assert name_init("imagenet") == "imagenet"


def test_the_decoupled_pair_keeps_the_masks_of_a_and_shares_its_backbone(manifest, tmp_path):
    model = read_model(train(tiny_config("decoupled", epochs=1), manifest, tmp_path / "model", quiet=True))
    phase_1 = model.path / "training" / "A" / "weights.safetensors"
    assert same_weights(model.path / "module_a.safetensors", phase_1)
    assert not same_weights(model.path / "module_b.safetensors", phase_1, below="head.")
    assert share_backbone(model)
    build_engines(model.path, precision="fp32", pair="decoupled")
    assert list_engines(model.path)[0].in_one_pass
