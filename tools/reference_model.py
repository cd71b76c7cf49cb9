"""Make the reference model: from nothing but drawn frames to engines/reference.

    python tools/reference_model.py draw --out reference
    OMP_NUM_THREADS=1 torchrun --standalone --nproc-per-node 2 tools/reference_model.py module --out reference
    OMP_NUM_THREADS=1 torchrun --standalone --nproc-per-node 2 tools/reference_model.py finish --out reference
    python tools/reference_model.py limits --out reference
    python tools/reference_model.py ship --out reference

Experiment C of arXiv 2511.18454 goes on from the weights in engines/reference: its masks are as good as those of
experiment A on phantoms and hold together on late real frames where A's fall apart. At last the head learns alone on
the frozen backbone (experiment D after C), on the frames of its last pass: it becomes module B. With `--anew` both the
locator (an experiment A on whole frames, `locator`) and the modules start from random weights. The two processes of
torchrun share the gradients, one thread each: the best use of two cores. A step that was killed goes on where it was; a
finished one is left as it is. `tools/reference_card.py` then measures the model and writes its card.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

import click
import numpy as np

from embryofrag.archive import blank_overlay
from embryofrag.engine.build import build_engines
from embryofrag.engine.contract import LOCATOR
from embryofrag.engine.look import look_at_embryos
from embryofrag.engine.model import (
    MODEL_FILE,
    ModelHeader,
    ModelInfo,
    read_model,
    read_probe,
    verified_file,
    weights_file,
    write_model,
)
from embryofrag.engine.select import choose_engine, load_pair
from embryofrag.errors import EmbryofragError
from embryofrag.grading.ratio import measure_masks
from embryofrag.grading.schemes import SCHEMES
from embryofrag.imaging.masks import EMBRYO, mask_confidence, masks_in_frame
from embryofrag.network.config import NetworkConfig
from embryofrag.phantom import write_frames
from embryofrag.phantom.dataset import Mix
from embryofrag.training.config import TrainConfig, change_phases
from embryofrag.training.conformal import fit_conformal
from embryofrag.training.delivery import ALPHA, load_arrays
from embryofrag.training.evaluate import SPLIT_FILE
from embryofrag.training.experiments import EXPERIMENTS, PHASE_D
from embryofrag.training.labelled import read_labelled
from embryofrag.training.loop import WEIGHTS_FILE
from embryofrag.training.manifest import read_manifest
from embryofrag.training.metrics import count_overlap, dice
from embryofrag.training.row import Row
from embryofrag.training.split import read_split
from embryofrag.training.train import TRAINING_FOLDER, train

SHIPPED_DIR = Path(__file__).resolve().parents[1] / "engines" / "reference"
PRECISIONS = ("int8", "bf16", "fp32")
"""Engines that ship if they pass their gates: fast ones, and one for any CPU."""
SCHEME = SCHEMES["regdeeplab"]
MIX = Mix(out_of_scope_share=0.15, two_embryo_share=0.02)
TRAINING_MIX = replace(MIX, late_share=0.1)
FINISHING_MIX = Mix(
    out_of_scope_share=0.1,
    out_of_scope_kinds=("empty", "blastocyst", "blank", "black"),
    two_embryo_share=0.02,
    late_share=0.2,
)
"""Without morulae and degenerate masses: a network that is sure of them refuses real embryos of many cells."""
FRAMES = {
    "frames": (24000, 61, TRAINING_MIX),
    "new": (32000, 64, FINISHING_MIX),
    "held_out": (900, 52, MIX),
}
"""Folder -> number of frames, seed and mix: to train and calibrate, to finish, and for the card."""
RUNS = ("module", "finished")
"""Folders of the training runs, in their order."""
VIEWS = 4
"""Quarter turns of each window whose answers are averaged: steadier masks and ratios for four times the arithmetic."""
LIMITS_FILE = "limits.json"
THRESHOLDS = (0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
"""Of the masks, the lowest first."""
DICE_TOLERANCE = 0.005
"""The lowest threshold is taken whose fragment Dice is so near the best: lower ones keep faint outlines whole."""
UNCLEAR_SHARE = 0.05
"""Of the drawn embryos that calibrate; so many of them will be referred as unclear."""
LOCATOR_RECIPE = replace(
    change_phases(EXPERIMENTS["A"](), epochs=2, patience=0, lr=3e-3),
    network=NetworkConfig(backbone="resnet18", width=0.25, input_px=128, aspp_rates=(1, 2, 3)),
    init="random",
    batch_size=16,
    val_frac=0.05,
    test_frac=0.05,
)
MODULES_RECIPE = replace(
    change_phases(EXPERIMENTS["C"](), epochs=1, patience=0, lr=1.2e-3, beta=3.0),
    network=NetworkConfig(backbone="resnet34", width=0.5, input_px=256, aspp_rates=(2, 4, 6)),
    crop="embryo",
    locator=str(SHIPPED_DIR),
    init=str(SHIPPED_DIR / "module_a.safetensors"),
    ema_decay=0.998,
    val_frac=0.03,
    test_frac=0.03,
    num_workers=0,
    seed=4,
)
FINISHING_RECIPE = replace(
    MODULES_RECIPE,
    phases=(
        *change_phases(MODULES_RECIPE, lr=8e-4).phases,
        replace(PHASE_D, start="C", lr=1e-3, epochs=30, patience=0, views=1),
    ),
    module_b="D",
    seed=5,
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
@click.option("--anew", is_flag=True, help="From random weights and the locator in OUT, which `locator` made.")
def module(out: Path, anew: bool) -> None:
    """Train experiment C on windows around the embryo."""
    config = MODULES_RECIPE
    if anew:
        # L1 leaves a head from random weights where the sigmoid is flat
        config = replace(
            change_phases(config, epochs=8), init="random", precise_loss="soft_bce", locator=str(out / "locator")
        )
    train_or_resume(config, out, "module")


@main.command()
@out_option
def finish(out: Path) -> None:
    """Train once more on frames it has not seen, then the head alone."""
    weights = out / "module" / TRAINING_FOLDER / "C" / WEIGHTS_FILE
    config = replace(FINISHING_RECIPE, init=str(weights), locator=str(out / "module"))
    train_or_resume(config, out, "finished", out / "new")


@main.command()
@out_option
def limits(out: Path) -> None:
    """Choose the mask threshold, the certainty an outline must have, and the interval, on drawn frames kept for it."""
    model = read_model(out / "finished")
    rows = read_split(out / "module" / SPLIT_FILE, read_manifest(out / "frames" / "manifest.csv", SCHEME)).test
    found = calibrate(model, [row for row in rows if row.ratio is not None and row.stage != "two-embryos"])
    (out / LIMITS_FILE).write_text(json.dumps(found) + "\n", encoding="utf-8")
    click.echo(f"{len(rows)} drawn frames: " + ", ".join(f"{name} {found[name]}" for name in list(found)[:2]))


@main.command()
@out_option
def ship(out: Path) -> None:
    """Round the weights to half precision, compile the engines, and put all into engines/reference."""
    model = read_model(out / "finished")
    folder = out / SHIPPED_DIR.name
    shutil.rmtree(folder, ignore_errors=True)
    header = ModelHeader(**{field.name: getattr(model, field.name) for field in fields(ModelHeader)})
    weights = {module: halve(load_arrays(verified_file(model, weights_file(module)))) for module in model.modules}
    header = replace(
        header, name=folder.name, num_views=VIEWS, **json.loads((out / LIMITS_FILE).read_text(encoding="utf-8"))
    )
    write_model(folder, header, weights, read_probe(model, "a"), read_probe(model, LOCATOR))
    for precision in PRECISIONS:
        try:
            report = build_engines(folder, precision=precision)
        except EmbryofragError as error:
            click.echo(f"{precision} does not ship: {error}")
        else:
            click.echo(f"{report.name}: {report.size_bytes:,} bytes; {report.accuracy or report.parity}")
    shutil.rmtree(SHIPPED_DIR, ignore_errors=True)
    shutil.copytree(folder, SHIPPED_DIR)
    size_bytes = sum(path.stat().st_size for path in SHIPPED_DIR.rglob("*") if path.is_file())
    click.echo(f"{SHIPPED_DIR}: {size_bytes:,} bytes")


def calibrate(model: ModelInfo, rows: Sequence[Row]) -> dict:
    """Return fields of `ModelHeader` from labelled frames of one embryo each; those without a window teach nothing."""
    engines = load_pair(choose_engine(model.path, "eager", num_views=VIEWS))
    overlaps_RT3, ratios_RT, confidences_RT, heads_R, truth_R = [], [], [], [], []
    for row in rows:
        frame = read_labelled(row)
        look = look_at_embryos(engines, [blank_overlay(frame.image)])[0]
        if not look.found:
            continue
        canvas_1SSC = look.canvas_SSC[None]
        (maps_KSS,), (head,) = engines.masks_and_ratios(canvas_1SSC)
        masks_T = [masks_in_frame(maps_KSS, look.box, threshold) for threshold in THRESHOLDS]
        overlaps_RT3.append([count_overlap(fragment, frame.fragment) for fragment, _ in masks_T])
        ratios_RT.append([measure_masks(*masks).ratio_mask for masks in masks_T])
        confidences_RT.append([mask_confidence(maps_KSS[EMBRYO], look.box, threshold) for threshold in THRESHOLDS])
        heads_R.append(float(head))
        truth_R.append(row.ratio)
    dice_T = dice(np.sum(overlaps_RT3, axis=0))
    best = int(np.argmax(dice_T >= dice_T.max() - DICE_TOLERANCE))
    usable = [place for place, ratios in enumerate(ratios_RT) if ratios[best] is not None]
    at_best = [np.array([table[place][best] for place in usable]) for table in (ratios_RT, confidences_RT)]
    heads, truth = np.array(heads_R)[usable], np.array(truth_R)[usable]
    return {
        "mask_threshold": THRESHOLDS[best],
        "min_embryo_confidence": round(float(np.quantile(at_best[1], UNCLEAR_SHARE)), 3),
        "calibration": fit_conformal(heads, at_best[0], truth, alpha=ALPHA).to_dict(),
    }


def halve(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Round the weights of layers to float16, which halves the files; vectors stay as they are.

    >>> {name: str(array.dtype) for name, array in halve({"w": np.ones((2, 2), "f"), "b": np.ones(2, "f")}).items()}
    {'w': 'float16', 'b': 'float32'}
    """
    return {name: array.astype(np.float16) if array.ndim > 1 else array for name, array in state.items()}


def train_or_resume(config: TrainConfig, out: Path, name: str, data: Path | None = None) -> None:
    """Train into a folder, or go on with what a killed run left there; on `frames` where no other data are named."""
    folder, data = out / name, data or out / "frames"
    train(config, data / "manifest.csv", folder, resume=(folder / TRAINING_FOLDER).exists())
    click.echo(f"{folder / MODEL_FILE}: trained")


if __name__ == "__main__":
    main()
