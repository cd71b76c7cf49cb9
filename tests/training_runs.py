"""Tiny training runs, and child processes that die in the middle of them.

python tests/training_runs.py MANIFEST OUT EXPERIMENT --die-after-steps N
torchrun --nproc-per-node 2 tests/training_runs.py MANIFEST OUT EXPERIMENT
"""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch
from drawn_labels import draw_image, draw_masks, grade_only, write_manifest, write_png

from embryofrag.network.config import NetworkConfig
from embryofrag.training import checkpoint, loop
from embryofrag.training.config import TrainConfig, change_phases
from embryofrag.training.experiments import EXPERIMENTS
from embryofrag.training.manifest import read_manifest
from embryofrag.training.row import Row
from embryofrag.training.split import Split
from embryofrag.training.train import split_by_config, train

torch.set_num_threads(1)  # faster at this size, and far faster beside other processes

TINY = NetworkConfig(backbone="resnet18", width=0.125, input_px=32, aspp_rates=(1, 2))


def tiny_config(experiment: str, *, epochs: int = 3, lr: float = 3e-3, **changes: object) -> TrainConfig:
    """An experiment at a size that trains in a second."""
    config = change_phases(EXPERIMENTS[experiment](), epochs=epochs, lr=lr)
    network = replace(TINY, injection=config.network.injection)
    fixed = {"network": network, "init": "random", "batch_size": 4, "num_workers": 0, "precision": "fp32"}
    return replace(config, **(fixed | changes))


def draw_data_set(folder: Path) -> Path:
    """Thirteen frames with masks of growing fragments and four with a grade alone, each a group of its own."""
    rows = []
    for seed in range(13):
        fragment, embryo = draw_masks(2.0 + 0.7 * seed)
        rows.append(
            {
                "image": write_png(folder / f"{seed}.png", draw_image(seed, fragment, embryo)),
                "fragment_mask": write_png(folder / f"{seed}_fragment.png", fragment),
                "embryo_mask": write_png(folder / f"{seed}_embryo.png", embryo),
            }
        )
    return write_manifest(folder, rows + [grade_only(folder, seed) for seed in range(20, 24)])


def read_split(manifest: Path, config: TrainConfig) -> tuple[tuple[Row, ...], Split]:
    """The rows of a manifest, and the split that `train` would use."""
    from embryofrag.grading.schemes import SCHEMES

    rows = read_manifest(manifest, SCHEMES[config.scheme])
    return rows, split_by_config(rows, config)


def die_after_steps(num_steps: int) -> None:
    """Let this process be killed at once after so many steps of an optimiser."""
    take_step, steps = loop.take_step, iter(range(1, num_steps + 1))

    def take_step_or_die(*args: object) -> float:
        lr = take_step(*args)
        if next(steps) == num_steps:
            os.kill(os.getpid(), signal.SIGKILL)
        return lr

    loop.take_step = take_step_or_die


def die_while_saving(num_saves: int) -> None:
    """Let this process be killed when so many files lie written beside their names, before the last rename."""
    rename, saves = os.replace, iter(range(1, num_saves + 1))

    def rename_or_die(*args: object) -> None:
        if next(saves) == num_saves:
            os.kill(os.getpid(), signal.SIGKILL)
        rename(*args)

    checkpoint.os.replace = rename_or_die


if __name__ == "__main__":
    manifest_path, out_path, name, *fate = sys.argv[1:]
    if fate:
        {"--die-after-steps": die_after_steps, "--die-while-saving": die_while_saving}[fate[0]](int(fate[1]))
    train(tiny_config(name), Path(manifest_path), Path(out_path), quiet=True)
