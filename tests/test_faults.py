"""Bad input becomes a row and the run goes on; bad orders and bad output stop it with one sentence."""

import json
import os
import shutil
import struct

import pandas as pd
import pytest
from conftest import contents, run_grade, state_of

EXPECTED = {
    "empty.jpg": "incomplete",
    "truncated.jpg": "incomplete",
    "zero tail.jpg": "incomplete",
    "bomb.jpg": "damaged",
    "text.jpg": "damaged",
    "notes.txt": "unsupported",
    "film.avi": "unsupported",
    "link.jpg": "unsupported",
}


def with_declared_size(jpeg: bytes, height_px: int, width_px: int) -> bytes:
    """The same JPEG with another size in its frame header."""
    start = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:start] + struct.pack(">HH", height_px, width_px) + jpeg[start + 4 :]


@pytest.fixture
def spoilt(export):
    """An archive with one file of each fault beside its good frames."""
    good = sorted(export.rglob("*.JPG"))[0].read_bytes()
    faults = {
        "empty.jpg": b"",
        "truncated.jpg": good[: len(good) // 2],
        "zero tail.jpg": good[: len(good) // 2] + bytes(len(good) - len(good) // 2),
        "bomb.jpg": with_declared_size(good, 30000, 30000),
        "text.jpg": b"this is no picture",
        "notes.txt": b"lunch at one",
        "film.avi": b"RIFF",
    }
    for name, content in faults.items():
        (export / "faults").mkdir(exist_ok=True)
        (export / "faults" / name).write_bytes(content)
    (export / "faults" / "link.jpg").symlink_to(export / "nowhere.jpg")
    return export


def test_each_fault_is_a_row_with_its_reason_and_the_good_frames_are_graded(spoilt, model_dir, tmp_path):
    out = tmp_path / "out"
    before = state_of(spoilt)
    run = run_grade(spoilt, out, model_dir)
    assert run.returncode == 3, run.stderr
    assert "Traceback" not in run.stderr
    assert state_of(spoilt) == before, "the archive was touched"
    files = pd.read_csv(out / "files.csv", keep_default_na=False).set_index("source")
    found = {name: files.loc[f"faults/{name}", "outcome"] for name in EXPECTED}
    assert found == EXPECTED
    assert files["reason"][files["outcome"] != "graded"].ne("").all()
    record = json.loads((out / "run.json").read_text())
    assert sum(record["counts"].values()) == len(files)
    assert record["counts"]["graded"] == len(list(spoilt.rglob("*.JPG")))


def test_known_faults_do_not_alarm_every_night(spoilt, model_dir, tmp_path):
    run_grade(spoilt, tmp_path / "out", model_dir)
    before = contents(tmp_path / "out")
    again = run_grade(spoilt, tmp_path / "out", model_dir)
    assert again.returncode == 0
    assert contents(tmp_path / "out") == before


def test_a_mended_file_is_graded_by_the_next_run(export, model_dir, tmp_path):
    victim = sorted(export.rglob("*.JPG"))[0]
    good = victim.read_bytes()
    victim.write_bytes(good[:1000])
    assert run_grade(export, tmp_path / "out", model_dir).returncode == 3
    victim.write_bytes(good)
    assert run_grade(export, tmp_path / "out", model_dir).returncode == 0
    run_grade(export, tmp_path / "fresh", model_dir)
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def refused(run, exit_code: int, *words: str) -> None:
    """The run stopped with one sentence that holds these words."""
    assert run.returncode == exit_code, run.stderr
    assert "Traceback" not in run.stderr
    for word in words:
        assert word in run.stderr


def test_an_empty_archive_stops(tmp_path, model_dir):
    (tmp_path / "empty").mkdir()
    refused(run_grade(tmp_path / "empty", tmp_path / "out", model_dir), 1, "no image")
    assert not (tmp_path / "out").exists()


def test_a_missing_archive_stops(tmp_path, model_dir):
    refused(run_grade(tmp_path / "nowhere", tmp_path / "out", model_dir), 1, "nowhere")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("inside", [".", "results", "deep/er"])
def test_an_output_inside_the_archive_stops(export, model_dir, inside):
    before = state_of(export)
    refused(run_grade(export, export / inside, model_dir), 2, "inside the archive", "--out")
    assert state_of(export) == before


def test_an_output_that_reaches_the_archive_by_a_link_stops(export, model_dir, tmp_path):
    (tmp_path / "link").symlink_to(export)
    before = state_of(export)
    refused(run_grade(export, tmp_path / "link" / "out", model_dir), 2, "inside the archive")
    assert state_of(export) == before


def test_a_missing_model_stops(export, tmp_path):
    refused(run_grade(export, tmp_path / "out", tmp_path / "no-model"), 1, "no model folder")
    assert not (tmp_path / "out").exists()


def test_an_engine_that_is_not_built_stops_with_the_command(export, model_dir, tmp_path):
    run = run_grade(export, tmp_path / "out", model_dir, "--precision", "bf16")
    refused(run, 1, "embryofrag engines build")
    assert not (tmp_path / "out").exists()


def test_a_truncated_engine_stops_before_the_first_frame(export, model_dir, tmp_path):
    model = shutil.copytree(model_dir, tmp_path / "model")
    weights = next(model.glob("engines/*/module_a*.bin"))
    os.truncate(weights, 100)
    run = run_grade(export, tmp_path / "out", model)
    refused(run, 1, "embryofrag engines build")
    assert not (tmp_path / "out" / "embryos.csv").exists()


def test_a_second_run_on_the_same_output_is_refused(export, model_dir, tmp_path):
    from embryofrag.run.lock import hold_lock

    (tmp_path / "out").mkdir()
    with hold_lock(tmp_path / "out"):
        refused(run_grade(export, tmp_path / "out", model_dir), 1, "another run is writing")


def test_an_output_that_cannot_be_written_stops_with_nothing_half_written(export, model_dir, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "masks").write_text("a file where a folder must be")
    run = run_grade(export, out, model_dir)
    refused(run, 1, "could not write", "run the same command again")
    assert not (out / "embryos.csv").exists()
    (out / "masks").unlink()
    assert run_grade(export, out, model_dir).returncode == 0
    run_grade(export, tmp_path / "fresh", model_dir)
    assert contents(out) == contents(tmp_path / "fresh")
