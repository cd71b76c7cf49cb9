"""Make the reference model: from nothing but drawn frames to engines/reference.

    python tools/reference_model.py draw --out reference
    python tools/reference_model.py locator --out reference
    python tools/reference_model.py scope --out reference
    OMP_NUM_THREADS=1 python tools/reference_model.py module A --out reference &
    OMP_NUM_THREADS=1 python tools/reference_model.py module C --out reference &
    wait
    python tools/reference_model.py pair --out reference
    python tools/reference_model.py ship --out reference

Module A comes from experiment A and module B from experiment C of arXiv 2511.18454, both from random weights; the
locator is an experiment A on whole frames, and the scope module an experiment B that learns 1 for frames of one
cleavage-stage embryo and 0 for what is out of scope. On two cores the two modules train best side by side, one thread
each. A step that was killed goes on where it was; a finished one is left as it is. `tools/reference_card.py` then
measures the model and writes its card.
"""

import csv
import os
import shutil
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

import click
import numpy as np

from embryofrag.engine.build import build_engines
from embryofrag.engine.contract import LOCATOR
from embryofrag.engine.model import (
    MODEL_FILE,
    ModelHeader,
    read_model,
    read_probe,
    verified_file,
    weights_file,
    write_model,
)
from embryofrag.grading.schemes import SCHEMES
from embryofrag.network.config import NetworkConfig
from embryofrag.phantom import write_frames
from embryofrag.phantom.dataset import Mix
from embryofrag.phantom.out_of_scope import OUT_OF_SCOPE
from embryofrag.training.config import TrainConfig, change_phases
from embryofrag.training.delivery import deliver_model, load_arrays
from embryofrag.training.evaluate import SPLIT_FILE
from embryofrag.training.experiments import EXPERIMENTS
from embryofrag.training.locator import open_locator, place_rows
from embryofrag.training.manifest import read_manifest
from embryofrag.training.progress import Reporter
from embryofrag.training.split import read_split
from embryofrag.training.train import TRAINING_FOLDER, train

SHIPPED_DIR = Path(__file__).resolve().parents[1] / "engines" / "reference"
PRECISIONS = ("int8", "fp32")
"""Engines that ship: the fastest, and one for any CPU."""
MIX = Mix(out_of_scope_share=0.15, two_embryo_share=0.02)
FRAMES = {
    "frames": (9000, 41, MIX),
    "scope_frames": (3600, 43, Mix(out_of_scope_share=0.8)),
    "held_out": (900, 42, MIX),
}
"""Folder -> number of frames, seed and mix: to train and calibrate, more of what is out of scope, for the card."""
NUM_IN_SCOPE = 2000
"""Of the first frames of ``frames``, which the scope module learns beside ``scope_frames``."""
LIGHTLESS = ("blank", "black")
"""Stages in which there is nothing to look at: the locator's task alone."""
LOCATOR_RECIPE = replace(
    change_phases(EXPERIMENTS["A"](), epochs=2, patience=0, lr=3e-3),
    network=NetworkConfig(backbone="resnet18", width=0.25, input_px=128, aspp_rates=(1, 2, 3)),
    init="random",
    batch_size=16,
    val_frac=0.05,
    test_frac=0.05,
)
SCOPE_RECIPE = replace(
    change_phases(EXPERIMENTS["B"](), epochs=4, patience=0, lr=2e-3),
    network=NetworkConfig(backbone="resnet18", width=0.25, input_px=256, aspp_rates=(2, 4, 6)),
    init="random",
    precise_loss="soft_bce",
    batch_size=16,
    val_frac=0.05,
    test_frac=0.05,
)
MODULES_RECIPE = replace(
    change_phases(EXPERIMENTS["dual"](), epochs=4, patience=0, lr=2e-3),
    network=NetworkConfig(backbone="resnet34", width=0.5, input_px=256, aspp_rates=(2, 4, 6)),
    init="random",
    precise_loss="soft_bce",
    val_frac=0.05,
    test_frac=0.05,
    num_workers=0,
)


@click.group(help=__doc__.split("\n\n")[0], context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """One command a step."""


out_option = click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of all steps.")


@main.command()
@out_option
@click.option("--scale", type=float, default=1.0, show_default=True, help="Draw so many times the frames.")
def draw(out: Path, scale: float) -> None:
    """Draw the frames."""
    for name, (count, seed, mix) in FRAMES.items():
        if not (out / name).exists():
            unfinished = out / f".{name}.drawing"
            shutil.rmtree(unfinished, ignore_errors=True)
            write_frames(
                unfinished,
                max(1, round(scale * count)),
                seed,
                mix=mix,
                num_workers=os.cpu_count() or 1,
            )
            unfinished.rename(out / name)
        click.echo(f"{out / name}: drawn")


@main.command()
@out_option
def locator(out: Path) -> None:
    """Train the locator on whole frames."""
    train_or_resume(LOCATOR_RECIPE, out, "locator")


@main.command()
@out_option
def scope(out: Path) -> None:
    """Train the scope module on the windows that the locator finds."""
    rows = [row for row in read_rows(out, "frames")[:NUM_IN_SCOPE] if row["stage"] not in OUT_OF_SCOPE]
    rows += [row for row in read_rows(out, "scope_frames") if row["stage"] not in LIGHTLESS]
    manifest = out / "scope.csv"
    with manifest.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ("image", "ratio", "patient", "stage"), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    train_or_resume(replace(SCOPE_RECIPE, crop="embryo", locator=str(out / "locator")), out, "scope", manifest)


@main.command()
@click.argument("name", type=click.Choice(["A", "C"]))
@out_option
def module(name: str, out: Path) -> None:
    """Train one experiment on windows around the embryo."""
    train_or_resume(only(name, modules_config(out)), out, f"module_{name}")


@main.command()
@out_option
def pair(out: Path) -> None:
    """Put both modules and the locator into one model folder, with its calibration."""
    config = modules_config(out)
    manifest = out / "frames" / "manifest.csv"
    rows = read_manifest(manifest, SCHEMES[config.scheme])
    rows = place_rows(rows, open_locator(out / "locator"), diameter_share=config.diameter_share, seed=config.seed)
    split = read_split(out / "module_A" / SPLIT_FILE, rows)
    folder = out / "model"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / TRAINING_FOLDER).mkdir(parents=True)
    phases = {name: out / f"module_{name}" / TRAINING_FOLDER / name for name in ("A", "C")}
    model = deliver_model(config, split, folder, manifest=manifest, phases=phases, reporter=Reporter())
    click.echo(f"{folder}: {model.label}")


@main.command()
@out_option
def ship(out: Path) -> None:
    """Round the weights to half precision, compile the engines, and put all into engines/reference."""
    model = read_model(out / "model")
    folder = out / SHIPPED_DIR.name
    shutil.rmtree(folder, ignore_errors=True)
    header = ModelHeader(**{field.name: getattr(model, field.name) for field in fields(ModelHeader)})
    weights = {module: halve(load_arrays(verified_file(model, weights_file(module)))) for module in model.modules}
    write_model(folder, replace(header, name=folder.name), weights, read_probe(model, "a"), read_probe(model, LOCATOR))
    for precision in PRECISIONS:
        report = build_engines(folder, precision=precision)
        click.echo(f"{report.name}: {report.size_bytes:,} bytes; {report.accuracy or report.parity}")
    shutil.rmtree(SHIPPED_DIR, ignore_errors=True)
    shutil.copytree(folder, SHIPPED_DIR)
    size_bytes = sum(path.stat().st_size for path in SHIPPED_DIR.rglob("*") if path.is_file())
    click.echo(f"{SHIPPED_DIR}: {size_bytes:,} bytes")


def halve(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Round the weights of layers to float16, which halves the files; vectors stay as they are.

    >>> {name: str(array.dtype) for name, array in halve({"w": np.ones((2, 2), "f"), "b": np.ones(2, "f")}).items()}
    {'w': 'float16', 'b': 'float32'}
    """
    return {name: array.astype(np.float16) if array.ndim > 1 else array for name, array in state.items()}


def read_rows(out: Path, name: str) -> list[dict[str, str]]:
    """Return image, patient, stage and, as ratio, whether it is in scope, of the rows of a drawn data set."""
    with (out / name / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [
        {
            "image": f"{name}/{row['image']}",
            "patient": f"{name} {row['patient']}",
            "stage": row["stage"],
            "ratio": "0" if row["stage"] in OUT_OF_SCOPE else "1",
        }
        for row in rows
    ]


def modules_config(out: Path) -> TrainConfig:
    """Return the recipe of both modules."""
    return replace(MODULES_RECIPE, crop="embryo", locator=str(out / "locator"), scope=str(out / "scope"))


def only(name: str, config: TrainConfig) -> TrainConfig:
    """Return the recipe of one of the two experiments alone.

    >>> only("C", MODULES_RECIPE).experiment
    'C'
    """
    phases = tuple(phase for phase in config.phases if phase.name == name)
    return replace(config, experiment=name, phases=phases, module_a=name, module_b=name)


def train_or_resume(config: TrainConfig, out: Path, name: str, manifest: Path | None = None) -> None:
    """Train into a folder, or go on with what a killed run left there."""
    folder = out / name
    train(config, manifest or out / "frames" / "manifest.csv", folder, resume=(folder / TRAINING_FOLDER).exists())
    click.echo(f"{folder / MODEL_FILE}: trained")


if __name__ == "__main__":
    main()
