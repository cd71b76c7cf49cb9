"""The processes of one run: alone, or several under ``torchrun``."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """Which of the processes this is, and where it computes."""

    rank: int = 0
    world_size: int = 1
    device: torch.device = CPU

    @property
    def is_first(self) -> bool:
        """Whether this process validates, writes and talks."""
        return self.rank == 0

    def share(self, module: nn.Module) -> nn.Module:
        """Return the module so that its gradients are averaged over the processes."""
        if self.world_size == 1:
            return module
        # D lets the classification layer learn, though L_reg gives it no gradient
        return DistributedDataParallel(module, find_unused_parameters=True)

    def from_first(self, value: float) -> float:
        """Return the first process's value in all of them; all must call."""
        if self.world_size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=self.device)
        dist.broadcast(shared, src=0)
        return float(shared)

    def wait(self) -> None:
        """Return when all processes are here."""
        self.from_first(0.0)


@contextmanager
def join_ranks() -> Iterator[Ranks]:
    """Join the processes that ``torchrun`` started (NCCL on GPUs, gloo on CPUs); without it, be alone."""
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if torch.cuda.is_available() else None
    if device is not None:
        torch.cuda.set_device(device)
        # the same sums in the same order at every run, at the price of some speed
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    if world_size == 1:
        yield Ranks(device=device or CPU)
        return
    dist.init_process_group("nccl" if device is not None else "gloo")
    try:
        yield Ranks(rank=rank, world_size=world_size, device=device or CPU)
    finally:
        dist.destroy_process_group()
