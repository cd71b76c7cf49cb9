"""train and evaluate from the command line, on a handful of drawn frames."""

import pytest
from click.testing import CliRunner

from embryofrag.cli import main
from embryofrag.phantom import write_frames

SMALL = ("--backbone", "resnet18", "--width", "0.125", "--input-px", "32", "--init", "random", "--epochs", "1")


def call(*arguments: object):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_frames(tmp_path_factory.mktemp("labels") / "frames", 24, 3, ["embryoscope"])


def test_check_lists_every_bad_row(manifest, tmp_path):
    good = call("train", manifest, "--check")
    assert (good.exit_code, "every row can be used" in good.output) == (0, True)
    lines = manifest.read_text().splitlines()
    bad = manifest.with_name("bad.csv")
    bad.write_text(
        "\n".join([lines[0], lines[1].replace(".png", ".gone", 1), lines[2], lines[3].replace(".png", "x", 1)])
    )
    checked = call("train", bad, "--check")
    assert checked.exit_code == 1
    assert "line 2: " in checked.output
    assert "line 4: " in checked.output
    assert "2 bad rows" in checked.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--experiment", "Z"), "--experiment is one of A, B, C"),
        (("--baseline", "guess"), "--baseline is one of deeplab"),
        (("--backbone", "vgg"), "backbone must be one of"),
        (("--lr", "5"), "lr must be above 0"),
        ((), "give --out DIR"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_sentence(manifest, arguments, words):
    result = call("train", manifest, *arguments)
    assert (result.exit_code, words in result.output) == (2, True), result.output


@pytest.mark.slow
def test_a_trained_folder_is_built_graded_with_and_evaluated(manifest, drawn_export, tmp_path):
    model = tmp_path / "model"
    trained = call("train", manifest, "--out", model, "--experiment", "C", *SMALL)
    assert trained.exit_code == 0, trained.output
    assert "fragment_dice_pooled" in trained.output
    assert call("train", manifest, "--out", model, *SMALL).exit_code == 2
    assert "built openvino-" in trained.output
    graded = call("grade", drawn_export, "--out", tmp_path / "out", "--model", model, "--no-masks")
    assert graded.exit_code == 0, graded.output
    assert "UNTRAINED" not in graded.output
    scored = call("evaluate", manifest, "--model", model, "--out", tmp_path / "scores", "--part", "test")
    assert scored.exit_code == 0, scored.output
    assert (tmp_path / "scores" / "metrics.json").is_file()


@pytest.mark.slow
def test_a_baseline_is_scored_the_same_way(manifest, tmp_path):
    result = call("train", manifest, "--out", tmp_path / "lbp", "--baseline", "lbp", "--input-px", "32")
    assert result.exit_code == 0, result.output
    assert "ratio_reg_mae" in result.output
