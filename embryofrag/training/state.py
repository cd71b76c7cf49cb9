"""All that a phase carries from one epoch to the next, and that a checkpoint therefore holds."""

from pathlib import Path

import torch

from embryofrag.network.attn_reg_deeplab import AttnRegDeepLab
from embryofrag.training.checkpoint import (
    below_prefix,
    load_tensors,
    optimizer_tensors,
    restore_optimizer,
    save_tensors,
    with_prefix,
)
from embryofrag.training.config import PhaseConfig, TrainConfig
from embryofrag.training.ema import Ema
from embryofrag.training.freeze import freeze_but, learning_state
from embryofrag.training.schedule import make_optimizer

EpochFigures = dict[str, float | int | None]
"""Figures of one epoch by name; None where the phase has no such figure."""


class PhaseState:
    """Network, average, optimiser, loss scale and history of a phase.

    Random numbers are no part of it: order and augmentation follow from seed and epoch.
    """

    def __init__(self, network: AttnRegDeepLab, phase: PhaseConfig, config: TrainConfig, dtype: torch.dtype):
        """Begin a phase with the weights that `network` holds."""
        freeze_but(network, phase.trainable)
        self.network = network
        self.ema = Ema(network, config.ema_decay)
        self.optimizer = make_optimizer(network, lr=phase.lr, weight_decay=config.weight_decay)
        device = next(network.parameters()).device
        self.scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
        self.history: list[EpochFigures] = []

    @property
    def num_epochs(self) -> int:
        """Epochs done."""
        return len(self.history)

    @property
    def best_epoch(self) -> int:
        """Epoch of the least validation loss, from 0 on."""
        return min(range(len(self.history)), key=lambda epoch: self.history[epoch]["val_loss"])

    def save(self, path: Path) -> None:
        """Replace the checkpoint.

        Raises:
            EmbryofragError: It cannot be written; the old one is still there.
        """
        tensors = {
            **with_prefix("network", learning_state(self.network)),
            **with_prefix("ema", self.ema.state),
            **with_prefix("optimizer", optimizer_tensors(self.optimizer)),
        }
        facts = {
            "history": self.history,
            "num_updates": self.ema.num_updates,
            "scaler": self.scaler.state_dict(),
        }
        save_tensors(path, tensors, facts)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint of the same phase and configuration."""
        tensors, facts = load_tensors(path)
        self.network.load_state_dict(below_prefix("network", tensors), strict=False)
        self.ema.network.load_state_dict(below_prefix("ema", tensors), strict=False)
        restore_optimizer(self.optimizer, below_prefix("optimizer", tensors))
        self.scaler.load_state_dict(facts["scaler"])
        self.ema.num_updates = facts["num_updates"]
        self.history = facts["history"]
