"""Engines on the CPU through OpenVINO."""

import io
import sys
from functools import cache
from pathlib import Path

import numpy as np

from embryofrag.engine.cache import read_entry, write_entry
from embryofrag.engine.contract import NUMBER_MODULES, PAIR, check_images, file_stem
from embryofrag.engine.digest import sha256_of_file, sha256_of_values
from embryofrag.engine.machine import num_cpus
from embryofrag.engine.signal_stack import keep_signal_stack
from embryofrag.errors import EmbryofragError

PRECISIONS = {"int8": "f32", "bf16": "bf16", "fp32": "f32"}
"""Our name of a precision -> what OpenVINO computes floats in; an int8 graph itself says which layers are int8."""


@cache
def import_openvino():
    """Import OpenVINO with its usage statistics off.

    ``import openvino`` reports to its maker over the network, without asking, whenever the package
    ``openvino_telemetry`` can be imported. A lab's machine must not, so that import is made to fail; OpenVINO then
    takes its own stand-in that sends nothing.
    """
    sys.modules.setdefault("openvino_telemetry", None)
    import openvino

    return openvino


def has_precision(precision: str) -> bool:
    """Return whether OpenVINO can compute in `precision` on this CPU."""
    with keep_signal_stack():
        capabilities = import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return precision.upper() in capabilities


def module_file(module: str) -> str:
    """Name the graph of a module; its weights lie beside it as ``.bin``.

    >>> module_file("a")
    'module_a.xml'
    """
    return f"{file_stem(module)}.xml"


def head_file(module: str) -> str:
    """Name the second graph of a module that has one: `contract.NUMBER_MODULES`, and the pair.

    >>> head_file("b")
    'module_b_head.xml'
    """
    return f"{file_stem(module)}_head.xml"


def read_graph(xml: Path):
    """Return an ``openvino.Model`` that is not compiled yet."""
    with keep_signal_stack():
        return import_openvino().Core().read_model(xml)


def save_graph(graph, xml: Path, *, weights_in_fp16: bool = False) -> None:
    """Write an ``openvino.Model`` as ``.xml`` and ``.bin``; the same model gives the same bytes."""
    # OpenVINO numbers names through the life of a process
    graph.set_friendly_name(xml.name)
    for number, node in enumerate(graph.get_ordered_ops()):
        node.set_friendly_name(f"{node.get_type_name()}_{number}")
    import_openvino().save_model(graph, xml, compress_to_fp16=weights_in_fp16)


class OpenVinoEngine:
    """One module, compiled for one image, with a batch spread over parallel streams.

    A compiled batch of 1 makes an image's result independent of its batch by construction, and one thread per
    stream is the fastest way to use the cores. The head of a module with one is a graph of its own, always in fp32.
    """

    def __init__(
        self,
        folder: Path,
        *,
        engine_id: str,
        module: str,
        input_px: int,
        precision: str,
        num_threads: int | None = None,
        cache_dir: Path | None = None,
    ):
        """Load the module; with `cache_dir` from what an earlier start compiled, where that is still there."""
        self.id = engine_id
        self.module = module
        self.input_px = input_px
        num_threads = num_threads or num_cpus()
        ov = import_openvino()
        graph = _load(folder / module_file(module), precision, num_threads, cache_dir)
        self._queue = ov.AsyncInferQueue(graph, num_threads)
        self._head = None
        if module in (*NUMBER_MODULES, PAIR):
            self._head = _load(folder / head_file(module), "fp32", 1, cache_dir).create_infer_request()

    def run(self, images_NHWC: np.ndarray) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Run a batch; see `contract.Engine.run`, and `contract.PairEngine.run` for the pair."""
        check_images(images_NHWC, self.input_px)
        outputs: list[list[np.ndarray]] = [None] * len(images_NHWC)

        def store(request, index: int):
            outputs[index] = [tensor.data.copy() for tensor in request.output_tensors]

        self._queue.set_callback(store)
        for index in range(len(images_NHWC)):
            self._queue.start_async(images_NHWC[index : index + 1], index)
        self._queue.wait_all()
        if self._head is not None:
            # what the head reads is the graph's last output
            outputs = [[*others, self._head.infer(pooled)[0].copy()] for *others, pooled in outputs]
        results = tuple(np.concatenate(parts) for parts in zip(*outputs, strict=True))
        return results if self.module == PAIR else results[0]

    def close(self) -> None:
        """Drop the compiled graphs; OpenVINO frees their threads and memory with them."""
        del self._queue, self._head


def _load(xml: Path, precision: str, num_threads: int, cache_dir: Path | None):
    """Return the compiled graph, from the cache where it lies there; None: there is no cache."""
    settings = {
        "INFERENCE_PRECISION_HINT": PRECISIONS[precision],
        "INFERENCE_NUM_THREADS": num_threads,
        "NUM_STREAMS": num_threads,
        # several runs on one machine would otherwise all be pinned to its first cores
        "ENABLE_CPU_PINNING": False,
    }
    try:
        with keep_signal_stack():
            core = import_openvino().Core()
            if cache_dir is None:
                return core.compile_model(xml, "CPU", settings)
            return _load_cached(core, xml, settings, cache_dir)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise EmbryofragError(
            f"OpenVINO cannot load {xml} ({reason}): build it anew with `embryofrag engines build`"
        ) from error


def _load_cached(core, xml: Path, settings: dict, cache_dir: Path):
    files = [sha256_of_file(path) for path in (xml, xml.with_suffix(".bin"))]
    machine = [core.get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
    key = sha256_of_values([*files, import_openvino().__version__, *machine, settings])
    kept = read_entry(cache_dir, key)
    if kept is not None:
        try:
            return core.import_model(io.BytesIO(kept), "CPU", settings)
        except RuntimeError:
            pass  # kept by an OpenVINO that is not quite this one: compile it anew, and keep that
    compiled = core.compile_model(xml, "CPU", settings)
    write_entry(cache_dir, key, compiled.export_model().getvalue())
    return compiled
