"""How a CPU's cores are shared between the network and the processes that feed it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from embryofrag.engine.machine import num_cpus


@contextmanager
def leave_cpus(num_workers: int) -> Iterator[None]:
    """Let PyTorch compute on the cores that `num_workers` loader processes leave it, at least on one.

    PyTorch's threads wait for each other at every layer: where a reader takes one of their cores, all of them stand
    still. A smaller number of threads that was set before (OMP_NUM_THREADS) stays.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, min(before, num_cpus() - num_workers)))
    try:
        yield
    finally:
        torch.set_num_threads(before)
