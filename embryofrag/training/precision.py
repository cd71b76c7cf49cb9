"""The arithmetic of backbone and decoder."""

import torch

from embryofrag.engine.machine import cpu_features
from embryofrag.errors import UsageError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_precision(name: str, device: torch.device) -> tuple[torch.dtype, str]:
    """Return the type that convolutions run in, and one sentence that says why.

    Args:
        name: "auto" (bf16 where the machine has it, else fp16 on a GPU and fp32 on a CPU) or a key of `DTYPES`.
        device: Where the network runs.

    Raises:
        UsageError: fp16 on a CPU.
    """
    if name == "fp16" and device.type == "cpu":
        raise UsageError("fp16 needs a GPU: take --precision bf16 or fp32 on a CPU")
    if name != "auto":
        return DTYPES[name], f"{name} as asked"
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return torch.bfloat16, "auto: bf16 (this GPU has it)"
        return torch.float16, "auto: fp16 with loss scaling (this GPU has no bf16)"
    if "bf16" in cpu_features():
        return torch.bfloat16, "auto: bf16 (this CPU has it)"
    return torch.float32, "auto: fp32 (this CPU has no bf16)"


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Return the context in which convolutions run in `dtype`."""
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)
