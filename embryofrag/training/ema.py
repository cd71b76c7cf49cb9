"""Averaged weights: what is validated, kept and deployed."""

from copy import deepcopy

import torch
from torch import nn

from embryofrag.training.freeze import learning_state

WARMUP_STEPS = 10
"""The average forgets its start within about so many updates, whatever the decay."""


class Ema:
    """Exponential moving average of a network's parameters and BatchNorm statistics."""

    def __init__(self, network: nn.Module, decay: float):
        """Start at the network as it is; what is frozen in it is taken over and left alone."""
        self.decay = decay
        self.num_updates = 0
        self.network = deepcopy(network).eval().requires_grad_(False)
        averaged = self.network.state_dict()
        self.state = {name: averaged[name] for name in learning_state(network)}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average towards the network: average += (1 - d) (network - average).

        d rises from 1 / WARMUP_STEPS to `decay`, so that the first average is not the random start.
        """
        decay = min(self.decay, (1 + self.num_updates) / (WARMUP_STEPS + self.num_updates))
        self.num_updates += 1
        for name, theirs in learning_state(network).items():
            if theirs.is_floating_point():
                self.state[name].lerp_(theirs, 1 - decay)
            else:
                self.state[name].copy_(theirs)
