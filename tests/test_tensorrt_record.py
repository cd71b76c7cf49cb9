"""A plan runs where it was built, and nowhere else."""

import json
from dataclasses import replace

import pytest
from stated_gpu import CARD, LIBRARY, make_record, state_machine

from embryofrag.engine.tensorrt import record
from embryofrag.engine.tensorrt.libraries import PACKAGES, installed_library
from embryofrag.engine.tensorrt.record import Binding, check_fit, check_machine, read_record, write_record
from embryofrag.errors import EmbryofragError


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "model" / "engines" / "tensorrt-fp16"
    folder.mkdir(parents=True)
    write_record(folder, make_record())
    return folder


def test_what_is_written_is_read(folder):
    assert read_record(folder, "a") == make_record()
    ratios = Binding(name="ratios", dtype="float32", shape=(-1,))
    pair = make_record("pair", outputs=(*make_record().outputs, ratios), weights_sha256={"a": "1" * 64, "b": "2" * 64})
    write_record(folder, pair)
    assert read_record(folder, "pair") == pair


def test_the_machine_it_was_built_on(folder, monkeypatch):
    state_machine(monkeypatch)
    assert check_machine(folder, "a", None) == make_record()
    check_fit(folder, None)


@pytest.mark.parametrize(
    ("card", "library", "message"),
    [
        (replace(CARD, name="NVIDIA A10"), LIBRARY, "GPU NVIDIA L4, here NVIDIA A10"),
        (replace(CARD, compute_capability="9.0"), LIBRARY, "compute capability 8.9, here 9.0"),
        (CARD, ("tensorrt", "11.2.0.7"), "TensorRT 11.1.0.106, here 11.2.0.7"),
        (CARD, ("tensorrt_rtx", LIBRARY[1]), "library tensorrt, here tensorrt_rtx"),
    ],
)
def test_another_machine(folder, monkeypatch, card, library, message):
    state_machine(monkeypatch, card, library)
    with pytest.raises(EmbryofragError, match=message) as caught:
        check_fit(folder, None)
    assert f"embryofrag engines build {folder.parents[1]} --engine tensorrt --precision fp16" in str(caught.value)


def test_another_system(folder, monkeypatch):
    state_machine(monkeypatch)
    monkeypatch.setattr(record, "this_system", lambda: "Windows AMD64")
    with pytest.raises(EmbryofragError, match="here Windows AMD64"):
        check_fit(folder, None)


def test_same_card_in_another_place(folder, monkeypatch):
    state_machine(monkeypatch, replace(CARD, index=3))
    check_fit(folder, "cuda:3")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"schema": 2', '"schema": 1'),
        lambda text: text.replace('"module": "a"', '"module": "b"'),
        lambda text: json.dumps({key: value for key, value in json.loads(text).items() if key != "gpu"}),
        lambda text: json.dumps(json.loads(text) | {"surplus": 1}),
        lambda text: json.dumps(json.loads(text) | {"gpu": {"name": "NVIDIA L4"}}),
        lambda text: json.dumps(json.loads(text) | {"outputs": [{"name": "masks"}]}),
        lambda text: "[]",
    ],
)
def test_record_that_was_spoilt(folder, change):
    path = folder / "plan_a.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(EmbryofragError, match=r"plan_a\.json is no record of a plan.*--engine tensorrt"):
        read_record(folder, "a")


def test_folder_without_a_record(folder):
    (folder / "plan_a.json").unlink()
    with pytest.raises(EmbryofragError, match="is no record of a plan"):
        read_record(folder, "a")
    with pytest.raises(EmbryofragError, match=r"holds no record of a plan.*--engine tensorrt"):
        check_fit(folder, None)


def test_library_that_is_not_installed(monkeypatch):
    monkeypatch.setattr("embryofrag.engine.tensorrt.libraries.PACKAGES", dict.fromkeys(PACKAGES, "no-such-package"))
    with pytest.raises(EmbryofragError, match=r"TensorRT is not installed.*embryofrag\[tensorrt\]"):
        installed_library()
