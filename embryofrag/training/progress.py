"""What a person sees while a run trains: lines and a bar on stderr, curves and previews in TensorBoard."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter  # slow to import

SHOWN = ("epoch", "train_total", "val_loss", "val_mae", "val_dice_fragment", "val_dice_embryo", "seconds")
"""Figures of an epoch that are printed; TensorBoard has them all."""
TINTS = ((255, 0, 0), (0, 255, 0))
"""Colour of the fragment and of the embryo mask in previews."""


class Reporter:
    """Tells how a run goes. One made without arguments keeps silent."""

    def __init__(self, console: Console | None = None, bar: Progress | None = None, log: "SummaryWriter | None" = None):
        self._console = console
        self._bar = bar
        self._log = log
        self._task: TaskID | None = None
        self._phase = ""

    def say(self, text: str) -> None:
        """Print one line."""
        if self._console is not None:
            self._console.print(text, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print one line that must not be missed."""
        if self._console is not None:
            self._console.print(text, style="bold yellow", markup=False, soft_wrap=True)

    def start_phase(self, phase: str, *, num_steps: int, first_step: int) -> None:
        """Begin the bar of a phase, `first_step` of its steps being done already."""
        self._phase = phase
        if self._bar is not None:
            self._task = self._bar.add_task(f"phase {phase}", total=num_steps, completed=first_step)

    def show_step(self, step: int, losses: Mapping[str, float]) -> None:
        """Advance by one step of the optimiser."""
        if self._bar is not None:
            self._bar.update(self._task, completed=step + 1, description=f"phase {self._phase}: {losses['total']:.4f}")
        self._scalars("step", losses, step)

    def show_epoch(self, step: int, figures: Mapping[str, float | int | None]) -> None:
        """Tell the figures of an epoch that ended after `step`."""
        known = {name: value for name, value in figures.items() if value is not None}
        line = "  ".join(f"{name} {known[name]:.4g}" for name in SHOWN if name in known)
        self.say(f"phase {self._phase}  {line}")
        self._scalars("epoch", known, step)

    def show_masks(self, step: int, images_NHWC: np.ndarray, masks_NKHW: np.ndarray) -> None:
        """Put frames tinted by their predicted masks (bool) into TensorBoard."""
        if self._log is not None:
            preview = tint_frames(images_NHWC, masks_NKHW)
            self._log.add_images(f"{self._phase}/masks", preview, step, dataformats="NHWC")

    def end_phase(self) -> None:
        """Take the bar of the phase away."""
        if self._bar is not None:
            self._bar.remove_task(self._task)

    def _scalars(self, group: str, values: Mapping[str, float], step: int) -> None:
        if self._log is not None:
            for name, value in values.items():
                self._log.add_scalar(f"{self._phase}/{group}/{name}", value, step)


def tint_frames(images_NHWC: np.ndarray, masks_NKHW: np.ndarray) -> np.ndarray:
    """Return frames, uint8 (N, H, W, 3), with a third of the colour of each mask (`TINTS`) where it lies."""
    tinted = images_NHWC.astype(np.float32)
    for mask_NHW, tint in zip(np.moveaxis(masks_NKHW, 1, 0), TINTS, strict=True):
        tinted[mask_NHW] += (np.array(tint, np.float32) - tinted[mask_NHW]) / 3
    return tinted.astype(np.uint8)


@contextmanager
def show_training(log_folder: Path) -> Iterator[Reporter]:
    """A reporter to the terminal (the bar only where stderr is one) and to TensorBoard files in `log_folder`."""
    from torch.utils.tensorboard import SummaryWriter

    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("left"))
    bar = Progress(*columns, TimeRemainingColumn(), console=console) if console.is_terminal else None
    with SummaryWriter(str(log_folder)) as log:
        if bar is None:
            yield Reporter(console, None, log)
        else:
            with bar:
                yield Reporter(console, bar, log)
