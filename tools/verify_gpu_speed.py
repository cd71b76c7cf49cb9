"""The timings of verify_gpu: the engines beside PyTorch on the same card, in one run."""

import time
from collections.abc import Callable

import numpy as np
import torch

from embryofrag.engine.eager import load_deployed
from embryofrag.engine.model import ModelInfo
from embryofrag.engine.pair import EnginePair
from embryofrag.network.reference import load_concatenated

NUM_FRAMES = 256
"""Frames of a timing."""
PYTORCH_BATCH = 8
WINDOW_S = 10.0

Run = Callable[[np.ndarray], object]


def measure_speed(pair: EnginePair, images_NHWC: np.ndarray, torch_device: str) -> dict[str, dict]:
    """Frames a second of modules A and B and of both, from NumPy to NumPy, and the memory it takes.

    An engine of one pass gives both in the time of either.
    """
    frames = np.resize(images_NHWC, (NUM_FRAMES, *images_NHWC.shape[1:]))
    if torch_device == "cpu":
        frames = frames[:16]
    model = pair.choice.model
    engine = pair.choice.engine_a_id.partition(":")[0]
    ways = {engine: {"a": pair.masks, "b": pair.ratios, "both": pair.masks_and_ratios}}
    ways |= {name: {module: way(model, module) for module in "ab"} for name, way in _ways(torch_device).items()}
    figures = {}
    for name, runs in ways.items():
        seconds = {module: _seconds_a_frame(run, frames) for module, run in runs.items()}
        seconds.setdefault("both", seconds["a"] + seconds["b"])
        figures[name] = {f"{module} frames/s": round(1 / value, 1) for module, value in seconds.items()}
        figures[name] |= {"memory_bytes": _peak_bytes(runs["a"], frames, torch_device)}
    return figures


def _ways(torch_device: str) -> dict[str, Callable[[ModelInfo, str], Run]]:
    """What a user of PyTorch could do instead."""

    def loop(network: torch.nn.Module, dtype: torch.dtype) -> Run:
        network = network.to(torch_device)

        @torch.inference_mode()
        def run(images_NHWC: np.ndarray) -> None:
            with torch.autocast(torch.device(torch_device).type, dtype, enabled=dtype is not torch.float32):
                for batch in np.array_split(images_NHWC, -(-len(images_NHWC) // PYTORCH_BATCH)):
                    result = network(torch.from_numpy(batch).to(torch_device))
                    torch.utils._pytree.tree_map(torch.Tensor.cpu, result)

        return run

    compiler = "aot_eager" if torch_device == "cpu" else "inductor"
    return {
        "eager fp32, injection concatenated": lambda m, module: loop(load_concatenated(m.path, module), torch.float32),
        "eager fp32": lambda m, module: loop(load_deployed(m, module), torch.float32),
        "eager fp16 autocast": lambda m, module: loop(load_deployed(m, module), torch.float16),
        "torch.compile fp16 autocast": lambda m, module: loop(
            torch.compile(load_deployed(m, module), backend=compiler), torch.float16
        ),
    }


def _seconds_a_frame(run: Run, frames: np.ndarray) -> float:
    """Best of three; the results are NumPy arrays, so the card has finished when the clock is read."""
    run(frames[: 2 * PYTORCH_BATCH])  # the first calls are slower
    times_s = []
    for _ in range(3):
        start_s = time.perf_counter()
        run(frames)
        times_s.append(time.perf_counter() - start_s)
    return min(times_s) / len(frames)


def _peak_bytes(run: Run, frames: np.ndarray, torch_device: str) -> int | None:
    """Most memory that PyTorch held on the card during a call; an engine's buffers are among it."""
    if torch_device == "cpu":
        return None
    torch.cuda.reset_peak_memory_stats(torch_device)
    run(frames[: 2 * PYTORCH_BATCH])
    return torch.cuda.max_memory_allocated(torch_device)


def measure_sustained(pair: EnginePair, images_NHWC: np.ndarray, seconds: float, torch_device: str) -> dict[str, dict]:
    """Frames a second of both modules in windows of 10 s, and how much memory is gone in the end."""
    windows, num_frames, before_bytes = [], 0, _used_bytes(torch_device)
    window_s = min(WINDOW_S, seconds)
    begun_s = start_s = time.perf_counter()
    while time.perf_counter() - begun_s < seconds:
        pair.masks_and_ratios(images_NHWC)
        num_frames += len(images_NHWC)
        elapsed_s = time.perf_counter() - start_s
        if elapsed_s >= window_s:
            windows.append(num_frames / elapsed_s)
            num_frames, start_s = 0, time.perf_counter()
    return {
        "frames/s": {name: round(choose(windows), 1) for name, choose in (("slowest", min), ("fastest", max))},
        "memory": {"grew_bytes": _used_bytes(torch_device) - before_bytes},
    }


def _used_bytes(torch_device: str) -> int:
    """Memory in use on the card, by whomever."""
    if torch_device == "cpu":
        return 0
    free_bytes, total_bytes = torch.cuda.mem_get_info(torch_device)
    return total_bytes - free_bytes
