"""Phase 2 from cached features: what is frozen runs once for each view, not once for each epoch.

With backbone, ASPP, gate and decoder frozen (BatchNorm in evaluation mode), a frame's pooled features never change,
and L_reg needs no more than them. L_cons needs the masks too: of the injected convolution only the part over the
refined map, conv_d(d), is a frame's own, and that is what is kept; b(V_reg) is added anew (`network.injection`).

Shape legend: V view, N image, C channel, H and W pixels of the map, a quarter of the input.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from embryofrag.network.attn_reg_deeplab import AttnRegDeepLab, Logits
from embryofrag.network.injection import constant_map_response
from embryofrag.training.checkpoint import writing
from embryofrag.training.config import PhaseConfig, TrainConfig
from embryofrag.training.dataset import EpochSampler, FrameDataset, make_loader
from embryofrag.training.distributed import Ranks
from embryofrag.training.learner import Learner
from embryofrag.training.precision import autocast
from embryofrag.training.source import plain_frames, training_frames
from embryofrag.training.split import Split


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureBatch:
    """What `losses` and a `HeadLearner` read; the labels are those of `dataset.Batch`."""

    pooled_NC: Tensor
    """float32, pooled F3 and F4."""
    maps_MCHW: Tensor | None
    """conv_d(d) of the M rows with a true ratio, in the run's precision; None where the phase needs no masks."""
    ratio_N: Tensor
    interval_N2: Tensor

    def __len__(self) -> int:
        return len(self.ratio_N)

    def to(self, device: torch.device | str) -> "FeatureBatch":
        """Copy to a device."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return FeatureBatch(**{name: None if value is None else value.to(device) for name, value in values.items()})


class HeadLearner(nn.Module):
    """Cached features to logits: regression head, and classification layer where the phase needs masks."""

    def __init__(self, network: AttnRegDeepLab, dtype: torch.dtype, *, with_masks: bool):
        super().__init__()
        self.network = network
        self.dtype = dtype
        self.with_masks = with_masks

    def forward(self, batch: FeatureBatch) -> Logits:
        """Return the logits; those of the masks of rows without a true ratio, which no loss reads, are 0."""
        head = self.network.head
        latent = head.to_latent(batch.pooled_NC)
        ratio_N = head.ratio_logit(latent)
        if not self.with_masks:
            return Logits(None, ratio_N)
        known_N = ~batch.ratio_N.isnan()
        side_px = self.network.config.input_px
        masks_NKHW = latent.new_zeros(len(batch), 2, side_px, side_px)
        if known_N.any():
            masks_NKHW[known_N] = self._masks(batch.maps_MCHW, latent[known_N], (side_px, side_px)).float()
        return Logits(masks_NKHW, ratio_N)

    def _masks(self, maps_MCHW: Tensor, latent: Tensor, size_px: tuple[int, int]) -> Tensor:
        decoder = self.network.decoder
        with autocast(maps_MCHW.device, self.dtype):
            if decoder.injection is not None:
                weight_v = decoder.injection.conv.weight[:, decoder.injection.decoder_channels :]
                maps_MCHW = maps_MCHW + constant_map_response(weight_v, latent, *maps_MCHW.shape[2:])
            return decoder.classify_map(maps_MCHW, size_px)


class Features:
    """The cached features of a dataset's views; maps lie in a file, mapped into memory."""

    def __init__(self, learner: Learner, frames: FrameDataset, num_views: int, config: TrainConfig, map_file: Path):
        """Run the frozen part of the network over every view.

        Args:
            learner: The network at the start of the phase, in evaluation mode; with masks where maps are needed.
            frames: What to look at.
            num_views: V: the epochs of `frames` that are looked at.
            config: Of the run.
            map_file: Where the maps go; replaced.

        Raises:
            EmbryofragError: The maps cannot be written.
        """
        self.rows = frames.rows
        self.epoch = 0
        loader = make_loader(frames, config.batch_size, shuffle=False, seed=config.seed, num_workers=config.num_workers)
        pooled, maps = [], _MapFile(map_file, num_views)
        device = next(learner.parameters()).device
        for view in range(num_views):
            frames.set_epoch(view)
            labels = []
            for batch in loader:
                pooled_NC, maps_MCHW = look(learner, batch.to(device))
                pooled.append(pooled_NC.cpu())
                maps.append(maps_MCHW)
                labels.append((batch.ratio_N, batch.interval_N2))
        self.pooled_VNC = torch.cat(pooled).unflatten(0, (num_views, len(frames)))
        self.ratio_N, self.interval_N2 = (torch.cat(parts) for parts in zip(*labels, strict=True))
        self.maps_VMCHW = maps.mapped()
        self._map_of_N = (~self.ratio_N.isnan()).cumsum(0) - 1

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, view: int, index_N: Tensor) -> FeatureBatch:
        """Return rows of a view."""
        ratio_N = self.ratio_N[index_N]
        maps_MCHW = None
        if self.maps_VMCHW is not None:
            maps_MCHW = self.maps_VMCHW[view][self._map_of_N[index_N[~ratio_N.isnan()]]]
        return FeatureBatch(
            pooled_NC=self.pooled_VNC[view][index_N],
            maps_MCHW=maps_MCHW,
            ratio_N=ratio_N,
            interval_N2=self.interval_N2[index_N],
        )


class FeatureSource:
    """The batches of `FrameSource` for the same phase, in the same order, from cached features."""

    def __init__(
        self, network: AttnRegDeepLab, split: Split, phase: PhaseConfig, config: TrainConfig, *,
        dtype: torch.dtype, ranks: Ranks, folder: Path,
    ):  # fmt: skip
        """Build the cache; `network` is the phase's start, `folder` takes the maps."""
        self.dtype = dtype
        self.with_masks = phase.needs_masks
        self.num_views = phase.views
        self.batch_size = config.batch_size
        learner = Learner(network, dtype, with_masks=phase.needs_masks).eval()
        frames = training_frames(split.train, config)
        self._train = Features(learner, frames, phase.views, config, folder / f"train-{ranks.rank}.maps")
        self._val = Features(learner, plain_frames(split.val, config), 1, config, folder / f"val-{ranks.rank}.maps")
        self._sampler = EpochSampler(
            self._train, shuffle=True, seed=config.seed, rank=ranks.rank, world_size=ranks.world_size
        )
        self.num_batches = max(1, len(self._sampler) // self.batch_size)

    def learner(self, network: AttnRegDeepLab) -> HeadLearner:
        """Return the part of the network that learns."""
        return HeadLearner(network, self.dtype, with_masks=self.with_masks)

    def train_batches(self, epoch: int) -> Iterator[FeatureBatch]:
        """Return the batches of an epoch; as with frames, a last batch that is not full is left out."""
        self._train.epoch = epoch
        order = torch.tensor(list(self._sampler))
        for index_N in order.split(self.batch_size)[: self.num_batches]:
            yield self._train.batch(epoch % self.num_views, index_N)

    def val_batches(self) -> Iterable[FeatureBatch]:
        """Return the validation rows."""
        return (self._val.batch(0, index_N) for index_N in torch.arange(len(self._val)).split(self.batch_size))


@torch.no_grad()
def look(learner: Learner, batch) -> tuple[Tensor, Tensor | None]:
    """Return pooled features (N, C) float32 and, of rows with a true ratio, conv_d(d) (M, C, H, W) if maps are needed.

    Args:
        learner: In evaluation mode.
        batch: A `dataset.Batch` on its device.
    """
    network = learner.network
    features = learner.features(batch.images_NHWC)
    pooled_NC = network.head.pool(features.f3, features.f4)
    if not learner.with_masks:
        return pooled_NC, None
    with autocast(batch.images_NHWC.device, learner.dtype):
        refined = network.decoder.refine_map(features)
        nothing = refined.new_zeros(len(refined), network.head.latent_channels)
        maps_NCHW = network.decoder.inject(refined, nothing)  # a latent of 0 leaves conv_d(d)
    return pooled_NC, maps_NCHW[~batch.ratio_N.isnan()]


class _MapFile:
    """Maps of one shape, appended to a file."""

    def __init__(self, path: Path, num_views: int):
        self._path = path
        self._num_views = num_views
        self._shape: tuple[int, ...] = ()
        self._dtype = torch.float32
        self._num_maps = 0
        path.unlink(missing_ok=True)

    def append(self, maps_MCHW: Tensor | None) -> None:
        if maps_MCHW is None:
            return
        self._shape, self._dtype = tuple(maps_MCHW.shape[1:]), maps_MCHW.dtype
        self._num_maps += len(maps_MCHW)
        with writing(self._path), open(self._path, "ab") as file:
            file.write(maps_MCHW.cpu().contiguous().view(torch.uint8).numpy().data)

    def mapped(self) -> Tensor | None:
        """All maps, (V, M, C, H, W), read from the file as they are used."""
        if not self._num_maps:
            return None
        size = self._num_maps * int(torch.tensor(self._shape).prod())
        flat = torch.from_file(str(self._path), shared=False, size=size, dtype=self._dtype)
        return flat.view(self._num_views, -1, *self._shape)
