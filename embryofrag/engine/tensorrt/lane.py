"""A plan on one card: context, streams, memory and the buffers of the batches in flight."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from embryofrag.engine.tensorrt.libraries import INSTALL, import_runtime
from embryofrag.engine.tensorrt.record import PlanRecord
from embryofrag.errors import EmbryofragError


def check_cuda() -> None:
    """Check that PyTorch, whose buffers and streams the plans run on, can use the cards.

    Raises:
        EmbryofragError: it cannot.
    """
    if not torch.cuda.is_available():
        raise EmbryofragError(
            f"PyTorch {torch.__version__} finds no card where the driver names one: install its CUDA build, {INSTALL}"
        )


@contextmanager
def failures_of(card: torch.device, module: str) -> Iterator[None]:
    """Turn what a card fails with into an error that stops the run: no frame is to blame for it.

    Raises:
        EmbryofragError: in the place of a RuntimeError, which is what PyTorch makes of every CUDA error.
    """
    try:
        yield
    except RuntimeError as error:
        raise EmbryofragError(
            f"{card} failed in module {module} ({error}): see `nvidia-smi`, then start the run again"
        ) from error


class LoadedPlan:
    """A plan that TensorRT has read."""

    def __init__(self, path: Path, record: PlanRecord, remedy: str):
        self._trt = import_runtime()
        self._record = record
        self._log = _complaints(self._trt)
        self._runtime = self._trt.Runtime(self._log)
        self._engine = self._runtime.deserialize_cuda_engine(path.read_bytes())
        if self._engine is None:
            raise EmbryofragError(f"TensorRT refused {path} ({self._log.last}); {remedy}")

    def lane(self, batch_size: int, card: torch.device) -> "Lane":
        """Return a context with memory for passes of `batch_size` frames.

        Raises:
            torch.OutOfMemoryError: the card has not that much.
        """
        context = self._engine.create_execution_context(self._trt.ExecutionContextAllocationStrategy.USER_MANAGED)
        if context is None:
            raise torch.OutOfMemoryError(f"TensorRT made no context: {self._log.last}")
        shape = (batch_size, *self._record.input.shape[1:])
        if not context.set_input_shape(self._record.input.name, shape):
            raise EmbryofragError(f"the plan does not take {shape}: {self._log.last}")
        return Lane(context, self._record, card, self._log)


class Lane:
    """A context with its memory and its streams: what comes in by one, computes on the next, leaves by the third."""

    def __init__(self, context, record: PlanRecord, card: torch.device, log):
        self.card = card
        self.copy_in, self.compute, self.copy_out = (torch.cuda.Stream(card) for _ in range(3))
        self._context, self._record, self._log = context, record, log
        size_bytes = context.update_device_memory_size_for_shapes()
        self._memory = torch.empty(max(1, size_bytes), dtype=torch.uint8, device=card)
        context.set_device_memory(self._memory.data_ptr(), size_bytes)

    def enqueue(self, images: torch.Tensor, outputs: Sequence[torch.Tensor]) -> None:
        """Queue one pass on the compute stream; the outputs are in the order of the record."""
        self._context.set_tensor_address(self._record.input.name, images.data_ptr())
        for binding, output in zip(self._record.outputs, outputs, strict=True):
            self._context.set_tensor_address(binding.name, output.data_ptr())
        if not self._context.execute_async_v3(self.compute.cuda_stream):
            raise RuntimeError(f"TensorRT did not take the batch: {self._log.last}")


class CudaSlot:
    """Pinned and device buffers of one batch, with the events that order its three steps."""

    def __init__(self, lane: Lane, input_shape: tuple[int, ...], result_shapes: Sequence[tuple[int, ...]]):
        self._lane = lane
        self._host_in = torch.zeros(input_shape, dtype=torch.uint8, pin_memory=True)
        self._device_in = torch.empty(input_shape, dtype=torch.uint8, device=lane.card)
        self._device_out = [torch.empty(shape, dtype=torch.float32, device=lane.card) for shape in result_shapes]
        self._host_out = [torch.empty(shape, dtype=torch.float32, pin_memory=True) for shape in result_shapes]
        # waiting on a blocking event leaves the core to the threads that decode
        self._arrived, self._computed, self._returned = (torch.cuda.Event(blocking=True) for _ in range(3))

    def submit(self, images_NHWC: np.ndarray) -> None:
        """See `Slot.submit`."""
        lane, pinned = self._lane, self._host_in.numpy()
        pinned[: len(images_NHWC)] = images_NHWC
        pinned[len(images_NHWC) :] = 0
        with torch.cuda.stream(lane.copy_in):
            self._device_in.copy_(self._host_in, non_blocking=True)
            self._arrived.record()
        lane.compute.wait_event(self._arrived)
        lane.enqueue(self._device_in, self._device_out)
        self._computed.record(lane.compute)
        lane.copy_out.wait_event(self._computed)
        with torch.cuda.stream(lane.copy_out):
            for host, result in zip(self._host_out, self._device_out, strict=True):
                host.copy_(result, non_blocking=True)
            self._returned.record()

    def collect(self, num_images: int) -> list[np.ndarray]:
        """See `Slot.collect`."""
        self._returned.synchronize()
        return [host[:num_images].numpy() for host in self._host_out]


def _complaints(trt):
    """Return a TensorRT logger that keeps the last error for our own messages."""

    class Complaints(trt.ILogger):
        def __init__(self):
            super().__init__()
            self.last = "no reason given"

        def log(self, severity, message: str) -> None:
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                self.last = message

    return Complaints()
