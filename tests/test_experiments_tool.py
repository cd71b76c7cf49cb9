import csv
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

TOOLS = Path(__file__).resolve().parents[1] / "tools"
sys.path.insert(0, str(TOOLS))

import experiments  # noqa: E402
import experiments_data  # noqa: E402
import experiments_table  # noqa: E402

from embryofrag.errors import EmbryofragError  # noqa: E402
from embryofrag.grading.schemes import SCHEMES  # noqa: E402
from embryofrag.training.manifest import read_manifest  # noqa: E402

SCALE, TEST_FRAMES = 0.03, 6
SETTINGS = experiments_table.Settings(
    scale=SCALE,
    test_frames=TEST_FRAMES,
    input_px=32,
    backbone="resnet18",
    width=0.125,
    epochs=1,
    lr_factor=10.0,
    precise_loss="l1",
)


@pytest.fixture(scope="module")
def frames(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "frames"
    experiments_data.draw_dataset(folder, scale=SCALE, test_frames=TEST_FRAMES)
    return folder


@pytest.fixture
def out(frames, tmp_path) -> Path:
    """A run folder with its frames drawn."""
    (tmp_path / "frames").symlink_to(frames)
    experiments.open_folder(tmp_path, SETTINGS)
    return tmp_path


def result(method: str, seed: int, **figures: float) -> dict:
    return {"method": method, "seed": seed, "dice": None, "mae": None, "mae_masks": None} | figures


def write_results(out: Path, *results: dict) -> None:
    for one in results:
        experiments_table.write_json(out / "results" / f"{one['method']}-{one['seed']}.json", one)


def test_the_data_set_has_the_papers_proportions_and_both_stages(frames):
    rows = read_manifest(frames / "all.csv", SCHEMES["regdeeplab"])
    kinds = [row.kind for row in rows if not row.slide.startswith("test-")]
    assert (kinds.count("paired"), kinds.count("grade_only")) == (round(318 * SCALE), round(1549 * SCALE))
    assert {row.stage for row in rows} == {"T2", "T4"}
    assert all(row.grade for row in rows)
    paired = read_manifest(frames / "paired.csv", SCHEMES["regdeeplab"])
    assert [row.name for row in paired] == [row.name for row in rows if row.kind == "paired"]


def test_pictures_show_the_embryo_large_and_whole(frames):
    with (frames / "paired.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            embryo = cv2.imread(str(frames / row["embryo_mask"]), cv2.IMREAD_GRAYSCALE) > 0
            assert embryo.shape[0] == embryo.shape[1]
            assert 0.2 < embryo.mean() < 0.8
            assert not np.concatenate([embryo[0], embryo[-1], embryo[:, 0], embryo[:, -1]]).any()


def test_a_split_keeps_embryos_together_and_the_test_frames_apart(frames):
    for seed in (0, 1):
        split = experiments_data.split_frames(frames, seed)
        assert [row.slide.startswith("test-") for row in split.test] == [True] * TEST_FRAMES
        groups = [{row.group for row in part} for part in (split.train, split.val, split.test)]
        assert all(groups)
        assert not (groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2])


def test_every_network_sees_as_many_frames(frames):
    split = experiments_data.split_frames(frames, 0)
    num_paired = sum(row.kind == "paired" for row in split.train)
    seen = {}
    for method in ("A", "B", "C", "E", "deeplab", "inception"):
        [phase] = experiments.configure(method, SETTINGS, 0, split).phases
        seen[method] = phase.epochs * (len(split.train) if phase.beta else num_paired)
    assert all(abs(count - len(split.train)) <= num_paired for count in seen.values()), seen


def test_only_the_method_differs_between_experiments(frames):
    split = experiments_data.split_frames(frames, 0)
    networks = {name: experiments.configure(name, SETTINGS, 0, split).network for name in experiments.METHODS}
    assert not networks["E"].injection and not networks["deeplab"].gate
    assert {(one.input_px, one.width, one.backbone) for one in networks.values()} == {(32, 0.125, "resnet18")}
    assert networks["A"] == networks["B"] == networks["C"] == networks["D"] == networks["D+"]


def test_results_are_kept_and_not_made_again(out):
    told = []
    experiments.run_all(("lbp",), 1, SETTINGS, out, told.append)
    assert sorted(path.name for path in (out / "results").iterdir()) == ["constant-0.json", "lbp-0.json"]
    assert not list((out / "runs").iterdir())
    one = json.loads((out / "results" / "lbp-0.json").read_text())
    assert 0 <= one["mae"] <= 1 and one["dice"] is None
    num_told = len(told)
    experiments.run_all(("lbp",), 1, SETTINGS, out, told.append)
    assert len(told) == num_told


@pytest.mark.slow
def test_phase_2_takes_the_weights_of_a_and_reports_both(out):
    experiments.run_all(("D",), 1, SETTINGS, out, lambda text: None)
    results = experiments_table.read_results(out / "results")
    assert set(results) == {"A", "D", "constant"}
    assert results["A"][0]["mae"] is None  # nothing trained its ratio
    assert results["D"][0]["mae"] is not None
    assert set(results["D"][0]["num_epochs"]) == {"D"}
    assert [path.name for path in (out / "weights").iterdir()] == ["A-0.safetensors"]
    text = experiments_table.write_table(out, SETTINGS, 1)
    assert "Phase 2 of D changes the Dice of A from" in text


def test_a_killed_run_goes_on(out, monkeypatch):
    train = experiments.fit_baseline

    def die(*args, **options):
        train(*args, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(experiments, "fit_baseline", die)
    with pytest.raises(KeyboardInterrupt):
        experiments.run_all(("lbp",), 1, SETTINGS, out, lambda text: None)
    assert not (out / "results" / "lbp-0.json").exists()
    monkeypatch.setattr(experiments, "fit_baseline", train)
    experiments.run_all(("lbp",), 1, SETTINGS, out, lambda text: None)
    assert (out / "results" / "lbp-0.json").exists()


def test_a_run_that_fails_is_recorded_and_the_others_go_on(out, monkeypatch):
    def fail(*_args, **_options):
        raise EmbryofragError("the loss is nan")

    monkeypatch.setattr(experiments, "train", fail)
    experiments.run_all(("B", "lbp"), 1, SETTINGS, out, lambda text: None)
    text = experiments_table.write_table(out, SETTINGS, 1)
    assert "- B (seed 0) failed: the loss is nan" in text
    assert "| lbp |" in text


def test_the_table_has_median_and_range_and_says_what_the_data_are(tmp_path):
    write_results(
        tmp_path,
        *(result("A", seed, dice=dice, mae_masks=0.1) for seed, dice in enumerate((0.5, 0.7, 0.6))),
        *(result("C", seed, dice=dice, mae=0.08, mae_masks=0.2) for seed, dice in enumerate((0.6, 0.4, 0.5))),
        *(result("B", seed, mae=0.07) for seed in range(3)),
        result("D", 0, dice=0.4, mae=0.09, mae_masks=0.1, head_is_dead=True),
    )
    text = experiments_table.write_table(tmp_path, SETTINGS, 3)
    assert "The data are phantoms: drawings, not embryos." in text
    assert "cannot be compared with the paper's" in text
    assert "| A | backbone, decoder | L_seg + L_cons | 0.600 (0.500 to 0.700) |  | 0.100 (0.100 to 0.100) | 3 |" in text
    assert "| dual | masks of A, ratio of C |  | 0.600 (0.500 to 0.700) | 0.080 (0.080 to 0.080) |" in text
    assert "its Dice is above that of C in 2 of 3 seeds" in text
    assert "below that of B in 0 of 3, of D in 1 of 1 seeds" in text
    assert "from 0.500 to 0.400" in text
    assert "dead, saying nearly one ratio for all frames, in D (seed 0)" in text
    assert "--scale 0.03" in text and "--seeds 3" in text
    document = json.loads((tmp_path / "table_ii.json").read_text())
    assert document["data"] == "phantoms"
    assert document["table"]["C"]["dice"] == {"median": 0.5, "min": 0.4, "max": 0.6}


def test_the_constant_is_the_median_of_the_training_ratios(frames):
    split = experiments_data.split_frames(frames, 0)
    guess = np.median([row.ratio for row in split.train if row.kind == "paired"])
    errors = [abs(row.ratio - guess) for row in split.test]
    assert experiments.score_constant(0, split)["mae"] == pytest.approx(sum(errors) / TEST_FRAMES)


def test_other_settings_and_unknown_methods_are_refused(out):
    def call(*options: str):
        return CliRunner().invoke(experiments.main, ["--out", str(out), *options])

    other = call("--scale", "0.5")
    assert other.exit_code == 2
    assert "was begun with another scale" in other.output
    unknown = call("--only", "A,F")
    assert unknown.exit_code == 2
    assert "F: choose from A, B, C, D, D+, E, decoupled, deeplab, inception, lbp, glcm" in unknown.output
