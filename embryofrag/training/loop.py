"""The training loop: one phase, epoch by epoch.

batches -> logits -> loss -> gradient -> AdamW -> average        (`train_epoch`)
averaged weights on the validation rows -> figures               (`validate`)
checkpoint, best weights, early stop                             (`train_phase`)
"""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from embryofrag.errors import EmbryofragError
from embryofrag.network.attn_reg_deeplab import Logits
from embryofrag.training.checkpoint import load_tensors, save_tensors
from embryofrag.training.config import PhaseConfig, TrainConfig
from embryofrag.training.dataset import Batch
from embryofrag.training.distributed import Ranks
from embryofrag.training.freeze import set_modes
from embryofrag.training.losses import Losses, LossWeights, total_loss
from embryofrag.training.metrics import dice
from embryofrag.training.progress import Reporter
from embryofrag.training.schedule import cosine_lr, set_lr
from embryofrag.training.source import Source
from embryofrag.training.state import EpochFigures, PhaseState

LAST_FILE = "last.safetensors"
BEST_FILE = "best.safetensors"
WEIGHTS_FILE = "weights.safetensors"
"""A finished phase: the best weights of the whole network, as ``--init`` takes them."""
DEAD_SPREAD_FRAC = 0.15
"""A head is dead whose ratios spread (standard deviation) less than this share of the true ones."""
NUM_PREVIEWS = 4
"""Validation frames shown with their masks."""


@dataclass(frozen=True, kw_only=True)
class PhaseRun:
    """What stays the same throughout a phase."""

    phase: PhaseConfig
    config: TrainConfig
    source: Source
    folder: Path
    """For the phase's checkpoints."""
    ranks: Ranks
    reporter: Reporter

    @property
    def weights(self) -> LossWeights:
        """alpha, beta, gamma."""
        return LossWeights(alpha=self.phase.alpha, beta=self.phase.beta, gamma=self.phase.gamma)

    @property
    def steps_per_epoch(self) -> int:
        """Steps of the optimiser."""
        return math.ceil(self.source.num_batches / self.config.accumulate)

    def loss(self, logits: Logits, batch: Batch) -> Losses:
        """Return the phase's loss of a batch."""
        return total_loss(logits, batch, self.weights, self.config.precise_loss)


def train_phase(run: PhaseRun, state: PhaseState, *, resume: bool = False) -> None:
    """Train until the epochs are over or the validation loss has long not fallen; leaves the best weights in `state`.

    The order of the batches and every augmentation follow from seed and epoch, so a phase that was killed and goes on
    from its last checkpoint has the losses of an undisturbed one.

    Args:
        run: The phase.
        state: Fresh.
        resume: Go on from the checkpoint in the phase's folder, if there is one.

    Raises:
        EmbryofragError: The loss is no longer a number, or a checkpoint cannot be written.
    """
    if resume and (run.folder / LAST_FILE).exists():
        state.load(run.folder / LAST_FILE)
        run.reporter.say(f"phase {run.phase.name} goes on after {state.num_epochs} epochs")
    learner = run.ranks.share(run.source.learner(state.network))
    validated = run.source.learner(state.ema.network)
    num_steps = run.phase.epochs * run.steps_per_epoch
    run.reporter.start_phase(run.phase.name, num_steps=num_steps, first_step=state.num_epochs * run.steps_per_epoch)
    while not run.ranks.from_first(run.ranks.is_first and is_finished(run.phase, state)):
        start_s = time.perf_counter()
        figures = {"epoch": state.num_epochs, **train_epoch(run, state, learner)}
        if run.ranks.is_first:
            figures |= validate(run, validated, step=(state.num_epochs + 1) * run.steps_per_epoch)
        state.history.append(figures)
        if run.ranks.is_first:
            end_epoch(run, state, seconds=time.perf_counter() - start_s)
    run.reporter.end_phase()
    if run.ranks.is_first and head_is_dead(state.history[state.best_epoch]):
        warn_of_dead_head(run, state.history[state.best_epoch])
    run.ranks.wait()  # until the first one has written the best weights
    best, _ = load_tensors(run.folder / BEST_FILE)
    state.network.load_state_dict(best, strict=False)


def train_epoch(run: PhaseRun, state: PhaseState, learner: nn.Module) -> EpochFigures:
    """Go once over the training rows; returns the mean losses and the last learning rate."""
    set_modes(state.network)
    step = state.num_epochs * run.steps_per_epoch
    sums = np.zeros(len(Losses._fields))
    lr = 0.0
    for number, batch in enumerate(run.source.train_batches(state.num_epochs), start=1):
        batch = batch.to(run.ranks.device)
        losses = run.loss(learner(batch), batch)
        values = as_floats(losses)
        check_finite(values["total"], "loss", run, state.num_epochs)
        state.scaler.scale(losses.total / run.config.accumulate).backward()
        if number % run.config.accumulate == 0 or number == run.source.num_batches:
            lr = take_step(run, state, step)
            run.reporter.show_step(step, values)
            step += 1
        sums += list(values.values())
    means = sums / run.source.num_batches
    return {"lr": lr} | {f"train_{name}": float(mean) for name, mean in zip(values, means, strict=True)}


def take_step(run: PhaseRun, state: PhaseState, step: int) -> float:
    """Move the weights by the gradients gathered so far, then their average; returns the learning rate."""
    num_steps = run.phase.epochs * run.steps_per_epoch
    lr = cosine_lr(step, num_steps=num_steps, peak_lr=run.phase.lr, warmup_frac=run.config.warmup_frac)
    set_lr(state.optimizer, lr)
    state.scaler.unscale_(state.optimizer)
    learning = [parameter for group in state.optimizer.param_groups for parameter in group["params"]]
    norm = nn.utils.clip_grad_norm_(learning, run.config.max_grad_norm)
    if not state.scaler.is_enabled():  # with loss scaling, an overflow only skips its step
        check_finite(float(norm), "gradient", run, state.num_epochs)
    state.scaler.step(state.optimizer)
    state.scaler.update()
    state.optimizer.zero_grad(set_to_none=True)
    state.ema.update(state.network)
    return lr


@torch.no_grad()
def validate(run: PhaseRun, learner: nn.Module, *, step: int) -> EpochFigures:
    """Score the averaged weights on the validation rows.

    Returns:
        ``val_loss`` and its terms (mean over rows), ``val_mae`` of the head's ratio over rows with a true one,
        ``val_spread`` and ``true_spread``, the standard deviations of both, and the pooled Dice of both masks; None
        where the phase does not train what the figure is about.
    """
    sums, num_rows = np.zeros(len(Losses._fields)), 0
    ratios, overlaps_K3 = [], np.zeros((2, 3))
    for number, batch in enumerate(run.source.val_batches()):
        batch = batch.to(run.ranks.device)
        logits = learner(batch)
        values = as_floats(run.loss(logits, batch))
        sums += len(batch) * np.array(list(values.values()))
        num_rows += len(batch)
        ratios.append(torch.stack([logits.ratio_N.sigmoid(), batch.ratio_N], dim=1).cpu())
        if isinstance(batch, Batch) and logits.masks_NKHW is not None:
            overlaps_K3 += count_overlaps(logits.masks_NKHW, batch)
            if number == 0:
                show_masks(run.reporter, step, batch, logits.masks_NKHW)
    means = dict(zip(values, sums / num_rows, strict=True))
    check_finite(means["total"], "validation loss", run, step // run.steps_per_epoch - 1)
    figures = {"val_loss": float(means.pop("total"))} | {f"val_{name}": float(mean) for name, mean in means.items()}
    figures |= ratio_figures(torch.cat(ratios).double().numpy()) if run.phase.beta else NO_RATIO_FIGURES
    fragment, embryo = (None if math.isnan(share) else float(share) for share in dice(overlaps_K3))
    return figures | {"val_dice_fragment": fragment, "val_dice_embryo": embryo}


def end_epoch(run: PhaseRun, state: PhaseState, *, seconds: float) -> None:
    """Keep the weights if they are the best so far, write the checkpoint, and tell."""
    if state.best_epoch == state.num_epochs - 1:
        save_tensors(run.folder / BEST_FILE, state.ema.state)
    state.save(run.folder / LAST_FILE)
    figures = state.history[-1]
    run.reporter.show_epoch(state.num_epochs * run.steps_per_epoch, figures | {"seconds": seconds})
    if head_is_dead(figures) and not (state.num_epochs > 1 and head_is_dead(state.history[-2])):
        warn_of_dead_head(run, figures)


def warn_of_dead_head(run: PhaseRun, figures: EpochFigures) -> None:
    """Say that the ratio means nothing, and what may help."""
    run.reporter.warn(
        f"phase {run.phase.name}, epoch {figures['epoch']}: the regression head is dead: it says nearly the same ratio "
        f"of every frame (spread {figures['val_spread']:.4f}, true spread {figures['true_spread']:.4f}); if that "
        "lasts, take --precise-loss soft_bce or another learning rate"
    )


def is_finished(phase: PhaseConfig, state: PhaseState) -> bool:
    """Whether all epochs are done, or as many as `patience` brought nothing better."""
    if state.num_epochs in (0, phase.epochs):
        return state.num_epochs > 0
    return phase.patience > 0 and state.num_epochs - 1 - state.best_epoch >= phase.patience


def head_is_dead(figures: EpochFigures) -> bool:
    """Whether the head gives (nearly) one ratio for frames whose true ratios differ.

    >>> head_is_dead({"val_spread": 0.001, "true_spread": 0.15}), head_is_dead({"val_spread": None})
    (True, False)
    """
    if figures["val_spread"] is None:
        return False
    return figures["val_spread"] < DEAD_SPREAD_FRAC * figures["true_spread"]


NO_RATIO_FIGURES = {"val_mae": None, "val_spread": None, "true_spread": None}


def ratio_figures(ratios_N2: np.ndarray) -> EpochFigures:
    """Compare predicted ratios (first column) with true ones (second, nan where not known)."""
    known = ratios_N2[~np.isnan(ratios_N2[:, 1])]
    if not len(known):
        return NO_RATIO_FIGURES
    spread, true_spread = known.std(axis=0)
    mae = np.abs(known[:, 0] - known[:, 1]).mean()
    return {"val_mae": float(mae), "val_spread": float(spread), "true_spread": float(true_spread)}


def count_overlaps(logits_NKHW: Tensor, batch: Batch) -> np.ndarray:
    """Pixels in both, in the predicted and in the true masks of the rows that have masks: (K, 3)."""
    predicted = logits_NKHW[batch.has_masks_N] > 0
    truth = batch.masks_NKHW[batch.has_masks_N] > 0.5
    counts = [mask.sum(dim=(0, 2, 3)) for mask in (predicted & truth, predicted, truth)]
    return torch.stack(counts, dim=1).cpu().numpy()


def show_masks(reporter: Reporter, step: int, batch: Batch, logits_NKHW: Tensor) -> None:
    """Preview the first frames of a batch."""
    images_NHWC = batch.images_NHWC[:NUM_PREVIEWS].cpu().numpy()
    reporter.show_masks(step, images_NHWC, (logits_NKHW[:NUM_PREVIEWS] > 0).cpu().numpy())


def as_floats(losses: Losses) -> dict[str, float]:
    """Return the losses by name."""
    return dict(zip(losses._fields, torch.stack(losses).detach().tolist(), strict=True))


def check_finite(value: float, what: str, run: PhaseRun, epoch: int) -> None:
    """Refuse to go on with a loss or a gradient that is not a number.

    Raises:
        EmbryofragError: It is not; the checkpoint of the epoch before stays.
    """
    if not math.isfinite(value):
        raise EmbryofragError(
            f"phase {run.phase.name}, epoch {epoch}: the {what} is {value}; the checkpoint of the epoch before is in "
            f"{run.folder}: start anew with a lower learning rate or --precision fp32"
        )
