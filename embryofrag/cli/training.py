"""train and evaluate."""

import os
from dataclasses import replace
from pathlib import Path

import click

from embryofrag import terminal
from embryofrag.cli.group import FOLDER, main, needs_extra
from embryofrag.errors import EmbryofragError, UsageError

FILE = click.Path(path_type=Path)


@main.command()
@click.argument("manifest", type=FILE)
@click.option("--out", type=FOLDER, help="Model folder to make.")
@click.option("--check", is_flag=True, help="Only check MANIFEST: every bad row with its line and reason.")
@click.option("--experiment", default="dual", show_default=True,
    help="Recipe: A, B, C, D, D+, E of the paper; dual (A for the masks, C for the ratio); decoupled (A for the masks, "
    "and on its frozen features D for the ratio).")  # fmt: skip
@click.option("--baseline", help="Fit a method to compare with instead: deeplab, inception, lbp, glcm.")
@click.option("--init", help="Start weights: imagenet, random, or a .safetensors file. [default: by the recipe]")
@click.option("--backbone", help="resnet50, resnet34 or resnet18. [default: resnet50]")
@click.option("--width", type=float, help="Multiplier of all channel counts. [default: 1]")
@click.option("--input-px", type=int, help="Side of the network's input. [default: 512]")
@click.option("--crop", type=click.Choice(["frame", "embryo"]),
    help="Look at whole frames, or at a window around the embryo that a locator finds. [default: frame]")  # fmt: skip
@click.option("--locator", help="Model folder to take the locator from. [default: the reference model]")
@click.option("--scope", help="Model folder whose module B says whether the window shows a cleavage-stage embryo.")
@click.option("--epochs", type=int, help="Epochs of each phase, at most. [default: by the recipe]")
@click.option("--patience", type=int, help="Epochs without a better validation loss before a phase ends; 0: never.")
@click.option("--lr", type=float, help="Peak learning rate of every phase. [default: by the recipe]")
@click.option("--batch-size", type=int, help="Frames a step. [default: 8]")
@click.option("--accumulate", type=int, help="Batches a step of the optimiser. [default: 1]")
@click.option("--precise-loss", help="Loss on known ratios: l1 (the paper's) or soft_bce. [default: by the recipe]")
@click.option("--precision", help="Arithmetic: auto, fp32, bf16, fp16. [default: auto]")
@click.option("--scheme", help="Grade scheme of the manifest. [default: regdeeplab]")
@click.option("--split", "split_file", type=FILE, help="split.csv to use instead of drawing one.")
@click.option("--seed", type=int, help="Of weights, split, order and augmentation. [default: 0]")
@click.option("--workers", "num_workers", type=int, help="Processes that read frames. [default: 1]")
@click.option("--resume", is_flag=True, help="Go on with a run that was killed.")
@click.option("--build/--no-build", default=True, show_default=True, help="Compile the model's engine at the end.")
def train(
    manifest: Path,
    out: Path | None,
    check: bool,
    baseline: str | None,
    split_file: Path | None,
    resume: bool,
    build: bool,
    **options,
) -> None:
    """Train a model from the labelled frames of MANIFEST (needs the `train` extra).

    The model folder can be graded with at once. Under torchrun the first process builds the engine.

    \b
    Example:
      embryofrag train labels/manifest.csv --out models/ours --init imagenet
    """
    with needs_extra("train", "training"):
        from embryofrag.training.baselines import fit_baseline
        from embryofrag.training.train import train as train_model

        config = _train_config(baseline, options)
    if check:
        terminal.print_problems(manifest, _problems(manifest, config.scheme))
    elif out is None:
        raise UsageError("no folder was named for the model: give --out DIR (or --check to check the manifest alone)")
    elif baseline:
        fit_baseline(config, manifest, out, split_file=split_file, resume=resume)
        terminal.print_scores(out)
    else:
        train_model(config, manifest, out, split_file=split_file, resume=resume)
        if os.environ.get("RANK", "0") == "0":
            terminal.print_scores(out)
            if build:
                _build_engine(out)


def _build_engine(model: Path) -> None:
    """Compile the fastest engine that reproduces the model here."""
    from embryofrag.engine.build import build_engines

    try:
        report = build_engines(model)
    except EmbryofragError as error:
        terminal.warn(f"{error}; building an fp32 engine instead")
        report = build_engines(model, precision="fp32")
    terminal.print_build(report)


def _train_config(baseline: str | None, options: dict):
    """The recipe that was asked for, with what was changed of it."""
    from embryofrag.engine.shipped import shipped_model
    from embryofrag.training.baselines import BASELINES
    from embryofrag.training.config import change_phases
    from embryofrag.training.experiments import EXPERIMENTS

    options = {name: value for name, value in options.items() if value is not None}
    name = options.pop("experiment")
    if options.get("crop") == "embryo":
        if baseline is not None:
            raise UsageError("baselines look at whole frames: leave --crop embryo out")
        options["locator"] = options.get("locator") or str(shipped_model("reference"))
    if baseline is not None and baseline not in BASELINES:
        raise UsageError(f"--baseline is one of {', '.join(BASELINES)}, not {baseline}")
    if name not in EXPERIMENTS:
        raise UsageError(f"--experiment is one of {', '.join(EXPERIMENTS)}, not {name}")
    config = BASELINES[baseline].config if baseline else EXPERIMENTS[name]()
    of_network = {key: options.pop(key) for key in ("backbone", "width", "input_px") if key in options}
    of_phases = {key: options.pop(key) for key in ("epochs", "patience", "lr") if key in options}
    try:
        config = replace(config, network=replace(config.network, **of_network), **options)
        return change_phases(config, **of_phases) if of_phases else config
    except ValueError as error:
        raise UsageError(str(error)) from error


def _problems(manifest: Path, scheme: str):
    from embryofrag.grading.schemes import SCHEMES
    from embryofrag.training.manifest import check_manifest

    if scheme not in SCHEMES:
        raise UsageError(f"--scheme is one of {', '.join(SCHEMES)}, not {scheme}")
    return check_manifest(manifest, SCHEMES[scheme])


@main.command()
@click.argument("manifest", type=FILE)
@click.option("--model", required=True, type=FOLDER, help="Model folder.")
@click.option("--out", required=True, type=FOLDER, help="Folder for predictions, scores and figures.")
@click.option("--engine", default="auto", show_default=True, help="auto, tensorrt, openvino or eager.")
@click.option("--precision", default="auto", show_default=True, help="auto, bf16, fp16 or fp32.")
@click.option("--scheme", default="regdeeplab", show_default=True, help="Grade scheme of the manifest.")
@click.option("--part", help="Only this part of the split that lies in the model folder: train, val or test.")
def evaluate(
    manifest: Path, model: Path, out: Path, engine: str, precision: str, scheme: str, part: str | None
) -> None:
    """Compare a model with the labels of MANIFEST: masks, ratios, grades, with intervals (needs the `train` extra).

    \b
    Example:
      embryofrag evaluate labels/manifest.csv --model models/ours --out scores --part test
    """
    from embryofrag.engine.select import choose_engine
    from embryofrag.grading.schemes import SCHEMES

    with needs_extra("train", "evaluating"):
        from embryofrag.training.evaluate import evaluate_model

        if scheme not in SCHEMES:
            raise UsageError(f"--scheme is one of {', '.join(SCHEMES)}, not {scheme}")
        choice = choose_engine(model, engine, precision)
        terminal.announce(choice)
        with terminal.show_count("evaluating") as on_frame:
            evaluate_model(manifest, choice, out, scheme=SCHEMES[scheme], split_part=part, on_frame=on_frame)
    terminal.print_scores(out)
