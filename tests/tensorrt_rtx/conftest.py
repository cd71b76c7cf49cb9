"""What TensorRT-RTX can prove without a GPU: it builds its plans ahead of time on the CPU.

`make test-tensorrt` runs this folder in an environment of its own; elsewhere there is no torch_tensorrt and the
folder is passed over.
"""

import importlib.util
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
import torch

if importlib.util.find_spec("torch_tensorrt") is None:
    collect_ignore_glob = ["test_*.py"]
elif not torch.cuda.is_available():
    # torch_tensorrt asks for both while it is imported, and only there
    torch.cuda.get_device_capability = lambda device=None: (8, 9)
    torch.cuda.current_device = lambda: 0


@dataclass
class Built:
    """What TensorRT was given and made of one module."""

    layers: list[tuple[str, list[str]]] = field(default_factory=list)
    """(layer type, data types of its outputs) of the network definition."""
    inputs: list[tuple] = field(default_factory=list)
    """(name, data type, shape)."""
    outputs: list[tuple] = field(default_factory=list)
    lowered_results: tuple[np.ndarray, ...] = ()
    """Of the graph that was converted, computed by PyTorch on the CPU."""

    def dtypes_of(self, kind: str) -> list[str]:
        """Data type of each output of each layer of a kind."""
        return [dtype for layer_kind, dtypes in self.layers if layer_kind == kind for dtype in dtypes]


@pytest.fixture
def watched_build(monkeypatch):
    """Let plans be built without a driver, and see what they are built from.

    torch_tensorrt reads a plan back once it is built, and only that needs a card: here the same steps are taken
    without it, and the network definition is written down before it is gone.
    """
    import tensorrt as trt
    from torch_tensorrt.dynamo.conversion._TRTInterpreter import TRTInterpreter, TRTInterpreterResult

    def watch(images_NHWC: np.ndarray) -> Built:
        built = Built()

        def run(interpreter, strict_type_constraints=False, tactic_sources=None):
            with torch.inference_mode():
                results = torch.utils._pytree.tree_leaves(interpreter.module(torch.tensor(images_NHWC)))
            built.lowered_results = tuple(result.numpy() for result in results)
            interpreter._construct_trt_network_def()
            _describe(interpreter.ctx.net, built)
            config = interpreter._populate_trt_builder_config()
            plan = interpreter.builder.build_serialized_network(interpreter.ctx.net, config)
            assert plan is not None
            engine = SimpleNamespace(serialize=lambda: plan)
            return TRTInterpreterResult(engine, interpreter._input_names, interpreter._output_names, False, False, {})

        monkeypatch.setattr(TRTInterpreter, "run", run)
        return built

    def _describe(net: trt.INetworkDefinition, built: Built) -> None:
        built.inputs = [_tensor(net.get_input(index)) for index in range(net.num_inputs)]
        built.outputs = [_tensor(net.get_output(index)) for index in range(net.num_outputs)]
        for index in range(net.num_layers):
            layer = net.get_layer(index)
            dtypes = [layer.get_output(number).dtype.name for number in range(layer.num_outputs)]
            built.layers.append((layer.type.name, dtypes))

    def _tensor(tensor: trt.ITensor) -> tuple:
        return tensor.name, tensor.dtype.name, tuple(tensor.shape)

    return watch
