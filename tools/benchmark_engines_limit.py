"""What benchmark_engines holds the engines against: this machine's rate of matrix products, and the networks' size."""

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from embryofrag.engine.machine import cpu_features, num_cpus
from embryofrag.engine.openvino import PRECISIONS, import_openvino
from embryofrag.engine.signal_stack import keep_signal_stack

SIDE = 2048
"""Of the square matrices: large enough that loading them costs nothing beside the products."""
NUM_LAYERS = 4
CHAIN_GFLOP = NUM_LAYERS * 2 * SIDE**3 / 1e9

Chain = Callable[[], object]


def product_chains() -> dict[str, dict[str, Chain]]:
    """By precision and library: a call that multiplies a matrix by `NUM_LAYERS` others, one after the other.

    PyTorch has no quantised product to compare with, so the rate of int8 is OpenVINO's alone.
    """
    chains = {"fp32": {"torch": torch_chain(torch.float32), "openvino": openvino_chain("fp32")}}
    if "bf16" in cpu_features():
        chains["bf16"] = {"torch": torch_chain(torch.bfloat16), "openvino": openvino_chain("bf16")}
    return chains | {"int8": {"openvino": openvino_chain("int8")}}


def time_chains(chains: dict[str, dict[str, Chain]], rates: dict[str, dict[str, list[float]]]) -> None:
    """Add one round to the rates, GFLOP/s by precision and library."""
    for precision, by_library in chains.items():
        for library, chain in by_library.items():
            start_s = time.perf_counter()
            chain()
            rate = CHAIN_GFLOP / (time.perf_counter() - start_s)
            rates.setdefault(precision, {}).setdefault(library, []).append(rate)


def torch_chain(dtype: torch.dtype) -> Chain:
    """Return the products in PyTorch."""
    generator = torch.Generator().manual_seed(0)
    first, *others = (torch.rand((SIDE, SIDE), generator=generator).to(dtype) for _ in range(NUM_LAYERS + 1))

    @torch.inference_mode()
    def run() -> torch.Tensor:
        result = first
        for other in others:
            result = result @ other
        return result

    return run


def openvino_chain(precision: str) -> Chain:
    """Return the products as a graph of OpenVINO; in int8 with the roundings that a quantised network has."""
    graph = _product_graph(SIDE, quantised=precision == "int8")
    settings = {
        "INFERENCE_PRECISION_HINT": PRECISIONS["fp32" if precision == "int8" else precision],
        "INFERENCE_NUM_THREADS": num_cpus(),
        "NUM_STREAMS": 1,
    }
    with keep_signal_stack():
        request = import_openvino().Core().compile_model(graph, "CPU", settings).create_infer_request()
    matrix = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    return lambda: request.infer([matrix])


def _product_graph(side: int, *, quantised: bool):
    ov = import_openvino()
    from openvino import opset13 as ops

    def rounded(node, levels: int):
        low, high = ops.constant(np.float32(-1)), ops.constant(np.float32(1))
        return ops.fake_quantize(node, low, high, low, high, levels) if quantised else node

    rng = np.random.default_rng(0)
    parameter = result = ops.parameter([side, side], np.float32)
    for _ in range(NUM_LAYERS):
        weights = ops.constant(rng.random((side, side), np.float32) - np.float32(0.5))
        result = ops.matmul(rounded(result, 256), rounded(weights, 255), False, True)
    return ov.Model([result], [parameter])


def count_gflop(network: nn.Module, input_px: int) -> float:
    """Return the arithmetic of one frame, a multiplication and its addition counted as two.

    Args:
        network: Takes uint8 (N, S, S, 3).
        input_px: Side S.
    """
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros((1, input_px, input_px, 3), dtype=torch.uint8))
    return counter.get_total_flops() / 1e9
