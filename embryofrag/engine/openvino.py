"""Engines on the CPU through OpenVINO."""

import sys
from functools import cache
from pathlib import Path

import numpy as np

from embryofrag.engine.contract import check_images, output_shape
from embryofrag.engine.machine import num_cpus

PRECISIONS = {"bf16": "bf16", "fp32": "f32"}
"""Our name of a precision -> OpenVINO's."""


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
    capabilities = import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return precision.upper() in capabilities


class OpenVinoEngine:
    """One module, compiled for one image, with a batch spread over parallel streams.

    A compiled batch of 1 makes an image's result independent of its batch by construction, and one thread per
    stream is the fastest way to use the cores.
    """

    def __init__(
        self, xml: Path, *, engine_id: str, module: str, input_px: int, precision: str, num_threads: int | None = None
    ):
        self.id = engine_id
        self.module = module
        self.input_px = input_px
        ov = import_openvino()
        num_threads = num_threads or num_cpus()
        compiled = ov.Core().compile_model(
            xml,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": PRECISIONS[precision],
                "INFERENCE_NUM_THREADS": num_threads,
                "NUM_STREAMS": num_threads,
                # several runs on one machine would otherwise all be pinned to its first cores
                "ENABLE_CPU_PINNING": False,
            },
        )
        self._queue = ov.AsyncInferQueue(compiled, num_threads)

    def run(self, images_NHWC: np.ndarray) -> np.ndarray:
        """Run a batch; see `contract.Engine.run`."""
        check_images(images_NHWC, self.input_px)
        result = np.empty(output_shape(self.module, len(images_NHWC), self.input_px), np.float32)

        def store(request, index: int):
            result[index] = request.get_output_tensor().data[0]

        self._queue.set_callback(store)
        for index in range(len(images_NHWC)):
            self._queue.start_async(images_NHWC[index : index + 1], index)
        self._queue.wait_all()
        return result

    def close(self) -> None:
        """Drop the compiled model; OpenVINO frees its threads and memory with it."""
        del self._queue
