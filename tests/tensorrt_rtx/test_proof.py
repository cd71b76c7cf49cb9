"""Every module becomes one TensorRT plan, and what becomes one is the network."""

from functools import cache

import numpy as np
import pytest
import torch
import torch_tensorrt  # before tensorrt, which it stands in for
from tiny_model import TINY, draw_discs, write_tiny_model

import tensorrt as trt  # isort: skip
from embryofrag.engine.contract import MODULES, PAIR, modules_of, output_shape
from embryofrag.engine.parity import MASK_DIFFER_LIMIT_FRAC, RATIO_DIFFERENCE_LIMIT
from embryofrag.engine.tensorrt import plan, record
from embryofrag.engine.tensorrt.gpu import Gpu
from embryofrag.engine.tensorrt.graph import export_module
from embryofrag.engine.tensorrt.libraries import installed_library
from embryofrag.engine.tensorrt.plan import COMPILE_OPTIONS, compile_module, compile_plan, output_names, plan_input
from embryofrag.engine.tensorrt.record import check_machine
from embryofrag.errors import EmbryofragError
from embryofrag.network.config import NetworkConfig
from embryofrag.network.modules import DEPLOYED, ModulePair
from embryofrag.network.seeded import seeded_network

MAX_BATCH = 4
NETWORKS = {
    "small": NetworkConfig(backbone="resnet18", width=0.25, input_px=128),
    "locator": NetworkConfig(backbone="resnet18", width=0.25, input_px=64, injection=False, normalise="imagenet"),
    "resnet50": NetworkConfig(input_px=128),
}
CASES = [
    *(("small", module) for module in (*MODULES, PAIR)),
    ("locator", "locator"),
    *(("resnet50", module) for module in (*MODULES, PAIR)),
]
PRECISIONS = ["fp32", "fp16"]
CONVOLUTION_DTYPE = {"fp32": "FLOAT", "fp16": "HALF"}
CARD = Gpu(index=0, name="a stated card", compute_capability="8.9", memory_bytes=24 << 30, num_sms=58)


@pytest.fixture
def stated_card(monkeypatch):
    """A machine that says it has a card; nothing that needs one is run."""
    for room in (plan, record):
        monkeypatch.setattr(room, "choose_gpu", lambda device: CARD)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)


@cache
def deployed_and_frames(name: str, module: str):
    config = NETWORKS[name]
    frames = draw_discs(config.input_px, MAX_BATCH)
    network = seeded_network(config, 0, frames)
    deployed = ModulePair(network, network) if module == PAIR else DEPLOYED[module](network)
    return deployed.eval(), frames


@cache
def exported_module(name: str, module: str, precision: str):
    deployed, _ = deployed_and_frames(name, module)
    side = NETWORKS[name].input_px
    return export_module(deployed, precision=precision, input_px=side, max_batch=MAX_BATCH)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("name", "module"), CASES)
def test_dry_run_is_one_engine(name, module, precision, tmp_path):
    exported = exported_module(name, module, precision)
    report = tmp_path / "dryrun.txt"
    compiled = torch_tensorrt.dynamo.compile(
        exported, arg_inputs=[plan_input(exported)], dryrun=str(report), **COMPILE_OPTIONS
    )
    parts = [part for part, child in compiled.named_children() if isinstance(child, torch.fx.GraphModule)]
    assert parts == ["_run_on_acc_0"]
    assert "100.0% coverage" in report.read_text()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("name", "module"), CASES)
def test_plan_is_built_from_the_network(name, module, precision, watched_build):
    deployed, frames = deployed_and_frames(name, module)
    side = NETWORKS[name].input_px
    built = watched_build(frames[:3])
    plan_bytes = compile_plan(exported_module(name, module, precision), output_names(module))
    assert len(plan_bytes) > 1_000_000
    assert built.inputs == [("images", "UINT8", (-1, side, side, 3))]
    assert built.outputs == [
        (output, "FLOAT", output_shape(one, -1, side))
        for output, one in zip(output_names(module), modules_of(module), strict=True)
    ]
    num_convolutions = sum(isinstance(layer, torch.nn.Conv2d) for layer in deployed.modules())
    assert built.dtypes_of("CONVOLUTION") == [CONVOLUTION_DTYPE[precision]] * num_convolutions
    for kind in ("MATRIX_MULTIPLY", "REDUCE"):  # head, injected vector, normalisation, pools
        assert set(built.dtypes_of(kind)) <= {"FLOAT"}
    assert not built.dtypes_of("SCALE")  # a BatchNorm that was not folded
    with torch.inference_mode():
        expected = torch.utils._pytree.tree_leaves(deployed(torch.tensor(frames[:3])))
    for result, reference in zip(built.lowered_results, expected, strict=True):
        _assert_close(result, reference.numpy(), precision)


def _assert_close(result: np.ndarray, expected: np.ndarray, precision: str) -> None:
    """Within the folding's rounding in fp32, within the build's own parity limits in fp16."""
    if precision == "fp32":
        np.testing.assert_allclose(result, expected, atol=1e-4)
    elif expected.ndim == 1:
        np.testing.assert_allclose(result, expected, atol=RATIO_DIFFERENCE_LIMIT)
    else:
        assert np.mean((result > 0.5) != (expected > 0.5)) <= MASK_DIFFER_LIMIT_FRAC


@pytest.mark.usefixtures("stated_card")
def test_files_of_a_module(tmp_path, watched_build):
    """What a build writes; the card is the only thing that is made up."""
    model = write_tiny_model(tmp_path / "tiny")
    folder = tmp_path / "tiny" / "engines" / "tensorrt-fp16"
    folder.mkdir(parents=True)
    watched_build(draw_discs(TINY.input_px, 2))
    compile_module(model, "a", folder, precision="fp16", max_batch=2, device=None)
    assert sorted(path.name for path in folder.iterdir()) == ["module_a.plan", "plan_a.json"]
    record = check_machine(folder, "a", None)
    assert (record.gpu, record.normalise, record.max_batch) == (CARD, "frame", 2)
    assert (record.library, record.versions["tensorrt"]) == installed_library()
    assert record.versions["tensorrt"] == trt.__version__
    assert record.weights_sha256 == {"a": model.files["module_a.safetensors"]}


@pytest.mark.usefixtures("stated_card")
def test_files_of_the_pair(tmp_path, watched_build):
    model = write_tiny_model(tmp_path / "tiny", one_backbone=True)
    watched_build(draw_discs(TINY.input_px, 2))
    compile_module(model, PAIR, tmp_path, precision="fp16", max_batch=2, device=None)
    record = check_machine(tmp_path, PAIR, None)
    assert (tmp_path / "pair.plan").stat().st_size > 100_000
    assert [(one.name, one.shape) for one in record.outputs] == [
        ("masks", output_shape("a", -1, TINY.input_px)),
        ("ratios", (-1,)),
    ]
    assert record.weights_sha256 == {name: model.files[f"module_{name}.safetensors"] for name in MODULES}


def test_operator_without_counterpart_is_an_error():
    class Odd(torch.nn.Module):
        def forward(self, images_NHWC):
            return torch.special.bessel_j0(images_NHWC.float())

    example = torch.zeros((2, 8, 8, 3), dtype=torch.uint8)
    exported = torch.export.export(Odd(), (example,), dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=2)},))
    with pytest.raises(EmbryofragError, match="TensorRT could not build masks"):
        compile_plan(exported, ("masks",))


def test_option_that_the_compiler_does_not_know(monkeypatch):
    monkeypatch.setitem(plan.COMPILE_OPTIONS, "enabled_precisions", {torch.float16})
    with pytest.raises(EmbryofragError, match="has no option enabled_precisions"):
        compile_plan(exported_module("small", "b", "fp32"), ("ratios",))
