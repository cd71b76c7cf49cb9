"""Where the batches of a phase come from: here from frames; `features` has the one from cached features."""

from collections.abc import Iterable
from typing import Protocol

import torch
from torch import nn
from torch.utils.data import Dataset

from embryofrag.errors import EmbryofragError
from embryofrag.grading.schemes import SCHEMES
from embryofrag.network.attn_reg_deeplab import AttnRegDeepLab
from embryofrag.training.augment import AugmentConfig
from embryofrag.training.config import PhaseConfig, TrainConfig
from embryofrag.training.dataset import Batch, FrameDataset, make_loader
from embryofrag.training.distributed import Ranks
from embryofrag.training.learner import Learner
from embryofrag.training.row import Row
from embryofrag.training.split import Split


class Source(Protocol):
    """Batches, and the module that takes them."""

    num_batches: int
    """Training batches of an epoch, for each process."""

    def learner(self, network: AttnRegDeepLab) -> nn.Module:
        """Return the module that maps this source's batches to logits by `network`."""
        ...

    def train_batches(self, epoch: int) -> Iterable[Batch]:
        """Return the batches of an epoch, the same for the same epoch."""
        ...

    def val_batches(self) -> Iterable[Batch]:
        """Return the validation rows, in order, without augmentation."""
        ...


class FrameViews(Dataset):
    """Frames with a limited number of augmented views, which the epochs show in turn; their order is always new."""

    def __init__(self, frames: FrameDataset, num_views: int):
        self.frames = frames
        self.rows = frames.rows
        self.epoch = 0
        self.num_views = num_views

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of `epoch`, and its view."""
        self.epoch = epoch
        self.frames.set_epoch(epoch % self.num_views if self.num_views else epoch)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Batch:
        return self.frames[index]


class FrameSource:
    """Frames, read and augmented for every epoch."""

    def __init__(self, split: Split, phase: PhaseConfig, config: TrainConfig, dtype: torch.dtype, ranks: Ranks):
        self.dtype = dtype
        self.with_masks = phase.needs_masks
        self._frames = FrameViews(training_frames(teaching_rows(split.train, phase), config), phase.views)
        self._train = make_loader(
            self._frames,
            config.batch_size,
            shuffle=True,
            seed=config.seed,
            num_workers=config.num_workers,
            rank=ranks.rank,
            world_size=ranks.world_size,
        )
        self._val = plain_loader(split.val, config)
        self.num_batches = len(self._train)

    def learner(self, network: AttnRegDeepLab) -> Learner:
        """Return the whole network, the decoder only where the phase needs masks."""
        return Learner(network, self.dtype, with_masks=self.with_masks)

    def train_batches(self, epoch: int) -> Iterable[Batch]:
        """Return the batches of an epoch."""
        self._frames.set_epoch(epoch)
        return self._train

    def val_batches(self) -> Iterable[Batch]:
        """Return the validation rows."""
        return self._val


def teaching_rows(rows: tuple[Row, ...], phase: PhaseConfig) -> tuple[Row, ...]:
    """Return the rows that a phase's losses say something about: a grade alone teaches L_reg and nothing else.

    Raises:
        EmbryofragError: None does.
    """
    teaching = rows if phase.beta > 0 else tuple(row for row in rows if row.kind == "paired")
    if not teaching:
        raise EmbryofragError(
            f"phase {phase.name} learns from masks and no training row has any: add rows with masks, or choose an "
            "experiment that learns from grades (B)"
        )
    return teaching


def training_frames(rows: tuple[Row, ...], config: TrainConfig) -> FrameDataset:
    """Return the rows as the run augments them."""
    return _frames(rows, config, AugmentConfig() if config.augment else None)


def plain_frames(rows: tuple[Row, ...], config: TrainConfig) -> FrameDataset:
    """Return the rows as they are."""
    return _frames(rows, config, None)


def _frames(rows: tuple[Row, ...], config: TrainConfig, augment: AugmentConfig | None) -> FrameDataset:
    return FrameDataset(
        rows,
        config.network.input_px,
        scheme=SCHEMES[config.scheme],
        augment=augment,
        seed=config.seed,
        diameter_share=config.diameter_share if config.crop == "embryo" else None,
    )


def plain_loader(rows: tuple[Row, ...], config: TrainConfig) -> Iterable[Batch]:
    """Return the rows as they are, in order, in batches."""
    frames = plain_frames(rows, config)
    return make_loader(frames, config.batch_size, shuffle=False, seed=config.seed, num_workers=config.num_workers)
