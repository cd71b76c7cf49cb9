"""The benchmark of the engines: its figures follow from what it timed, and the page that shows them is made by it."""

import json
import re
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click import ClickException
from click.testing import CliRunner
from tiny_model import TINY, draw_discs, write_tiny_model, write_tiny_model_with_locator

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import benchmark_engines  # noqa: E402
import benchmark_engines_limit as limit  # noqa: E402
import benchmark_engines_subject as subjects  # noqa: E402
import benchmark_engines_table as tables  # noqa: E402
import benchmark_engines_ungated as ungated  # noqa: E402
import benchmark_engines_ways as ways  # noqa: E402

from embryofrag.engine.contract import MODULES  # noqa: E402
from embryofrag.engine.machine import cpu_features  # noqa: E402
from embryofrag.engine.model import ModelHeader, write_model  # noqa: E402
from embryofrag.engine.select import list_engines  # noqa: E402
from embryofrag.errors import EmbryofragError  # noqa: E402
from embryofrag.network.seeded import module_weights, seeded_network  # noqa: E402

ENGINE = "OpenVINO fp32"
ONE_PASS = f"{ENGINE}, one pass"
SMALL = ("--backbone", "resnet18", "--width", "0.125", "--input-px", "64", "--crop-px", "64")


@pytest.fixture
def document() -> dict:
    """Two rounds: the yardstick takes 1 s and 2 s a frame, the engine a quarter of it, at half the limit."""
    seconds = {ways.YARDSTICK: [[0.6, 1.2], [0.4, 0.8]], ENGINE: [[0.15, 0.3], [0.1, 0.2]]}
    return {
        "command": "python tools/benchmark_engines.py",
        "machine": {
            "cpu": "C",
            "num_cores": 2,
            "flags": ["avx"],
            "versions": {"torch": "1"},
            "python": "3",
            "embryofrag": "0",
        },
        "load": {"at_start": 0.1, "at_end": 1.9, "share_of_others": 0.01},
        "rounds": 2,
        "products_gflop_per_s": {"fp32": {"slow": [10.0, 5.0], "fast": [80.0, 40.0]}},
        "eager_loop_s_per_frame": [1.2, 2.4],
        "subjects": [
            {
                "model": "m",
                "backbone": "resnet50",
                "width": 1.0,
                "input_px": {"a": 512, "b": 512},
                "skipped": {"ONNX Runtime fp32": "it is not installed"},
                "difference": {way: {"mask_frac": 0.001, "ratio": 0.0} for way in seconds},
                "gflop": {way: {"a": 6.0, "b": 4.0} for way in seconds},
                "module_s": {way: {"a": {"4": a_s}, "b": {"4": b_s}} for way, (a_s, b_s) in seconds.items()},
                "grade": {
                    ENGINE: [
                        {"grade_s_per_frame": s, "grade_with_start_s_per_frame": s + 1, "counts": {"graded": 3}}
                        for s in (0.3, 0.6)
                    ]
                },
            }
        ],
    }


def test_ratios_are_taken_within_a_round(document):
    [subject] = document["subjects"]
    assert tables.times_faster(document, subject, ENGINE, "4") == pytest.approx([4, 4])
    assert tables.limit_shares(document, subject, ENGINE, "4") == pytest.approx([0.5, 0.5])
    for module, times_s in (("a", [0.3, 1.2]), ("b", [0.2, 0.8])):
        subject["module_s"][ways.YARDSTICK][module]["1"] = times_s
    assert tables.times_faster(document, subject, ENGINE, "4") == pytest.approx([2, 4])
    del document["products_gflop_per_s"]["fp32"]
    assert tables.limit_shares(document, subject, ENGINE, "4") is None


def test_table_says_what_was_measured_and_what_was_skipped(document):
    text = tables.to_markdown(document)
    assert f"| {ENGINE} | 0.225 | 0.150 | 0.375 (0.250 to 0.500) | 4.00 (4.00 to 4.00) | 10.0 | 50% |" in text
    assert "| `embryofrag grade`, OpenVINO fp32 | 0.450 (0.300 to 0.600) |" in text
    assert "- ONNX Runtime fp32: skipped, it is not installed" in text
    assert "others took 1.0% of the cores" in text


def test_docs_are_replaced_between_the_markers_alone(document, tmp_path):
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{tables.BEGIN}\nold\n{tables.END}\nafter\n")
    for _ in range(2):
        tables.write_docs(document, page)
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith(f"{tables.END}\nafter\n")
    assert "old" not in text and text.count(ENGINE) == tables.to_markdown(document).count(ENGINE)
    assert (tmp_path / "performance.png").stat().st_size > 1000


def test_page_holds_the_markers_and_its_commands_exist():
    text = tables.DOCS_PAGE.read_text()
    assert text.count(tables.BEGIN) == text.count(tables.END) == 1
    known = {option: parameter for parameter in benchmark_engines.main.params for option in parameter.opts}
    lines = [shlex.split(line, comments=True)[1:] for line in re.findall(r"^python tools/.+$", text, re.M)]
    assert lines
    for tool, *words in lines:
        assert tool == "tools/benchmark_engines.py"
        assert {word for word in words if word.startswith("--")} <= known.keys()
    assert {way.split()[0] for way in ways.WAYS} <= set(re.findall(r"[\w.]+", text))


def test_all_ways_give_the_same_answers(tmp_path, monkeypatch):
    monkeypatch.setattr(subjects, "LEAST_S", 0.0)
    model = write_tiny_model_with_locator(tmp_path / "model")
    subject = subjects.open_subject(model, [ways.YARDSTICK, "eager fp32"], [1, 2])
    for difference in subject.figures["difference"].values():
        assert difference["mask_frac"] < 1e-3 and difference["ratio"] < 1e-4
    subjects.time_modules(subject)
    times_s = subject.figures["module_s"][ways.YARDSTICK]["locator"]
    assert list(times_s) == ["1", "2"] and all(len(rounds) == 1 for rounds in times_s.values())


def test_injection_written_out_is_more_arithmetic(tmp_path):
    model = write_tiny_model(tmp_path / "model")
    written_out, exact = (subjects.count_way(model, way, MODULES) for way in (ways.YARDSTICK, "eager fp32"))
    assert written_out["a"] > 1.2 * exact["a"] > 1.2 * exact["b"] > 0


@pytest.mark.parametrize("error", [EmbryofragError("no compiler"), RuntimeError("no compiler\nstack")])
def test_way_that_cannot_run_is_skipped_with_its_reason(error, tmp_path, monkeypatch):
    def cannot(model):
        raise error

    monkeypatch.setitem(ways.WAYS, "torch.compile fp32", ways.Way(precision="fp32", load=cannot))
    subject = subjects.open_subject(write_tiny_model(tmp_path / "model"), ["torch.compile fp32"], [1])
    assert subject.figures["skipped"] == {"torch.compile fp32": "no compiler"}
    assert subject.runs == {}


def test_chains_multiply_what_they_say(monkeypatch):
    monkeypatch.setattr(limit, "SIDE", 64)
    rates = {}
    limit.time_chains(limit.product_chains(), rates)
    assert set(rates) >= {"fp32", "int8"}
    exact, quantised = (next(iter(limit.openvino_chain(name)().values())) for name in ("fp32", "int8"))
    assert exact.shape == quantised.shape == (64, 64)
    assert not np.array_equal(exact, quantised)


@pytest.mark.slow
def test_whole_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(limit, "SIDE", 64)
    monkeypatch.setattr(subjects, "LEAST_S", 0.0)
    options = ["--out", "e.json", "--rounds", "1", "--batch", "2", "--frames", "2", "--eager-frames", "1"]
    result = CliRunner().invoke(benchmark_engines.main, [*options, "--way", ENGINE, "--way", ONE_PASS, *SMALL])
    assert result.exit_code == 0, result.output
    document = json.loads((tmp_path / "e.json").read_text())
    whole, twice = document["subjects"]
    assert list(whole["module_s"]) == list(twice["module_s"]) == [ways.YARDSTICK, ENGINE, ONE_PASS]
    assert list(twice["module_s"][ONE_PASS]) == ["locator", "pair"]
    assert 0 < sum(twice["gflop"][ONE_PASS].values()) < sum(twice["gflop"][ENGINE].values())
    assert list(twice["input_px"]) == ["locator", "a", "b"]
    assert len(whole["grade"][ENGINE]) == len(whole["grade"][ONE_PASS]) == len(document["eager_loop_s_per_frame"]) == 1
    assert all(one["counts"].get("graded") for one in twice["grade"][ENGINE])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.json", "e.md", "e.png"]


def test_only_an_untrained_network_gets_around_the_gate(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        ways.subprocess, "run", lambda command, **_: asked.append(command) or SimpleNamespace(returncode=0)
    )
    for gated in (True, False):
        ways.build_aside(tmp_path, "int8", "apart", gated=gated)
    assert ["benchmark_engines_ungated" in " ".join(command) for command in asked] == [False, True]
    header = ModelHeader(name="trained", trained=True, network=TINY.to_dict())
    weights = module_weights(seeded_network(TINY, 0, draw_discs(TINY.input_px, 2)))
    model = write_model(tmp_path / "trained", header, {"a": weights, "b": weights}, draw_discs(TINY.input_px, 2))
    with pytest.raises(ClickException, match="is trained: build it with"):
        ungated.build_ungated(model.path, "apart")


@pytest.mark.slow
@pytest.mark.skipif("vnni" not in cpu_features(), reason="needs a CPU that multiplies int8")
def test_int8_of_an_untrained_network_is_built_for_its_speed(tmp_path):
    model = write_tiny_model(tmp_path / "tiny", one_backbone=True)
    ways.build_aside(model.path, "int8", "decoupled", gated=False)
    [manifest] = list_engines(model.path)
    assert (manifest.precision, manifest.in_one_pass) == ("int8", True)
    assert manifest.quantisation["accuracy"]["grade_changes_limit_frac"] == 1.0
