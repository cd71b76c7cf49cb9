from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_training_checkpoint import files_of_at_most
from training_runs import draw_data_set, read_split, tiny_config

from embryofrag.errors import EmbryofragError
from embryofrag.network.attn_reg_deeplab import AttnRegDeepLab
from embryofrag.training.config import TrainConfig
from embryofrag.training.distributed import Ranks
from embryofrag.training.features import FeatureSource
from embryofrag.training.loop import PhaseRun, train_phase
from embryofrag.training.progress import Reporter
from embryofrag.training.source import FrameSource
from embryofrag.training.state import PhaseState


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    return draw_data_set(tmp_path_factory.mktemp("data"))


class Phase2:
    """Phase 2 of an experiment on a network of random weights, cached or not."""

    def __init__(self, manifest: Path, folder: Path, config: TrainConfig, *, cache: bool):
        self.phase = config.phases[-1]
        torch.manual_seed(0)
        self.network = AttnRegDeepLab(config.network)
        self.num_looks = 0
        self.network.backbone.register_forward_hook(self._count)
        state = PhaseState(self.network, self.phase, config, torch.float32)
        _, split = read_split(manifest, config)
        folder.mkdir()
        if cache:
            args = {"dtype": torch.float32, "ranks": Ranks(), "folder": folder}
            source = FeatureSource(self.network, split, self.phase, config, **args)
        else:
            source = FrameSource(split, self.phase, config, torch.float32, Ranks())
        self.source, self.state = source, state
        self.run = PhaseRun(
            phase=self.phase, config=config, source=source, folder=folder, ranks=Ranks(), reporter=Reporter()
        )

    def _count(self, *call: object) -> None:
        self.num_looks += 1


@pytest.mark.parametrize("injection", [True, False])
@pytest.mark.parametrize("experiment", ["D", "D+"])
def test_cached_features_train_as_frames_do(manifest, tmp_path, experiment, injection):
    config = tiny_config(experiment, epochs=5)
    config = replace(config, network=replace(config.network, injection=injection))
    cached = Phase2(manifest, tmp_path / "cached", config, cache=True)
    frames = Phase2(manifest, tmp_path / "frames", config, cache=False)
    for one in (cached, frames):
        train_phase(one.run, one.state)
    for ours, theirs in zip(cached.state.history, frames.state.history, strict=True):
        for name in ("train_total", "train_cons", "val_loss", "val_mae", "val_spread"):
            assert ours[name] == pytest.approx(theirs[name], abs=1e-5), name
    weights = frames.network.state_dict()
    for name, tensor in cached.network.state_dict().items():
        # AdamW steps by up to lr = 3e-3 where a gradient is all rounding
        assert torch.allclose(tensor, weights[name], atol=1e-3), name
    assert cached.state.history[-1]["train_total"] < cached.state.history[0]["train_total"]


def test_the_backbone_runs_once_for_each_view_and_never_in_an_epoch(manifest, tmp_path):
    one = Phase2(manifest, tmp_path / "cached", tiny_config("D", epochs=9), cache=True)
    num_looks = one.num_looks
    num_rows, num_val = len(one.source._train), len(one.source._val)
    assert num_looks == one.phase.views * -(-num_rows // 4) + -(-num_val // 4)
    train_phase(one.run, one.state)
    assert one.num_looks == num_looks


def test_batches_have_the_order_and_the_labels_of_the_frames(manifest, tmp_path):
    config = tiny_config("D+")
    cached = Phase2(manifest, tmp_path / "cached", config, cache=True)
    frames = Phase2(manifest, tmp_path / "frames", config, cache=False)
    for epoch in (0, 5):
        pairs = zip(cached.source.train_batches(epoch), frames.source.train_batches(epoch), strict=True)
        for ours, theirs in pairs:
            assert torch.equal(ours.ratio_N.nan_to_num(-1), theirs.ratio_N.nan_to_num(-1))
            assert torch.equal(ours.interval_N2, theirs.interval_N2)
            assert len(ours.maps_MCHW) == int(theirs.has_masks_N.sum())


def test_maps_that_find_no_room_are_an_error(manifest, tmp_path):
    with files_of_at_most(3000), pytest.raises(EmbryofragError, match=r"could not write .*train-0\.maps"):
        Phase2(manifest, tmp_path / "cached", tiny_config("D+"), cache=True)
