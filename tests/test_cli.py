"""Every command: what it prints, and how it ends."""

import csv
import io
import json
import shutil

import pytest
from click.testing import CliRunner

from embryofrag import __version__
from embryofrag.cli import main
from embryofrag.engine import shipped
from embryofrag.engine.select import choose_engine


def call(*arguments: object):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_version_and_help():
    assert call("--version").output == f"embryofrag, version {__version__}\n"
    shown = call("-h").output
    assert "Research use only" in shown
    assert "Exit codes: 0 all done" in shown


def test_scan_lists_embryos_and_what_is_set_aside(export):
    (export / "notes.txt").write_text("x")
    result = call("scan", export)
    assert result.exit_code == 0
    assert "18 frames of 3 embryos, 4 files set aside" in result.output
    assert "1 unsupported: not an image (.txt)" in result.output


def test_scan_as_csv_has_a_row_for_every_file_in_natural_order(export):
    (export / "notes.txt").write_text("x")
    rows = list(csv.DictReader(io.StringIO(call("scan", export, "--csv").output)))
    assert len(rows) == 22
    runs = [int(row["run"]) for row in rows if row["embryo"].endswith("WELL01") and row["run"]]
    assert runs == sorted(runs)
    assert "not an image (.txt)" in {row["reason"] for row in rows if row["outcome"] == "unsupported"}


def test_scan_by_a_pattern(tmp_path, drawn_export):
    picture = next(drawn_export.rglob("*.JPG"))
    shutil.copy(picture, tmp_path / "case 12 t33.5.jpg")
    shutil.copy(picture, tmp_path / "other.jpg")
    result = call("scan", tmp_path, "--csv", "--pattern", r"case (?P<embryo>\d+) t(?P<hpi>\d+\.\d)")
    rows = {row["source"]: row for row in csv.DictReader(io.StringIO(result.output))}
    assert rows["case 12 t33.5.jpg"]["hpi"] == "33.5"
    assert rows["other.jpg"]["outcome"] == "unparsed"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--focal", "near"), "--focal is a number of um"),
        (("--batch-size", "0"), "--batch-size is between 1 and 64"),
        (("--audit", "7"), "--audit is a share"),
        (("--hpi-window", "50", "40"), "--hpi-window starts after it ends"),
        (("--scheme", "mine"), "scheme is one of regdeeplab"),
        (("--cut-margin", "9"), "cut_margin lies in 0..1"),
        (("--pattern", "("), "no regular expression"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(export, model_dir, tmp_path, arguments, words):
    result = call("grade", export, "--out", tmp_path / "out", "--model", model_dir, *arguments)
    assert (result.exit_code, words in result.output) == (2, True), result.output
    assert not (tmp_path / "out").exists()


@pytest.fixture
def shipped_as_reference(model_dir, tmp_path, monkeypatch):
    """An installation that has the reference model."""
    shutil.copytree(model_dir, tmp_path / "installed/reference")
    monkeypatch.setattr(shipped, "PLACES", (tmp_path / "installed",))


@pytest.fixture
def only_untrained(model_dir, tmp_path, monkeypatch):
    """An installation that has no reference model."""
    shutil.copytree(model_dir, tmp_path / "installed/untrained")
    monkeypatch.setattr(shipped, "PLACES", (tmp_path / "installed",))


def test_grade_without_a_model_takes_the_reference_model_and_says_so(shipped_as_reference, export, tmp_path):
    result = call("grade", export, "--out", tmp_path / "out", "--no-masks")
    assert result.exit_code == 0, result.output
    assert "that came with embryofrag, as no other was named; auto: took openvino-fp32" in result.stderr


def test_demo_takes_the_reference_model_where_there_is_one(shipped_as_reference, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("embryofrag.demo.choose_engine", lambda folder: asked.append(folder) or choose_engine(folder))
    assert call("demo", "--out", tmp_path / "demo").exit_code == 0
    assert asked == [tmp_path / "installed/reference"]


def test_a_crop_that_the_model_has_no_locator_for(export, model_dir, tmp_path):
    result = call("grade", export, "--out", tmp_path / "out", "--model", model_dir, "--crop", "embryo")
    assert (result.exit_code, "has no locator to find the embryo with: leave --crop out" in result.output) == (2, True)
    assert not (tmp_path / "out").exists()


def test_grade_without_a_model_says_what_to_do(only_untrained, export, tmp_path):
    result = call("grade", export, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "--model DIR" in result.output


def test_events_as_json_lines(export, model_dir, tmp_path):
    (export / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    result = call("grade", export, "--out", tmp_path / "out", "--model", model_dir, "--log-json", "--no-masks")
    assert result.exit_code == 3
    events = [json.loads(line) for line in result.stderr.splitlines() if line.startswith("{")]
    assert events[0] | {"scan_s": 0} == {"event": "scanned", "files": 22, "work": 19, "unchanged": 0, "scan_s": 0}
    assert len(events) == 23
    torn = next(event for event in events[1:] if event["source"] == "torn.jpg")
    assert torn["outcome"] == "incomplete"


def test_engines_are_listed_and_checked(model_dir):
    listed = call("engines", "list", model_dir)
    assert listed.exit_code == 0
    assert "openvino-fp32" in listed.output
    (entry,) = json.loads(call("engines", "list", model_dir, "--json").output)
    assert entry["parity"]["mask_differ_frac"] <= entry["parity"]["mask_differ_limit_frac"]
    checked = call("engines", "check", model_dir)
    assert (checked.exit_code, checked.output) == (0, "openvino-fp32: OK\n")


def test_a_broken_engine_fails_its_check(model_dir, tmp_path):
    model = shutil.copytree(model_dir, tmp_path / "model")
    next(model.glob("engines/*/module_b*.bin")).write_bytes(b"")
    result = call("engines", "check", model)
    assert result.exit_code == 1
    assert "embryofrag engines build" in result.output


def test_a_model_without_engines_is_told_how_to_build_one(model_dir, tmp_path):
    model = shutil.copytree(model_dir, tmp_path / "model", ignore=shutil.ignore_patterns("engines"))
    listed = call("engines", "list", model)
    assert (listed.exit_code, "embryofrag engines build" in listed.output) == (0, True)
    assert call("engines", "check", model).exit_code == 1


def test_phantom_frames_and_archive(tmp_path):
    frames = call("phantom", "frames", "--out", tmp_path / "frames", "--count", 2, "--instrument", "embryoscope")
    assert frames.exit_code == 0, frames.output
    assert len((tmp_path / "frames" / "manifest.csv").read_text().splitlines()) == 3
    drawn = call("phantom", "archive", "--out", tmp_path / "drawn", "--embryos", 1, "--frames", 1)
    assert drawn.exit_code == 0, drawn.output
    assert len((tmp_path / "drawn" / "truth.csv").read_text().splitlines()) == 3
    again = call("phantom", "frames", "--out", tmp_path / "frames", "--count", 2)
    assert again.exit_code != 0


def test_phantom_frames_mixes_what_is_asked_for(tmp_path):
    mixed = call(
        "phantom", "frames", "--out", tmp_path / "mixed", "--count", 4, "--instrument", "embryoscope",
        "--out-of-scope-share", 0.5, "--two-embryo-share", 0.5, "--without", "debris",
    )  # fmt: skip
    assert mixed.exit_code == 0, mixed.output
    with (tmp_path / "mixed" / "manifest.csv").open(newline="", encoding="utf-8") as file:
        assert not any(row["stage"].endswith("-cell") for row in csv.DictReader(file))
    unknown = call("phantom", "frames", "--out", tmp_path / "other", "--count", 1, "--without", "unicorns")
    assert (unknown.exit_code, "choose from" in unknown.output) == (2, True)


def test_demo_grades_and_says_untrained_and_can_be_repeated(only_untrained, tmp_path):
    for _ in range(2):
        result = call("demo", "--out", tmp_path / "demo")
        assert result.exit_code == 0, result.output
        assert "UNTRAINED" in result.output
    assert (tmp_path / "demo" / "results" / "embryos.csv").is_file()


def test_demo_deletes_nothing_of_yours(tmp_path):
    (tmp_path / "thesis.txt").write_text("x")
    result = call("demo", "--out", tmp_path)
    assert (result.exit_code, "thesis.txt" in result.output) == (2, True)
    assert (tmp_path / "thesis.txt").exists()
