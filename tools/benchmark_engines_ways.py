"""The ways of running a model that benchmark_engines puts side by side: one explicit table."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import benchmark_engines_ungated
import numpy as np
import torch
from benchmark import EMBRYOFRAG
from torch import nn

from embryofrag.engine.backends import BACKENDS
from embryofrag.engine.contract import LOCATOR, MODULES
from embryofrag.engine.eager import load_deployed
from embryofrag.engine.machine import cpu_features, num_cpus
from embryofrag.engine.manifest import ENGINES_FOLDER, engine_name
from embryofrag.engine.model import MODEL_FILE, ModelInfo
from embryofrag.engine.quantise import PRECISION as QUANTISED
from embryofrag.engine.select import choose_engine, load_pair
from embryofrag.errors import EmbryofragError
from embryofrag.network.reference import ConcatenatedConv, FullNetwork, load_concatenated

Run = Callable[[np.ndarray], np.ndarray]
"""uint8 (N, S, S, 3) in; what `Engine.run` or `PairEngine.run` of `engine.contract` returns out."""
NUM_COMPILATIONS = 256
"""More than all modules, sizes and precisions need; PyTorch would otherwise give up and run eagerly."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way of running a model's modules."""

    precision: str
    """What its arithmetic is held against."""
    load: Callable[[ModelInfo], dict[str, Run]]
    """By module, or by pass; raises EmbryofragError with the reason where this machine or model cannot."""
    concatenated: bool = False
    """Whether the injected vector is spread over the map, and both modules are whole networks."""
    pair: str | None = None
    """Of an engine of ours, as `engines build --pair` takes it."""


def load_eager(model: ModelInfo) -> dict[str, Run]:
    """The deployed modules in PyTorch."""
    return {module: torch_run(load_deployed(model, module)) for module in model.modules}


def load_written_out(model: ModelInfo) -> dict[str, Run]:
    """What a user would write: the whole networks, with the joined map built."""
    return {module: torch_run(written_out(model, module)) for module in model.modules}


def written_out(model: ModelInfo, module: str) -> nn.Module:
    """Return a module as the paper draws it."""
    if not model.network_of(module)["injection"]:
        raise EmbryofragError(f"{model.id} injects nothing")
    if module in MODULES:
        return OneAnswer(load_concatenated(model.path, module), module)
    deployed = load_deployed(model, module)
    if module == LOCATOR:
        deployed.decoder.injection = ConcatenatedConv(deployed.decoder.injection)
    return deployed


class OneAnswer(nn.Module):
    """The whole network computed, and of its two answers the module's."""

    def __init__(self, network: FullNetwork, module: str):
        super().__init__()
        self.network = network
        self.module = module

    def forward(self, images_NHWC: torch.Tensor) -> torch.Tensor:
        """Map uint8 (N, S, S, 3) to what the module returns."""
        logits = self.network(images_NHWC)
        return torch.sigmoid(logits.ratio_N if self.module == "b" else logits.masks_NKHW)


def torch_run(network: nn.Module, dtype: torch.dtype = torch.float32) -> Run:
    """Return a call from NumPy to NumPy; below fp32 by autocast."""

    @torch.inference_mode()
    def run(images_NHWC: np.ndarray) -> np.ndarray:
        frames = torch.from_numpy(images_NHWC)
        if len(frames) > 1:
            torch._dynamo.mark_dynamic(frames, 0)
        with nullcontext() if dtype is torch.float32 else torch.autocast("cpu", dtype):
            return network(frames).float().numpy()

    return run


def load_inductor(model: ModelInfo, dtype: torch.dtype) -> dict[str, Run]:
    """torch.compile with frozen weights: folded BatchNorm, packed convolutions; one graph for all batches above 1."""
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise EmbryofragError("torch.compile needs a C++ compiler (g++ or clang++), and there is none") from error
    if dtype is torch.bfloat16 and "bf16" not in cpu_features():
        raise EmbryofragError("this CPU has no bf16")
    torch._inductor.config.freezing = True
    torch._dynamo.config.recompile_limit = torch._dynamo.config.accumulated_recompile_limit = NUM_COMPILATIONS
    compiled = {module: torch.compile(load_deployed(model, module), fullgraph=True, dynamic=False)
                for module in model.modules}  # fmt: skip
    return {module: torch_run(network, dtype) for module, network in compiled.items()}


def load_onnx(model: ModelInfo) -> dict[str, Run]:
    """ONNX Runtime on graphs that PyTorch exports, with a free batch."""
    try:
        import onnxruntime
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise EmbryofragError(f"{error.name} is not installed: pip install 'embryofrag[bench]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_cpus()
    # its threads would otherwise go on spinning while the next way is timed
    options.add_session_config_entry("session.force_spinning_stop", "1")
    runs = {}
    with tempfile.TemporaryDirectory() as folder:
        for module in model.modules:
            graph = export_onnx(model, module, Path(folder) / f"{module}.onnx")
            session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
            runs[module] = partial(_run_session, session)
    return runs


def _run_session(session, images_NHWC: np.ndarray) -> np.ndarray:
    return session.run(None, {session.get_inputs()[0].name: images_NHWC})[0]


def export_onnx(model: ModelInfo, module: str, path: Path) -> Path:
    """Write a module as ONNX."""
    side = model.network_of(module)["input_px"]
    frames = torch.zeros((2, side, side, 3), dtype=torch.uint8)
    shapes = ({0: torch.export.Dim.DYNAMIC},)
    network = load_deployed(model, module)
    torch.onnx.export(network, (frames,), dynamo=True, dynamic_shapes=shapes, verbose=False).save(path)
    return path


def load_openvino(model: ModelInfo, precision: str, pair: str) -> dict[str, Run]:
    """Our engine, by pass."""
    home = engine_home(model, pair)
    if not (home / ENGINES_FOLDER / engine_name("openvino", precision)).is_dir():
        build_aside(home, precision, pair, gated=model.trained or precision != QUANTISED)
    return {name: engine.run for name, engine in load_pair(choose_engine(home, "openvino", precision)).loaded.items()}


def engine_home(model: ModelInfo, pair: str) -> Path:
    """Return a copy of the model beside it for engines of one kind of pair: a model holds one engine a precision."""
    home = model.path.with_name(f"{model.path.name}-{pair}")
    if not home.exists():
        home.mkdir()
        for name in (MODEL_FILE, *model.files):
            shutil.copy(model.path / name, home)
    return home


def build_aside(home: Path, precision: str, pair: str, *, gated: bool = True) -> None:
    """Build an engine in a process of its own: what quantises networks changes PyTorch, which is timed here."""
    if gated:
        command = [*EMBRYOFRAG, "engines", "build", str(home), "--precision", precision, "--pair", pair]
    else:
        command = [sys.executable, benchmark_engines_ungated.__file__, str(home), "--pair", pair]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        raise EmbryofragError(built.stderr.strip().splitlines()[-1].removeprefix("Error: "))


YARDSTICK = "eager fp32, injection concatenated"
"""What the others are a multiple of."""
OPENVINO = {
    f"OpenVINO {precision}{suffix}": Way(
        precision=precision, load=partial(load_openvino, precision=precision, pair=pair), pair=pair
    )
    for precision in reversed(BACKENDS["openvino"].needs)
    for pair, suffix in (("apart", ""), ("decoupled", ", one pass"))
}
"""Modules A and B after each other, and in one pass."""
WAYS: dict[str, Way] = {
    YARDSTICK: Way(precision="fp32", load=load_written_out, concatenated=True),
    "eager fp32": Way(precision="fp32", load=load_eager),
    "torch.compile fp32": Way(precision="fp32", load=partial(load_inductor, dtype=torch.float32)),
    "torch.compile bf16": Way(precision="bf16", load=partial(load_inductor, dtype=torch.bfloat16)),
    "ONNX Runtime fp32": Way(precision="fp32", load=load_onnx),
    **OPENVINO,
}
