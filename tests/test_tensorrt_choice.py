"""Which machine takes a TensorRT engine, which one says why not, and what is refused before a card is touched."""

import json
import shutil
import sys
from dataclasses import replace

import pytest
import torch
from stated_gpu import CARD, LIBRARY, state_machine, write_stated_engine
from tiny_model import write_tiny_model

from embryofrag.engine import backends, build
from embryofrag.engine.build import BuildTarget, build_engines
from embryofrag.engine.contract import MODULES, PAIR
from embryofrag.engine.eager import EagerEngine
from embryofrag.engine.model import read_model
from embryofrag.engine.select import check_engines, choose_engine, list_engines, load_pair
from embryofrag.engine.tensorrt import record
from embryofrag.errors import EmbryofragError, UsageError


@pytest.fixture
def on_cpus(model_dir, tmp_path):
    """A model with an fp32 engine for CPUs."""
    return read_model(shutil.copytree(model_dir, tmp_path / "model"))


@pytest.fixture
def model(on_cpus):
    """The same with an engine that says it is for a card."""
    write_stated_engine(on_cpus)
    return on_cpus


def no_driver(device):
    raise EmbryofragError("no NVIDIA driver on this machine")


def test_auto_prefers_the_card(model, monkeypatch):
    state_machine(monkeypatch)
    choice = choose_engine(model.path)
    assert (choice.backend, choice.precision, choice.device) == ("tensorrt", "fp16", None)
    assert choice.reason == "auto: took tensorrt-fp16 (the fastest that this machine can run)"
    assert choice.engine_a_id.startswith("tensorrt-fp16:")
    assert choose_engine(model.path, "tensorrt", "fp16").reason == "took tensorrt-fp16 as asked"


def test_named_card_goes_with_the_choice(model, monkeypatch):
    state_machine(monkeypatch)
    assert choose_engine(model.path, device="cuda:1").device == "cuda:1"
    assert choose_engine(model.path, device="cuda:0,cuda:1").device == "cuda:0,cuda:1"
    with pytest.raises(UsageError, match="names a card twice"):
        choose_engine(model.path, device="cuda:1,cuda:1")
    with pytest.raises(UsageError, match="openvino runs on the CPU"):
        choose_engine(model.path, "openvino", device="cuda:1")
    with pytest.raises(UsageError, match="write cuda:0"):
        choose_engine(model.path, device="gpu1")


@pytest.mark.parametrize(
    ("card", "because"),
    [(None, "no NVIDIA driver on this machine"), (replace(CARD, name="NVIDIA A10"), "here NVIDIA A10")],
)
def test_auto_says_why_it_left_the_card(model, monkeypatch, card, because):
    state_machine(monkeypatch, card)
    if card is None:
        monkeypatch.setattr(record, "choose_gpu", no_driver)
    choice = choose_engine(model.path)
    assert choice.backend == "openvino"
    assert choice.reason.startswith("auto: took openvino-fp32 (tensorrt-fp16: ")
    assert because in choice.reason
    with pytest.raises(EmbryofragError, match=because) as caught:
        choose_engine(model.path, "tensorrt")
    assert f"embryofrag engines build {model.path} --engine tensorrt --precision" in str(caught.value)


@pytest.mark.parametrize("has_card", [False, True])
def test_auto_speaks_of_tensorrt_only_where_it_could_run(on_cpus, monkeypatch, has_card):
    stated = replace(backends.BACKENDS["tensorrt"], runs_here=lambda device: has_card)
    monkeypatch.setitem(backends.BACKENDS, "tensorrt", stated)
    assert ("tensorrt-fp16: not built" in choose_engine(on_cpus.path).reason) == has_card


@pytest.mark.parametrize("name", ["module_a.plan", "plan_b.json", "probe_expected.npz"])
def test_truncated_file(model, monkeypatch, name):
    state_machine(monkeypatch)
    choice = choose_engine(model.path)
    path = choice.folder / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(EmbryofragError, match=rf"{name} is missing or is not the file.*--engine tensorrt"):
        load_pair(choice)


def test_edited_manifest(model, monkeypatch):
    state_machine(monkeypatch)
    path = model.path / "engines/tensorrt-fp16/manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"parity": {"mask_differ_frac": 0}}))
    with pytest.raises(EmbryofragError, match=r"changed after the build.*--engine tensorrt --precision fp16"):
        choose_engine(model.path)


def test_list_and_check_name_it(model):
    assert [manifest.name for manifest in list_engines(model.path)] == ["openvino-fp32", "tensorrt-fp16"]
    sound, other = check_engines(model.path)
    assert (sound.name, sound.trouble, other.name) == ("openvino-fp32", None, "tensorrt-fp16")
    assert "no compiled engine" in other.trouble


def test_card_is_gone_when_the_worker_loads(model, monkeypatch):
    state_machine(monkeypatch)
    choice = choose_engine(model.path)
    monkeypatch.setattr(record, "choose_gpu", no_driver)
    with pytest.raises(EmbryofragError, match="no NVIDIA driver"):
        load_pair(choice)


def test_runner_without_torch_names_the_extra(model, monkeypatch):
    state_machine(monkeypatch)
    choice = choose_engine(model.path)
    monkeypatch.delitem(sys.modules, "embryofrag.engine.tensorrt.runner", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(EmbryofragError, match=r"needs torch.*embryofrag\[tensorrt\]"):
        load_pair(choice)


def test_build_without_a_driver_leaves_nothing(on_cpus, monkeypatch):
    monkeypatch.setattr(build, "choose_gpu", no_driver)
    with pytest.raises(EmbryofragError, match="no NVIDIA driver"):
        build_engines(on_cpus.path, engine="tensorrt")
    assert [path.name for path in (on_cpus.path / "engines").iterdir()] == ["openvino-fp32"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a PyTorch for GPUs, and a GPU")
def test_build_with_a_pytorch_for_cpus(on_cpus, monkeypatch):
    monkeypatch.setattr(build, "choose_gpu", lambda device: CARD)
    monkeypatch.setattr(build, "installed_library", lambda: LIBRARY)
    with pytest.raises(EmbryofragError, match=r"finds no card where the driver names one.*embryofrag\[tensorrt\]"):
        build_engines(on_cpus.path, engine="tensorrt")


@pytest.mark.parametrize("options", [{"max_batch": 1}, {"max_batch": 65}, {"engine": "openvino", "device": "cuda:0"}])
def test_options_that_do_not_fit(on_cpus, options):
    with pytest.raises(UsageError, match="--max-batch"):
        build_engines(on_cpus.path, **{"engine": "tensorrt", **options})


def test_precision_of_another_backend(on_cpus):
    with pytest.raises(UsageError, match="tensorrt has no precision 'bf16': choose one of auto, fp16, fp32"):
        choose_engine(on_cpus.path, "tensorrt", "bf16")


class BothInPyTorch:
    """The pair, answered by the reference."""

    def __init__(self, model, engine_id):
        self.id, self.engines = engine_id, [EagerEngine(model, name, engine_id=engine_id) for name in MODULES]

    def run(self, images_NHWC):
        return tuple(engine.run(images_NHWC) for engine in self.engines)

    def close(self):
        for engine in self.engines:
            engine.close()


@pytest.mark.parametrize(("one_backbone", "passes"), [(False, ["a", "b"]), (True, ["pair"])])
def test_build_hands_its_options_on(one_backbone, passes, tmp_path, monkeypatch):
    """With the reference in the place of the card: what is compiled for what, and proved where."""
    model = write_tiny_model(tmp_path / "tiny", one_backbone=one_backbone)
    targets, resources_seen = [], []

    def compile_stated(model, module, folder, target):
        targets.append((module, target))
        (folder / record.plan_file(module)).write_bytes(b"stated")

    def load_stated(folder, manifest, module, resources):
        resources_seen.append(resources)
        engine_id = manifest.engine_id(module)
        return BothInPyTorch(model, engine_id) if module == PAIR else EagerEngine(model, module, engine_id=engine_id)

    compiler = replace(
        build.COMPILERS["tensorrt"], compile=compile_stated, versions=dict, check_machine=lambda device: None
    )
    monkeypatch.setitem(build.COMPILERS, "tensorrt", compiler)
    monkeypatch.setitem(backends.BACKENDS, "tensorrt", replace(backends.BACKENDS["tensorrt"], load=load_stated))
    report = build_engines(model.path, engine="tensorrt", max_batch=16, device="cuda:1")
    assert (report.name, report.parity.passed) == ("tensorrt-fp16", True)
    target = BuildTarget(
        engine="tensorrt", precision="fp16", max_batch=16, device="cuda:1", in_one_pass=passes == ["pair"]
    )
    assert targets == [(name, target) for name in passes]
    assert [resources.device for resources in resources_seen] == ["cuda:1"] * len(passes)
