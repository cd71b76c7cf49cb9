"""Engines on the CPU through OpenVINO."""

import sys
from functools import cache
from pathlib import Path

import numpy as np

from embryofrag.engine.contract import check_images, file_stem
from embryofrag.engine.machine import num_cpus
from embryofrag.engine.signal_stack import keep_signal_stack
from embryofrag.errors import EmbryofragError

PRECISIONS = {"bf16": "bf16", "fp32": "f32"}
"""Our name of a precision -> OpenVINO's."""
HEAD_FILE = "module_b_head.xml"


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


class OpenVinoEngine:
    """One module, compiled for one image, with a batch spread over parallel streams.

    A compiled batch of 1 makes an image's result independent of its batch by construction, and one thread per
    stream is the fastest way to use the cores. The head of module B is a graph of its own, always in fp32.
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
    ):
        self.id = engine_id
        self.module = module
        self.input_px = input_px
        num_threads = num_threads or num_cpus()
        ov = import_openvino()
        graph = _compile(folder / module_file(module), precision, num_threads)
        self._queue = ov.AsyncInferQueue(graph, num_threads)
        self._head = _compile(folder / HEAD_FILE, "fp32", 1).create_infer_request() if module == "b" else None

    def run(self, images_NHWC: np.ndarray) -> np.ndarray:
        """Run a batch; see `contract.Engine.run`."""
        check_images(images_NHWC, self.input_px)
        outputs: list[np.ndarray] = [None] * len(images_NHWC)

        def store(request, index: int):
            outputs[index] = request.get_output_tensor().data.copy()

        self._queue.set_callback(store)
        for index in range(len(images_NHWC)):
            self._queue.start_async(images_NHWC[index : index + 1], index)
        self._queue.wait_all()
        if self._head is not None:
            outputs = [self._head.infer(pooled)[0].copy() for pooled in outputs]
        return np.concatenate(outputs)

    def close(self) -> None:
        """Drop the compiled graphs; OpenVINO frees their threads and memory with them."""
        del self._queue, self._head


def _compile(xml: Path, precision: str, num_threads: int):
    settings = {
        "INFERENCE_PRECISION_HINT": PRECISIONS[precision],
        "INFERENCE_NUM_THREADS": num_threads,
        "NUM_STREAMS": num_threads,
        # several runs on one machine would otherwise all be pinned to its first cores
        "ENABLE_CPU_PINNING": False,
    }
    try:
        with keep_signal_stack():
            return import_openvino().Core().compile_model(xml, "CPU", settings)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise EmbryofragError(
            f"OpenVINO cannot load {xml} ({reason}): build it anew with `embryofrag engines build`"
        ) from error
