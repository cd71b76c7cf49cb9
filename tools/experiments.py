"""Run the paper's experiments and the baselines on PHANTOMS and lay the figures out as its Table II does.

    OMP_NUM_THREADS=1 python tools/experiments.py --out experiments

Draws a data set of the paper's size (318 frames with masks, 1,549 with a grade alone, at T2 and T4) and a larger test
set, trains every method from random weights for the same number of frames, and writes table_ii.md and table_ii.json.
Each result is kept as soon as it is there: started again with the same options, the tool goes on. Once the frames are
drawn, several processes with different --only may share a folder (D and D+ belong to the process of A); on few cores
give each OMP_NUM_THREADS=1.

Phantoms are drawings. No figure of this table says anything about real embryos, and none may be set beside the paper's.
"""

import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median

import click
import numpy as np
from experiments_data import draw_dataset, split_file, split_frames
from experiments_table import FIGURES, Result, Settings, format_value, write_json, write_table

from embryofrag.errors import EmbryofragError
from embryofrag.network.config import BACKBONES, NetworkConfig
from embryofrag.training.baselines import BASELINES, fit_baseline
from embryofrag.training.config import PRECISE_LOSSES, START, TrainConfig
from embryofrag.training.delivery import file_name, untrained_modules
from embryofrag.training.evaluate import METRICS_FILE
from embryofrag.training.experiments import EXPERIMENTS, only_last_phase
from embryofrag.training.loop import WEIGHTS_FILE
from embryofrag.training.split import Split
from embryofrag.training.train import RUN_FILE, TRAINING_FOLDER, train

METHODS = (*(name for name in EXPERIMENTS if name != "dual"), *BASELINES)


def configure(method: str, settings: Settings, seed: int, split: Split) -> TrainConfig:
    """Return the recipe of a method at the settings' size, from random weights.

    Every network sees the same number of frames: where the losses need masks (no L_reg), the frames with masks come
    the more often.
    """
    config = EXPERIMENTS[method]() if method in EXPERIMENTS else BASELINES[method].config
    network = replace(
        config.network,
        input_px=settings.input_px,
        backbone=settings.backbone,
        width=settings.width,
        aspp_rates=tuple(max(1, round(rate * settings.input_px / NetworkConfig().input_px)) for rate in (6, 12, 18)),
    )
    shared = {"network": network, "init": "random", "seed": seed, "precise_loss": settings.precise_loss}
    if method in ("lbp", "glcm"):
        return replace(config, **shared)
    repeats = len(split.train) / sum(row.kind == "paired" for row in split.train)
    phases = []
    for phase in config.phases:
        phase = replace(phase, lr=phase.lr * settings.lr_factor)
        if phase.start == START:  # phase 2 is cheap and keeps its length
            phase = replace(phase, epochs=round(settings.epochs * (1 if phase.beta else repeats)), patience=0)
        phases.append(phase)
    return replace(config, phases=tuple(phases), **shared)


def run_method(method: str, seed: int, settings: Settings, out: Path, split: Split) -> Result:
    """Train a method and return its scores on the test frames; A leaves its weights for D and D+."""
    config = configure(method, settings, seed, split)
    if len(config.phases) > 1:
        config = only_last_phase(config, str(weights_file(out, seed)))
    manifest = out / "frames" / ("all.csv" if config.phases[-1].beta else "paired.csv")
    folder = out / "runs" / file_name(f"{method}-{seed}")
    is_begun = (folder / TRAINING_FOLDER / RUN_FILE).exists()
    if not is_begun:
        shutil.rmtree(folder, ignore_errors=True)
    begun_s = time.perf_counter()
    run = train if method in EXPERIMENTS else fit_baseline
    run(config, manifest, folder, split_file=None if is_begun else split_file(out / "frames", seed), resume=is_begun,
        quiet=True)  # fmt: skip
    result = read_result(method, seed, config, folder) | {"seconds": round(time.perf_counter() - begun_s, 1)}
    if method == "A":
        weights_file(out, seed).parent.mkdir(exist_ok=True)
        os.replace(folder / TRAINING_FOLDER / method / WEIGHTS_FILE, weights_file(out, seed))
    for figure in folder.glob("tsne.png"):
        os.replace(figure, out / f"{method}-{seed}-{figure.name}")
    shutil.rmtree(folder)
    return result


def weights_file(out: Path, seed: int) -> Path:
    """Where the weights of A lie, which D and D+ start from."""
    return out / "weights" / f"A-{seed}.safetensors"


def read_result(method: str, seed: int, config: TrainConfig, folder: Path) -> Result:
    """Read a run's scores, without those of a module that nothing has trained."""
    metrics = json.loads((folder / METRICS_FILE).read_text(encoding="utf-8"))
    scores = {name: estimate["value"] for name, estimate in metrics["overall"]["scores"].items()}
    prefixes = {"a": ("fragment_", "embryo_", "ratio_mask_"), "b": ("ratio_reg_",)}
    untrained = untrained_modules(config) if method in EXPERIMENTS else ()
    hidden = tuple(prefix for module in untrained for prefix in prefixes[module])
    scores = {name: value for name, value in scores.items() if not name.startswith(hidden)}
    phases = metrics.get("phases", {})
    return {
        "method": method,
        "seed": seed,
        **{figure: scores.get(score) for figure, (score, _) in FIGURES.items()},
        "head_is_dead": any(phase["head_is_dead"] for phase in phases.values())
        if scores.get("ratio_reg_mae")
        else None,
        "num_epochs": {name: phase["num_epochs"] for name, phase in phases.items()},
        "scores": scores,
    }


def score_constant(seed: int, split: Split) -> Result:
    """Score the median of the training ratios: what a method must beat to have learnt anything."""
    guess = median(row.ratio for row in split.train if row.ratio is not None)
    mae = float(np.mean([abs(row.ratio - guess) for row in split.test]))
    return {"method": "constant", "seed": seed, "dice": None, "mae": mae, "mae_masks": None}


def run_all(methods: Iterable[str], num_seeds: int, settings: Settings, out: Path, tell: Callable[[str], None]) -> None:
    """Run what has no result yet, A before what starts from it."""
    wanted = set(methods) | ({"A"} if {"D", "D+"} & set(methods) else set())
    for seed in range(num_seeds):
        split = None
        for method in ("constant", *(name for name in METHODS if name in wanted)):
            path = out / "results" / f"{file_name(method)}-{seed}.json"
            if path.exists():
                continue
            split = split or split_frames(out / "frames", seed)
            tell(f"seed {seed}: {method}")
            try:
                is_reference = method == "constant"
                result = score_constant(seed, split) if is_reference else run_method(method, seed, settings, out, split)
            except EmbryofragError as error:  # a loss that is no number ends its own run, not the others
                result = {"method": method, "seed": seed, **dict.fromkeys(FIGURES), "error": str(error)}
                tell(f"seed {seed}: {method} failed: {error}")
            write_json(path, result)
            tell(f"seed {seed}: {method}  " + "  ".join(f"{name} {format_value(result[name])}" for name in FIGURES))


def open_folder(out: Path, settings: Settings) -> None:
    """Make the folder, or check that its results are of the same settings.

    Raises:
        UsageError: They are not.
    """
    path = out / "settings.json"
    if not path.exists():
        write_json(path, asdict(settings))
    begun = json.loads(path.read_text(encoding="utf-8"))
    if differing := [name for name, value in asdict(settings).items() if begun.get(name) != value]:
        raise click.UsageError(f"{out} was begun with another {', '.join(differing)}: take the same, or another --out")


def parse_methods(_context: click.Context, _option: click.Parameter, text: str) -> tuple[str, ...]:
    """Split a comma-separated list of methods."""
    names = tuple(name.strip() for name in text.split(",")) if text else METHODS
    if unknown := sorted(set(names) - set(METHODS)):
        raise click.BadParameter(f"{', '.join(unknown)}: choose from {', '.join(METHODS)}")
    return names


@click.command(help=__doc__, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for frames, results and tables.")
@click.option("--scale", default=0.25, type=click.FloatRange(0.01, 1.0), help="Share of the paper's numbers of frames.")
@click.option("--test-frames", default=200, type=click.IntRange(2), help="Frames to score on, drawn in addition.")
@click.option("--input-px", default=128, help="Side of every network's input.")
@click.option("--backbone", type=click.Choice(BACKBONES), default="resnet18")
@click.option("--width", default=0.5, help="Multiplier of all channel counts but InceptionV3's.")
@click.option("--epochs", default=16, type=click.IntRange(1), help="Passes over all training frames.")
@click.option("--lr-factor", default=10.0, help="Multiplier of the recipe's learning rates.")
@click.option("--precise-loss", type=click.Choice(PRECISE_LOSSES), default="l1", help="L_reg on frames with a ratio.")
@click.option("--seeds", "num_seeds", default=2, type=click.IntRange(1), help="Runs of each method.")
@click.option("--only", "methods", callback=parse_methods, default="", help="Methods, separated by commas.")
def main(out: Path, num_seeds: int, methods: tuple[str, ...], **options) -> None:
    """Draw, run, and print the table."""
    settings = Settings(**options)
    open_folder(out, settings)
    begun_s = time.perf_counter()

    def tell(text: str) -> None:
        click.echo(f"{math.floor(time.perf_counter() - begun_s):6d} s  {text}", err=True)

    if not (out / "frames").exists():
        tell("drawing the data set")
        draw_dataset(out / "frames", scale=settings.scale, test_frames=settings.test_frames)
    run_all(methods, num_seeds, settings, out, tell)
    click.echo(write_table(out, settings, num_seeds))


if __name__ == "__main__":
    main()
