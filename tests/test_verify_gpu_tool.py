"""The tool that proves the GPU engine says plainly where it cannot, and goes on past a step that fails."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

import verify_gpu
import verify_gpu_report

from embryofrag.errors import EmbryofragError


def test_without_a_card_it_stops_with_one_sentence(tmp_path, monkeypatch):
    def no_driver(device):
        raise EmbryofragError("no NVIDIA driver on this machine")

    monkeypatch.setattr(verify_gpu, "choose_gpu", no_driver)
    result = CliRunner().invoke(verify_gpu.main, [str(tmp_path / "out")])
    assert (result.exit_code, result.output) == (1, "Error: no NVIDIA driver on this machine\n")
    assert not (tmp_path / "out").exists()


def test_failed_step_becomes_a_line_of_the_report(tmp_path):
    def broken(setting):
        raise EmbryofragError("the plan was refused")

    steps = {
        "build": verify_gpu.run_step(broken, None),
        "parity": verify_gpu.run_step(lambda setting: {"passed": True, "figures": {"fp16": {"size_bytes": 7}}}, None),
    }
    document = {"engine": "tensorrt", "model": "m", "machine": {"gpu": "NVIDIA L4"}, "steps": steps}
    verify_gpu_report.write_report(tmp_path / "report.md", document)
    text = (tmp_path / "report.md").read_text()
    assert "## build: FAILED" in text
    assert "EmbryofragError: the plan was refused" in text
    assert "| gpu | NVIDIA L4 |" in text
    assert "- fp16: size_bytes 7" in text
    assert "rehearsal" not in text


@pytest.mark.slow
def test_rehearsal_goes_through_every_step(tmp_path):
    options = ["--rehearse", "--phantoms", "3", "--sustained", "0.5"]
    result = CliRunner().invoke(verify_gpu.main, [str(tmp_path / "out"), *options])
    assert result.exit_code == 0, result.output
    document = json.loads((tmp_path / "out" / "verify_gpu.json").read_text())
    assert list(document["steps"]) == list(verify_gpu.STEPS)
    assert document["steps"]["kill and resume"]["figures"]["killed"]["byte for byte the same"]
    assert "A rehearsal on the CPU" in (tmp_path / "out" / "verify_gpu.md").read_text()
