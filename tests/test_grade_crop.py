"""`grade` with a model that looks twice, as a whole run."""

import json

import pytest
from conftest import contents, run_grade
from tiny_model import write_tiny_model_with_locator

from embryofrag.engine.build import build_engines
from embryofrag.engine.select import choose_engine
from embryofrag.grading.frame import GradingSettings
from embryofrag.run.settings import RunSettings, result_key


@pytest.fixture(scope="module")
def located_dir(tmp_path_factory):
    """A tiny model with a locator and its fp32 engine; not to be changed."""
    folder = tmp_path_factory.mktemp("models") / "located"
    write_tiny_model_with_locator(folder)
    build_engines(folder, precision="fp32")
    return folder


def record(out):
    return json.loads((out / "run.json").read_text())


def test_run_looks_twice_and_batch_and_threads_change_nothing(drawn_export, located_dir, tmp_path):
    one = run_grade(drawn_export, tmp_path / "one", located_dir)
    assert one.returncode == 0, one.stderr
    assert "; looks at the located embryo" in one.stderr
    run_grade(drawn_export, tmp_path / "two", located_dir, "--batch-size", "3", "--threads", "1")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    engines = record(tmp_path / "one")["engines"]
    assert (engines["looks_at"], engines["engine_locator"][:14]) == ("embryo", "openvino-fp32:")


def test_whole_frames_for_comparison_are_another_result(drawn_export, located_dir, tmp_path):
    run_grade(drawn_export, tmp_path / "out", located_dir, "--crop", "embryo")
    whole = run_grade(drawn_export, tmp_path / "out", located_dir, "--crop", "frame")
    assert whole.returncode == 0, whole.stderr
    assert "; looks at whole frames, unlike in training" in whole.stderr
    document = record(tmp_path / "out")
    assert (document["engines"]["looks_at"], document["engines"]["engine_locator"]) == ("frame", None)
    assert document["frames_read"] == document["counts"]["graded"] == 18
    again = run_grade(drawn_export, tmp_path / "out", located_dir, "--crop", "frame")
    assert "nothing to do" in again.stdout


def test_choice_of_the_crop_decides_the_result_key(located_dir):
    settings = RunSettings(grading=GradingSettings())
    auto, embryo, frame = (
        result_key(settings, choose_engine(located_dir, crop=crop)) for crop in ("auto", "embryo", "frame")
    )
    assert auto == embryo != frame
