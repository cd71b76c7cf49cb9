"""One model of benchmark_engines: opened in every way that works here, and timed."""

import json
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from benchmark import grade_once
from benchmark_engines_limit import count_gflop
from benchmark_engines_ways import OPENVINO, WAYS, Run, engine_home, load_eager, written_out

from embryofrag.engine.contract import PAIR, by_module
from embryofrag.engine.eager import load_deployed
from embryofrag.engine.model import ModelInfo, read_probe
from embryofrag.engine.parity import Answers, compare_answers, judge_results
from embryofrag.errors import EmbryofragError

LEAST_S = 0.5
"""A timing repeats its call until so much time has passed."""
PARITY_FRAMES = 2


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model, the ways of running it that work here, warmed up, and what was timed so far."""

    model: ModelInfo
    runs: Mapping[str, Mapping[str, Run]]
    """By way and pass: a module, or both in one."""
    images: Mapping[str, np.ndarray]
    """Frames of each module, uint8 (N, S, S, 3), as many as the largest batch."""
    figures: dict
    """Plain values; the lists in it get one value a round."""


def open_subject(model: ModelInfo, ways: Sequence[str], batches: Sequence[int]) -> Subject:
    """Load a model in every way, run every batch once, and count how far the answers are from PyTorch's."""
    images = {}
    for module in model.modules:
        probe = read_probe(model, module)
        images[module] = np.resize(probe, (max(*batches, PARITY_FRAMES), *probe.shape[1:]))
    images[PAIR] = images["a"]
    expected = answer(load_eager(model), images, model)
    runs, skipped, parity, ready_s = {}, {}, {}, {}
    for way in ways:
        start_s = time.perf_counter()
        try:
            runs[way] = load_and_warm_up(way, model, images, batches)
        except (EmbryofragError, RuntimeError) as error:  # the latter is how PyTorch's compiler and exporter fail
            skipped[way] = str(error).strip().partition("\n")[0]
            click.echo(f"{model.label}: {way} is skipped: {error}", err=True)
            continue
        ready_s[way] = time.perf_counter() - start_s
        difference = compare_answers(expected, answer(runs[way], images, model))
        parity[way] = {"mask_frac": difference.mask_differ_frac, "ratio": difference.ratio_max_difference}
        click.echo(f"{model.label}: {way} is ready after {ready_s[way]:.0f} s", err=True)
    figures = {
        **describe_model(model),
        "skipped": skipped,
        "difference": parity,
        "ready_s": ready_s,
        "gflop": {way: count_way(model, way, runs[way]) for way in runs},
        "module_s": {way: {module: {str(batch): [] for batch in batches} for module in runs[way]} for way in runs},
        "grade": {way: [] for way in runs if way in OPENVINO},
    }
    return Subject(model=model, runs=runs, images=images, figures=figures)


def load_and_warm_up(
    way: str, model: ModelInfo, images: Mapping[str, np.ndarray], batches: Sequence[int]
) -> dict[str, Run]:
    """Load a model in one way and run every batch once: the first calls are slower, or compile."""
    runs = WAYS[way].load(model)
    for module, run in runs.items():
        for batch in batches:
            run(images[module][:batch])
    return runs


def answer(runs: Mapping[str, Run], images: Mapping[str, np.ndarray], model: ModelInfo) -> Answers:
    """Return thresholded masks and ratios of a few frames."""
    results = {name: run(images[name][:PARITY_FRAMES]) for name, run in runs.items()}
    return judge_results(by_module(results), model)


def describe_model(model: ModelInfo) -> dict:
    """Return what a reader must know of it."""
    return {
        "model": model.label,
        "backbone": model.network["backbone"],
        "width": model.network["width"],
        "input_px": {module: model.network_of(module)["input_px"] for module in model.modules},
    }


def count_way(model: ModelInfo, way: str, passes: Iterable[str]) -> dict[str, float]:
    """Return the arithmetic of one frame by pass, GFLOP, in the form that the way computes."""
    form = written_out if WAYS[way].concatenated else load_deployed
    return {name: count_gflop(form(model, name), model.network_of(name)["input_px"]) for name in passes}


def time_modules(subject: Subject) -> None:
    """Add one round: seconds a frame of every module in every way and batch."""
    for way, by_pass in subject.figures["module_s"].items():
        for module, by_batch in by_pass.items():
            for batch, times_s in by_batch.items():
                images_NHWC = subject.images[module][: int(batch)]
                times_s.append(seconds_a_call(subject.runs[way][module], images_NHWC) / int(batch))


def seconds_a_call(run: Run, images_NHWC: np.ndarray) -> float:
    """Return the mean wall clock of as many calls as take `LEAST_S` together."""
    num_calls, start_s = 0, time.perf_counter()
    while (elapsed_s := time.perf_counter() - start_s) < LEAST_S or not num_calls:
        run(images_NHWC)
        num_calls += 1
    return elapsed_s / num_calls


def time_grade(subject: Subject, archive: Path, out: Path) -> None:
    """Add one round: a whole `embryofrag grade` of the archive with every engine of ours, in a process of its own."""
    for way, rounds in subject.figures["grade"].items():
        home = engine_home(subject.model, WAYS[way].pair)
        times_s = grade_once(archive, out, home, "--engine", "openvino", "--precision", WAYS[way].precision)
        counts = json.loads((out / "run.json").read_text(encoding="utf-8"))["counts"]
        rounds.append(times_s | {"counts": counts})
        shutil.rmtree(out)
