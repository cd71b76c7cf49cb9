"""Run a plan: one context, one compute stream, and two slots of buffers so that copies hide behind arithmetic."""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch

from embryofrag.engine.contract import PAIR, check_images, modules_of, output_shape
from embryofrag.engine.tensorrt.gpu import choose_gpu
from embryofrag.engine.tensorrt.lane import CudaSlot, LoadedPlan, check_cuda, failures_of
from embryofrag.engine.tensorrt.record import plan_file, read_record, remedy
from embryofrag.errors import EmbryofragError

NUM_SLOTS = 2
"""Batches in flight: one computes while the other is copied."""

T = TypeVar("T")


class Slot(Protocol):
    """Room for one batch on its way through the card."""

    def submit(self, images_NHWC: np.ndarray) -> None:
        """Start a batch of at most the slot's size; returns at once."""
        ...

    def collect(self, num_images: int) -> Sequence[np.ndarray]:
        """Wait for the batch and return every output of its first images, valid until the next `submit`."""
        ...


class TensorRtEngine:
    """One module, or the pair, on one GPU.

    Every pass has the same number of frames, the last one filled up with black: a plan may take another kernel for
    another number, and a frame's result must not depend on who comes with it.
    """

    def __init__(self, folder: Path, *, engine_id: str, module: str, input_px: int, device: str | None = None):
        self.id = engine_id
        self.module = module
        self.input_px = input_px
        record = read_record(folder, module)
        self._card = torch.device("cuda", choose_gpu(device).index)
        check_cuda()
        with failures_of(self._card, module), torch.cuda.device(self._card):
            self._loaded = LoadedPlan(folder / plan_file(module), record, remedy(folder))
            self._slots, self.batch_size = allocate_halving(self._make_slots, record.max_batch)
        if self.batch_size < record.max_batch:
            logging.getLogger(__name__).warning(
                "not enough memory on %s (%s) for %d frames of module %s at once: taking %d",
                self._card,
                record.gpu.name,
                record.max_batch,
                module,
                self.batch_size,
            )

    def _make_slots(self, batch_size: int) -> list[Slot]:
        lane = self._loaded.lane(batch_size, self._card)
        input_shape, result_shapes = (batch_size, self.input_px, self.input_px, 3), self._result_shapes(batch_size)
        return [CudaSlot(lane, input_shape, result_shapes) for _ in range(NUM_SLOTS)]

    def _result_shapes(self, num_images: int) -> list[tuple[int, ...]]:
        return [output_shape(module, num_images, self.input_px) for module in modules_of(self.module)]

    def run(self, images_NHWC: np.ndarray) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Run a batch; see `contract.Engine.run`, and `contract.PairEngine.run` for the pair."""
        check_images(images_NHWC, self.input_px)
        results = tuple(np.empty(shape, np.float32) for shape in self._result_shapes(len(images_NHWC)))
        # each thread has a current card of its own
        with failures_of(self._card, self.module), torch.cuda.device(self._card):
            run_overlapped(self._slots, self.batch_size, images_NHWC, results)
        return results if self.module == PAIR else results[0]

    def close(self) -> None:
        """Give the card's memory back."""
        del self._slots, self._loaded
        torch.cuda.empty_cache()


def run_overlapped(
    slots: Sequence[Slot], batch_size: int, images_NHWC: np.ndarray, results: Sequence[np.ndarray]
) -> None:
    """Send images through the slots in turn and store every output, each slot filled again once it is read."""
    in_flight: deque[tuple[Slot, slice]] = deque()

    def collect_oldest() -> None:
        slot, part = in_flight.popleft()
        for result, output in zip(results, slot.collect(part.stop - part.start), strict=True):
            result[part] = output

    for number, start in enumerate(range(0, len(images_NHWC), batch_size)):
        if len(in_flight) == len(slots):
            collect_oldest()
        part = slice(start, min(start + batch_size, len(images_NHWC)))
        slot = slots[number % len(slots)]
        slot.submit(images_NHWC[part])
        in_flight.append((slot, part))
    while in_flight:
        collect_oldest()


def allocate_halving(allocate: Callable[[int], T], batch_size: int) -> tuple[T, int]:
    """Call `allocate` with the batch size, halved until the card has memory for it; return its result and that size.

    Raises:
        EmbryofragError: not even one frame fits.
    """
    while batch_size:
        try:
            return allocate(batch_size), batch_size
        except torch.OutOfMemoryError as error:
            reason = str(error).partition("\n")[0]
        # outside the handler, whose traceback holds what was already taken
        torch.cuda.empty_cache()
        batch_size //= 2
    raise EmbryofragError(
        f"the GPU has no memory for even one frame ({reason}): end other programs on it, or take another with --device"
    )
