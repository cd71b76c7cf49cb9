"""`grade` with a model that looks twice, as a whole run."""

import json
import subprocess
from dataclasses import replace

import pandas as pd
import pytest
from conftest import EMBRYOFRAG, contents, run_grade
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


@pytest.fixture(scope="module")
def scoped_dir(tmp_path_factory):
    """Another with a scope module that takes every frame, at about 0.12, to be out of scope; not to be changed."""
    folder = tmp_path_factory.mktemp("models") / "scoped"
    write_tiny_model_with_locator(folder, scope_threshold=0.5)
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


def test_views_are_averaged_and_are_another_result(drawn_export, located_dir, tmp_path):
    run_grade(drawn_export, tmp_path / "out", located_dir)
    seen_once = contents(tmp_path / "out")
    turned = run_grade(drawn_export, tmp_path / "out", located_dir, "--views", "4")
    assert turned.returncode == 0, turned.stderr
    assert "; looks at the located embryo, 4 views of each" in turned.stderr
    assert record(tmp_path / "out")["engines"]["views"] == 4
    assert contents(tmp_path / "out")["embryos.csv"] != seen_once["embryos.csv"]
    run_grade(drawn_export, tmp_path / "other", located_dir, "--views", "4", "--batch-size", "3", "--threads", "1")
    assert contents(tmp_path / "out") == contents(tmp_path / "other")


def test_choice_of_the_crop_decides_the_result_key(located_dir):
    settings = RunSettings(grading=GradingSettings())
    auto, embryo, frame = (
        result_key(settings, choose_engine(located_dir, crop=crop)) for crop in ("auto", "embryo", "frame")
    )
    assert auto == embryo != frame


def test_frames_out_of_scope_are_graded_and_referred(drawn_export, scoped_dir, tmp_path):
    out = tmp_path / "out"
    run = run_grade(drawn_export, out, scoped_dir)
    assert run.returncode == 0, run.stderr
    assert record(out)["engines"]["engine_scope"][:14] == "openvino-fp32:"
    frames = pd.concat(pd.read_csv(path) for path in sorted((out / "embryos").glob("*.csv")))
    graded = frames[frames["outcome"] == "graded"]
    assert len(graded) and graded["in_scope"].between(0.05, 0.3).all() and graded["referred"].all()
    assert graded["refer_reasons"].str.split().str[0].eq("out_of_scope").all()
    embryos = pd.read_csv(out / "embryos.csv")
    assert embryos[embryos["num_graded"] > 0]["refer_reasons"].str.contains("frames_referred").all()
    report = subprocess.run([*EMBRYOFRAG, "report", str(out)], capture_output=True, text=True, check=False)
    assert report.returncode == 0, report.stderr


def test_scope_decides_the_result_key(scoped_dir):
    choice = choose_engine(scoped_dir)
    keys = {
        result_key(
            RunSettings(grading=GradingSettings(scope_threshold=threshold)), replace(choice, engine_scope_id=name)
        )
        for threshold in (0.5, 0.4)
        for name in ("one", "other")
    }
    assert len(keys) == 4
