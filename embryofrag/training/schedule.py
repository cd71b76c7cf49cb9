"""AdamW and its learning rate."""

import math

import torch
from torch import nn


def make_optimizer(network: nn.Module, *, lr: float, weight_decay: float) -> torch.optim.AdamW:
    """Return AdamW (arXiv 1711.05101) over the parameters that learn; only weights decay, not biases nor BatchNorm."""
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in learning if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in learning if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=lr)


def cosine_lr(step: int, *, num_steps: int, peak_lr: float, warmup_frac: float) -> float:
    """Return the learning rate of a step: linear rise to the peak, then half a cosine to 0 (arXiv 1608.03983).

    Args:
        step: 0..num_steps - 1.
        num_steps: Steps of the whole phase.
        peak_lr: Highest rate.
        warmup_frac: Share of the steps in the rise, 0..1.

    >>> [round(cosine_lr(step, num_steps=12, peak_lr=1.0, warmup_frac=0.25), 3) for step in (0, 1, 2, 3, 7, 11)]
    [0.333, 0.667, 1.0, 0.992, 0.5, 0.008]
    """
    num_warmup = math.ceil(num_steps * warmup_frac)
    if step < num_warmup:
        return peak_lr * ((step + 1) / num_warmup)
    share = (step - num_warmup + 0.5) / max(1, num_steps - num_warmup)
    return peak_lr * 0.5 * (1 + math.cos(math.pi * share))


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every group the same learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = lr
