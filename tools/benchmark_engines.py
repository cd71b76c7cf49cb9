"""Measure the engines beside what else could run the networks, in one run: JSON, a table and a chart.

    python tools/benchmark_engines.py --out engines.json                  two seeded ResNet-50: 512 px, 256 px crop
    python tools/benchmark_engines.py --out engines.json --model MODEL    a model of yours in place of the second
    python tools/benchmark_engines.py --read engines.json --write-docs    what it measured, into docs/performance.md

Every round times every way of running every module, and one `embryofrag grade` with each engine, so that all meet
the same machine; ratios are taken within a round. Machines differ and are shared: compare the ratios, not the seconds.
"""

import json
import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import benchmark_engines_machine as machine
import click
from benchmark import draw_archive, eager_loop, seconds, work_folder
from benchmark_engines_limit import product_chains, time_chains
from benchmark_engines_subject import open_subject, time_grade, time_modules
from benchmark_engines_table import draw_chart, to_markdown, write_docs
from benchmark_engines_ways import WAYS, YARDSTICK
from experiments_table import write_json
from seeded_model import PROBE_FRAMES, write_seeded_model

from embryofrag.engine.model import MODEL_FILE, ModelInfo, read_model
from embryofrag.errors import EmbryofragError
from embryofrag.network.config import NetworkConfig

LOCATOR_PX = 128
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is measured."""

    models: tuple[Path, ...]
    """Beside the seeded one of whole frames; none: a seeded one that looks twice."""
    rounds: int
    batches: tuple[int, ...]
    ways: tuple[str, ...]
    """Beside the yardstick; none: all."""
    num_frames: int
    """That `grade` reads a round."""
    eager_frames: int
    """That the PyTorch loop reads a round."""
    backbone: str
    width: float
    input_px: int
    crop_px: int


@click.command(help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--out", type=click.Path(path_type=Path), help="JSON file; table and chart beside it, as .md and .png.")
@click.option("--model", "models", multiple=True, type=FOLDER, help="Model to measure beside the seeded one.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--batch", "batches", multiple=True, type=click.IntRange(1), default=(1, 4, 16), show_default=True)
@click.option("--way", "ways", multiple=True, type=click.Choice(list(WAYS)), help="This beside the yardstick, not all.")
@click.option("--frames", "num_frames", default=48, show_default=True, help="Drawn frames that `grade` reads a round.")
@click.option("--eager-frames", default=8, show_default=True, help="Frames of the PyTorch loop over files a round.")
@click.option("--backbone", default="resnet50", show_default=True, help="Of the seeded models.")
@click.option("--width", default=1.0, show_default=True, help="Of the seeded models.")
@click.option("--input-px", default=512, show_default=True, help="Of the seeded model that sees whole frames.")
@click.option("--crop-px", default=256, show_default=True, help="Of the seeded model that looks twice.")
@click.option("--read", type=click.Path(path_type=Path, exists=True), help="Measure nothing: show this JSON file.")
@click.option("--write-docs", "into_docs", is_flag=True, help="Put table and chart into docs/performance.md.")
def main(out: Path | None, read: Path | None, into_docs: bool, **options) -> None:
    """Measure, or read, and show."""
    try:
        document = json.loads(read.read_text(encoding="utf-8")) if read else measure(Settings(**options))
    except EmbryofragError as error:
        raise click.ClickException(str(error)) from error
    text = to_markdown(document)
    if out is not None:
        write_json(out, document)
        out.with_suffix(".md").write_text(text, encoding="utf-8")
        draw_chart(document, out.with_suffix(".png"))
    if into_docs:
        write_docs(document)
    click.echo(text)


def measure(settings: Settings) -> dict:
    """Prepare everything, run the rounds, and return the one document that table and chart are made of."""
    load_at_start = machine.load_average()
    with work_folder() as folder:
        archive, paths = draw_archive(folder / "drawn", settings.num_frames)
        ways = [way for way in WAYS if way == YARDSTICK or way in (settings.ways or WAYS)]
        subjects = [open_subject(model, ways, sorted(settings.batches)) for model in prepare_models(folder, settings)]
        yardstick = subjects[0].model
        loop, chains, loop_s, rates = eager_loop(yardstick.path), product_chains(), [], {}
        loop(paths[:1], yardstick.input_px)
        time_chains(chains, {})  # the first calls are slower
        watch = machine.Watch()
        for number in range(settings.rounds):
            time_chains(chains, rates)
            for subject in subjects:
                time_modules(subject)
                time_grade(subject, archive, folder / "results")
            read = paths[: settings.eager_frames]
            loop_s.append(seconds(lambda read=read: loop(read, yardstick.input_px)) / len(read))
            click.echo(f"round {number + 1} of {settings.rounds} is done", err=True)
        share_of_others = watch.stop()
    return {
        "benchmark": "engines",
        "command": shlex.join(["python", "tools/benchmark_engines.py", *sys.argv[1:]]),
        "machine": machine.describe(),
        "load": {"at_start": load_at_start, "at_end": os.getloadavg()[0], "share_of_others": share_of_others},
        "rounds": settings.rounds,
        "frames_graded_a_round": settings.num_frames,
        "products_gflop_per_s": rates,
        "eager_loop_s_per_frame": loop_s,
        "subjects": [subject.figures for subject in subjects],
    }


def prepare_models(folder: Path, settings: Settings) -> list[ModelInfo]:
    """Return the seeded model of whole frames, by which all is measured, and the others."""
    prepared = [seeded(folder / "whole", settings, settings.input_px)]
    for number, model_dir in enumerate(settings.models):
        prepared.append(copy_model(model_dir, folder / f"model-{number}"))
    return prepared if settings.models else [*prepared, seeded(folder / "crop", settings, settings.crop_px, LOCATOR_PX)]


def seeded(out: Path, settings: Settings, input_px: int, locator_px: int | None = None) -> ModelInfo:
    """Write an UNTRAINED model: its speed is that of a trained one."""
    config = NetworkConfig(backbone=settings.backbone, width=settings.width, input_px=input_px)
    name = "seeded" if locator_px is None else "seeded-with-locator"
    return write_seeded_model(out, config, seed=0, name=name, num_probe_frames=PROBE_FRAMES, locator_px=locator_px)


def copy_model(model_dir: Path, out: Path) -> ModelInfo:
    """Copy what makes up a model; its engines are built beside the copy."""
    model = read_model(model_dir)
    out.mkdir()
    for name in (MODEL_FILE, *model.files):
        shutil.copy(model.path / name, out)
    return read_model(out)


if __name__ == "__main__":
    main()
