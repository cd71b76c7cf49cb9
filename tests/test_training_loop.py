from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from training_runs import TINY, draw_data_set, read_split, tiny_config

from embryofrag.errors import EmbryofragError, UsageError
from embryofrag.network.attn_reg_deeplab import AttnRegDeepLab
from embryofrag.training.config import TrainConfig
from embryofrag.training.distributed import Ranks
from embryofrag.training.loop import BEST_FILE, LAST_FILE, PhaseRun, head_is_dead, is_finished, train_epoch, train_phase
from embryofrag.training.precision import choose_precision
from embryofrag.training.progress import Reporter
from embryofrag.training.source import FrameSource
from embryofrag.training.state import PhaseState

FP32, CPU = torch.float32, torch.device("cpu")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    return draw_data_set(tmp_path_factory.mktemp("data"))


class Listener(Reporter):
    """Keeps what it is told, and interrupts the run after an epoch."""

    def __init__(self):
        super().__init__()
        self.warnings, self.steps = [], []
        self.last_epoch: int | None = None

    def show_epoch(self, step: int, figures: dict) -> None:
        if figures["epoch"] == self.last_epoch:
            raise KeyboardInterrupt

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def show_step(self, step: int, losses: dict) -> None:
        self.steps.append(step)


def begin(manifest: Path, folder: Path, config: TrainConfig, dtype: torch.dtype = FP32) -> tuple[PhaseRun, PhaseState]:
    """The first phase of a configuration, ready to be trained."""
    phase = config.phases[0]
    torch.manual_seed(config.seed)
    network = AttnRegDeepLab(config.network)
    state = PhaseState(network, phase, config, dtype)
    _, split = read_split(manifest, config)
    folder.mkdir(exist_ok=True)
    run = PhaseRun(
        phase=phase,
        config=config,
        source=FrameSource(split, phase, config, dtype, Ranks()),
        folder=folder,
        ranks=Ranks(),
        reporter=Listener(),
    )
    return run, state


def losses(state: PhaseState) -> list[float]:
    return [figures["train_total"] for figures in state.history]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_loss_falls_and_the_best_weights_are_kept(manifest, tmp_path, dtype):
    run, state = begin(manifest, tmp_path, tiny_config("C", epochs=8), dtype)
    train_phase(run, state)
    assert losses(state)[-1] < 0.9 * losses(state)[0]
    assert state.history[-1]["val_dice_embryo"] is not None and state.history[-1]["val_mae"] < 0.5
    best = min(figures["val_loss"] for figures in state.history)
    assert state.history[state.best_epoch]["val_loss"] == best
    assert {path.name for path in tmp_path.iterdir()} == {LAST_FILE, BEST_FILE}


def test_the_same_seed_gives_the_same_losses_and_weights_and_another_does_not(manifest, tmp_path):
    states = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run, state = begin(manifest, tmp_path / name, tiny_config("C", epochs=2, seed=seed))
        train_phase(run, state)
        states.append(state)
    first, again, other = states
    assert first.history == again.history
    weights = again.network.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in first.network.state_dict().items())
    assert losses(first) != losses(other)


def test_the_number_of_workers_changes_nothing(manifest, tmp_path):
    histories = []
    for num_workers in (0, 1):
        run, state = begin(manifest, tmp_path / str(num_workers), tiny_config("B", epochs=2, num_workers=num_workers))
        train_phase(run, state)
        histories.append(state.history)
    assert histories[0] == histories[1]


def test_a_phase_goes_on_from_its_checkpoint(manifest, tmp_path):
    config = tiny_config("C", epochs=4)
    whole, undisturbed = begin(manifest, tmp_path / "whole", config)
    train_phase(whole, undisturbed)
    half, state = begin(manifest, tmp_path / "half", config)
    half.reporter.last_epoch = 1
    with pytest.raises(KeyboardInterrupt):
        train_phase(half, state)
    half, state = begin(manifest, tmp_path / "half", config)
    train_phase(half, state, resume=True)
    assert state.history == undisturbed.history
    assert half.reporter.steps[0] == 2 * half.steps_per_epoch
    weights = undisturbed.network.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in state.network.state_dict().items())


def test_accumulated_batches_make_one_step(manifest, tmp_path):
    run, state = begin(manifest, tmp_path, tiny_config("B", epochs=2, batch_size=2, accumulate=4))
    num_steps = -(-run.source.num_batches // 4)
    train_phase(run, state)
    assert run.reporter.steps == list(range(2 * num_steps))


@pytest.mark.parametrize(("experiment", "unchanged"), [("A", "head.to_logit"), ("B", "decoder")])
def test_what_an_experiment_does_not_train_stays(manifest, tmp_path, experiment, unchanged):
    run, state = begin(manifest, tmp_path, tiny_config(experiment, epochs=1))
    before = {name: tensor.clone() for name, tensor in state.network.state_dict().items()}
    train_phase(run, state)
    same = {name for name, tensor in state.network.state_dict().items() if torch.equal(tensor, before[name])}
    below = {name for name in before if name.startswith(f"{unchanged}.")}
    assert below and below == {name for name in same if "num_batches" not in name or name.startswith(unchanged)}


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_and_the_last_checkpoint_stays(manifest, tmp_path, poison):
    config = tiny_config("C", epochs=3)
    run, state = begin(manifest, tmp_path, replace(config, phases=(replace(config.phases[0], epochs=1),)))
    train_phase(run, state)
    good = (tmp_path / LAST_FILE).read_bytes()
    run, state = begin(manifest, tmp_path, config)
    learner = run.source.learner(state.network)
    with torch.no_grad():
        state.network.head.to_logit.bias.fill_(poison)
        state.network.decoder.classify.bias.fill_(poison)
    with pytest.raises(EmbryofragError, match="loss is nan"):
        train_epoch(run, state, learner)
    assert (tmp_path / LAST_FILE).read_bytes() == good


def test_it_stops_when_the_validation_loss_no_longer_falls(manifest, tmp_path):
    run, state = begin(manifest, tmp_path, tiny_config("B", epochs=50))
    patient = replace(run.phase, patience=2)
    state.history = [{"val_loss": loss} for loss in (0.5, 0.4, 0.45)]
    assert not is_finished(patient, state)
    state.history.append({"val_loss": 0.41})
    assert is_finished(patient, state)
    assert not is_finished(replace(patient, patience=0), state)
    assert is_finished(replace(patient, patience=0, epochs=4), state)


def test_a_dead_head_is_told_when_it_dies_and_at_the_end(manifest, tmp_path):
    run, state = begin(manifest, tmp_path, tiny_config("B", epochs=3, lr=1e-9))
    for network in (state.network, state.ema.network):
        nn.init.zeros_(network.head.to_logit.weight)
    train_phase(run, state)
    first, last = run.reporter.warnings
    assert "epoch 0: the regression head is dead" in first and "soft_bce" in first
    assert f"epoch {state.best_epoch}: the regression head is dead" in last
    assert all(head_is_dead(figures) for figures in state.history)


def test_precision_is_chosen_aloud():
    assert choose_precision("fp32", CPU) == (torch.float32, "fp32 as asked")
    dtype, reason = choose_precision("auto", CPU)
    assert dtype in (torch.float32, torch.bfloat16) and reason.startswith("auto: ")
    with pytest.raises(UsageError, match="needs a GPU"):
        choose_precision("fp16", CPU)


def test_the_head_and_the_logits_are_fp32_whatever_the_precision(manifest, tmp_path):
    run, state = begin(manifest, tmp_path, tiny_config("C"), torch.bfloat16)
    batch = next(iter(run.source.val_batches()))
    seen = []
    state.network.head.to_latent.register_forward_hook(lambda *call: seen.append(call[2].dtype))
    logits = run.source.learner(state.network)(batch)
    assert seen == [FP32] and logits.ratio_N.dtype == logits.masks_NKHW.dtype == FP32
    assert logits.masks_NKHW.shape == (len(batch), 2, TINY.input_px, TINY.input_px)
    assert np.isfinite(logits.masks_NKHW.detach().numpy()).all()
