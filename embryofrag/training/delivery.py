"""From trained phases to the model folder: modules, probe, calibration, figures, model card.

The test rows, which neither trained nor chose anything, give the figures and the calibration of the ratio's interval.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from embryofrag.archive import blank_overlay
from embryofrag.engine.contract import LOCATOR, SCOPE
from embryofrag.engine.digest import sha256_of_file
from embryofrag.engine.model import (
    MODEL_FILE,
    Crop,
    ModelHeader,
    ModelInfo,
    read_model,
    verified_file,
    weights_file,
    write_model,
)
from embryofrag.engine.select import choose_engine, load_pair
from embryofrag.grading.conformal import Conformal
from embryofrag.grading.schemes import SCHEMES
from embryofrag.imaging.letterbox import letterbox
from embryofrag.network.attn_reg_deeplab import AttnRegDeepLab
from embryofrag.training.checkpoint import load_network, load_tensors, read_facts
from embryofrag.training.config import TrainConfig
from embryofrag.training.conformal import check_left_out, fit_conformal, min_frames
from embryofrag.training.evaluate import METRICS_FILE, PREDICTIONS_FILE, predict_rows
from embryofrag.training.initial import initial_parts
from embryofrag.training.labelled import read_labelled
from embryofrag.training.learner import Learner
from embryofrag.training.locator import Locator, open_locator
from embryofrag.training.loop import LAST_FILE, WEIGHTS_FILE, count_overlaps, head_is_dead
from embryofrag.training.metrics import dice
from embryofrag.training.model_card import CARD_FILE, ModelFacts, write_model_card
from embryofrag.training.plots import plot_curves, plot_evaluation
from embryofrag.training.predictions import Prediction, calibration_groups, calibration_ratios, write_predictions
from embryofrag.training.progress import Reporter
from embryofrag.training.row import Row
from embryofrag.training.scores import evaluate_predictions
from embryofrag.training.source import plain_frames, plain_loader
from embryofrag.training.split import PARTS, Split

NUM_PROBE_FRAMES = 8
ALPHA = 0.1
"""Share of true ratios that may lie outside the calibrated interval."""


def deliver_model(
    config: TrainConfig,
    split: Split,
    out: Path,
    *,
    manifest: Path,
    phases: Mapping[str, Path],
    reporter: Reporter,
) -> ModelInfo:
    """Write the model folder; ``model.json`` comes last, so a folder that has one is complete.

    Args:
        config: Of the run.
        split: Of the run.
        out: The run's folder.
        manifest: Of the run.
        phases: For each phase the folder of its checkpoints and weights.
        reporter: Told what is done.
    """
    weights = {name: folder / WEIGHTS_FILE for name, folder in phases.items()}
    rows, part = (split.test, "test") if split.test else (split.val, "val")
    header, modules, probes = gather_model(config, split, weights)
    building = out / "training" / "model"
    rewrite_model(building, header, modules, probes)
    reporter.say(f"scoring {len(rows)} {part} frames")
    scheme = SCHEMES[config.scheme]
    predictions = list(predict_rows(rows, load_pair(choose_engine(building, "eager")), scheme))
    calibration = calibrate(predictions) if part == "test" else None
    if calibration is None:
        reporter.warn(f"no calibrated intervals: they need {min_frames(ALPHA)} test frames with masks and a true ratio")
    else:
        header = replace(header, calibration=calibration.to_dict())
    model = rewrite_model(building, header, modules, probes)
    facts = ModelFacts(
        name=model.name,
        experiment=config.experiment,
        config=config.to_dict(),
        manifest=manifest.name,
        data_note="",
        parts={name: getattr(split, name) for name in PARTS},
        scheme=scheme,
        evaluated_part=part,
        evaluation=evaluate_predictions(predictions, scheme),
        calibrated_part=part,
        calibration=calibration,
        intervals=None if calibration is None else check_calibration(predictions),
    )
    write_model_card(out / CARD_FILE, facts)
    write_predictions(out / PREDICTIONS_FILE, predictions, scheme)
    plot_evaluation(out, predictions, facts.evaluation)
    write_metrics(out, model, facts, phases=phases, masks_of_phase_2=compare_masks(config, rows, weights))
    for name in (*sorted(model.files), MODEL_FILE):
        os.replace(building / name, out / name)
    building.rmdir()
    return model


def gather_model(
    config: TrainConfig, split: Split, weights: Mapping[str, Path]
) -> tuple[ModelHeader, dict[str, Mapping], list[np.ndarray]]:
    """Return header, state dicts by module, and probes, as `write_model` takes them; without a calibration yet."""
    header = describe_model(config, split)
    modules = {"a": load_arrays(weights[config.module_a]), "b": load_arrays(weights[config.module_b])}
    probes = [draw_probe(split.val, config)]
    if config.crop == "embryo":
        locator = open_locator(Path(config.locator))
        scope = read_model(Path(config.scope)) if config.scope else None
        header = replace(header, crop=describe_crop(config, locator, scope))
        modules[LOCATOR] = load_arrays(locator.weights)
        if scope is not None:
            modules[SCOPE] = load_arrays(verified_file(scope, weights_file("b")))
        probes.append(draw_locator_probe(split.val, locator))
    return header, modules, probes


def write_metrics(
    out: Path, model: ModelInfo, facts: ModelFacts, *, phases: Mapping[str, Path], masks_of_phase_2: Mapping
) -> None:
    """Write ``metrics.json``, and for each phase its curves as PNG."""
    histories = {name: read_facts(folder / LAST_FILE)["history"] for name, folder in phases.items()}
    document = {
        "model": model.label,
        "part": facts.evaluated_part,
        **facts.evaluation.to_dict(),
        "intervals": facts.intervals,
        "phases": {name: summarise(history) for name, history in histories.items()},
        "masks_of_phase_2": masks_of_phase_2,
    }
    (out / METRICS_FILE).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    for name, history in histories.items():
        plot_curves(out / f"curves_{file_name(name)}.png", curve_panels(history))


def describe_model(config: TrainConfig, split: Split) -> ModelHeader:
    """Return the header: what the model is and where it comes from."""
    untrained = untrained_modules(config)
    return ModelHeader(
        name=file_name(f"{config.network.backbone}-{config.experiment}"),
        trained=not untrained,
        network=config.network.to_dict(),
        provenance={
            "recipe": config.to_dict()
            | {name: name_model(getattr(config, name)) for name in ("locator", "scope")}
            | {"init": name_init(config.init)},
            "untrained_modules": untrained,
            "num_frames": {part: len(getattr(split, part)) for part in PARTS},
            "num_groups": {part: len({row.group for row in getattr(split, part)}) for part in PARTS},
            "torch": torch.__version__,
        },
    )


def name_model(folder: str) -> str:
    """Return the id of the model in a folder, which says more than where the folder lay; "" for none."""
    return read_model(Path(folder)).id if folder else ""


def name_init(init: str) -> str:
    """Return what the start weights were; of a file its name and the first digits of its sha256, and not its place.

    >>> name_init("random")
    'random'
    """
    return f"{Path(init).name}@{sha256_of_file(Path(init))[:8]}" if Path(init).suffix else init


def untrained_modules(config: TrainConfig) -> list[str]:
    """Return the modules that no phase and no start weights gave their own layers: A's decoder, B's head.

    >>> from embryofrag.training.experiments import experiment_a, experiment_c
    >>> untrained_modules(experiment_a()), untrained_modules(experiment_c())
    (['b'], [])
    """
    initial = set(initial_parts(config.init))
    untrained = []
    for module, phase, part in (("a", config.module_a, "decoder"), ("b", config.module_b, "head")):
        if part not in initial.union(*(one.trainable for one in config.lineage(phase))):
            untrained.append(module)
    return untrained


def describe_crop(config: TrainConfig, locator: Locator, scope: ModelInfo | None) -> Crop:
    """Return how the model looks twice, and what says whether it looks at a cleavage-stage embryo."""
    return Crop(
        locator=locator.network,
        diameter_share=config.diameter_share,
        threshold=locator.threshold,
        scope=None if scope is None else dict(scope.network),
    )


def draw_probe(rows: Sequence[Row], config: TrainConfig) -> np.ndarray:
    """Return frames spread over the rows, as modules A and B get them: uint8 (N, S, S, 3)."""
    frames = plain_frames(tuple(rows), config)
    return np.concatenate([frames[place].images_NHWC.numpy() for place in probe_places(rows)])


def draw_locator_probe(rows: Sequence[Row], locator: Locator) -> np.ndarray:
    """Return the same frames as the locator gets them, whole: uint8 (N, L, L, 3)."""
    frames = [read_labelled(rows[place]) for place in probe_places(rows)]
    side_px = locator.network["input_px"]
    return np.stack([letterbox(blank_overlay(frame.image), side_px)[0] for frame in frames])


def probe_places(rows: Sequence[Row]) -> list[int]:
    """Return where the probe's frames stand among the rows.

    >>> probe_places(range(3)), probe_places(range(100))
    ([0, 1, 2], [0, 14, 28, 42, 57, 71, 85, 99])
    """
    return np.unique(np.linspace(0, len(rows) - 1, NUM_PROBE_FRAMES).round().astype(int)).tolist()


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return a state dict as numpy arrays."""
    return {name: tensor.numpy() for name, tensor in load_tensors(path)[0].items()}


def rewrite_model(
    folder: Path, header: ModelHeader, modules: Mapping[str, Mapping], probes: Sequence[np.ndarray]
) -> ModelInfo:
    """Write a model folder in place of one that may be there."""
    shutil.rmtree(folder, ignore_errors=True)
    return write_model(folder, header, modules, *probes)


def calibrate(predictions: Sequence[Prediction]) -> Conformal | None:
    """Calibrate the ratio's interval; None where too few frames have masks and a true ratio."""
    ratios = calibration_ratios(predictions)
    return fit_conformal(*ratios, alpha=ALPHA) if len(ratios[0]) >= min_frames(ALPHA) else None


def check_calibration(predictions: Sequence[Prediction]) -> dict[str, float] | None:
    """Return what intervals hold for groups that did not calibrate them (`conformal.check_left_out`)."""
    return check_left_out(*calibration_ratios(predictions), calibration_groups(predictions), alpha=ALPHA)


def compare_masks(config: TrainConfig, rows: Sequence[Row], weights: Mapping[str, Path]) -> dict:
    """Return the pooled Dice of both masks before and after each phase that continues another one."""
    return {
        phase.name: {
            "before": mask_dice(config, rows, weights[phase.start]),
            "after": mask_dice(config, rows, weights[phase.name]),
        }
        for phase in config.phases
        if phase.start in weights
    }


@torch.no_grad()
def mask_dice(config: TrainConfig, rows: Sequence[Row], weights: Path) -> dict[str, float | None]:
    """Return the pooled Dice of weights on the network's canvas, None where there are no masks."""
    network = AttnRegDeepLab(config.network)
    load_network(network, weights)
    learner = Learner(network, torch.float32, with_masks=True).eval()
    overlaps_K3 = np.zeros((2, 3))
    for batch in plain_loader(tuple(rows), config):
        overlaps_K3 += count_overlaps(learner(batch).masks_NKHW, batch)
    shares = (None if np.isnan(share) else float(share) for share in dice(overlaps_K3))
    return dict(zip(("fragment", "embryo"), shares, strict=True))


def summarise(history: Sequence[Mapping]) -> dict:
    """Return a phase's length, and the figures of the epoch whose weights were kept."""
    best = min(history, key=lambda figures: figures["val_loss"])
    return {"num_epochs": len(history), "head_is_dead": head_is_dead(best), "best": best}


def curve_panels(history: Sequence[Mapping]) -> dict[str, dict[str, list[float]]]:
    """Sort a phase's figures into panels for `plot_curves`; what has no figure in any epoch is left out."""
    names = {
        "loss": ("train_total", "val_loss"),
        "terms on validation": ("val_seg", "val_reg", "val_cons"),
        "ratio on validation": ("val_mae", "val_spread", "true_spread"),
        "Dice on validation": ("val_dice_fragment", "val_dice_embryo"),
    }
    panels = {
        title: {
            name: [np.nan if figures[name] is None else figures[name] for figures in history]
            for name in curves
            if any(figures[name] for figures in history)
        }
        for title, curves in names.items()
    }
    return {title: curves for title, curves in panels.items() if curves}


def file_name(name: str) -> str:
    """Return a name without the characters that files and models may not have.

    >>> file_name("resnet50-D+")
    'resnet50-Dplus'
    """
    return name.replace("+", "plus")
