"""scan, grade and demo."""

from collections.abc import Callable
from pathlib import Path

import click

from embryofrag import terminal
from embryofrag.cli.group import FOLDER, main
from embryofrag.errors import UsageError


def scan_options(command: Callable) -> Callable:
    """Options that say how an archive is read."""
    options = (
        click.option(
            "--focal", "focal", default="0", show_default=True, metavar="UM|all",
            help="Focal plane to take, in um; frames whose plane is unknown are always taken.",
        ),
        click.option(
            "--pattern", metavar="REGEX",
            help="Regular expression for the path of a frame below the archive, with the named groups embryo, slide, "
            "well, run, focal, hpi (any of them); frames that it does not match are `unparsed`.",
        ),
        click.option(
            "--embryo-by", type=click.Choice(["auto", "folder", "stem"]), default="auto", show_default=True,
            help="In plain folders of images, what is one embryo: a folder, or each file stem.",
        ),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def _scan_options(focal: str, pattern: str | None, embryo_by: str):
    from embryofrag.archive import ScanOptions

    try:
        focal_um = None if focal == "all" else float(focal)
    except ValueError:
        raise UsageError(f"--focal is a number of um or `all`, not {focal}") from None
    return ScanOptions(focal_um=focal_um, pattern=pattern, embryo_by=embryo_by)


@main.command()
@click.argument("archive", type=FOLDER)
@scan_options
@click.option("--csv", "as_csv", is_flag=True, help="One CSV row a file instead of the tables.")
def scan(archive: Path, focal: str, pattern: str | None, embryo_by: str, as_csv: bool) -> None:
    """List what an ARCHIVE holds, as `grade` would read it, without reading a picture.

    \b
    Example:
      embryofrag scan /archive/2024
    """
    from embryofrag.archive import scan_archive

    found = scan_archive(archive, _scan_options(focal, pattern, embryo_by))
    if as_csv:
        terminal.print_scan_csv(found)
    else:
        terminal.print_scan(found)


@main.command()
@click.argument("archive", type=FOLDER)
@click.option("--out", required=True, type=FOLDER, help="Folder for the results, outside the archive.")
@click.option("--model", type=FOLDER,
    help="Model folder (model.json, engines/). [default: the reference model, if it came with embryofrag]")  # fmt: skip
@click.option(
    "--engine", type=click.Choice(["auto", "tensorrt", "openvino", "eager"]), default="auto", show_default=True,
    help="Backend; `auto` takes the fastest that is built and fits this machine, and says which.",
)  # fmt: skip
@click.option(
    "--precision", type=click.Choice(["auto", "int8", "bf16", "fp16", "fp32"]), default="auto", show_default=True,
    help="Arithmetic of the engine.",
)  # fmt: skip
@click.option("--device", metavar="cuda:N[,cuda:M...]",
    help="GPUs, of one model; `--engine auto` then takes TensorRT. [default: the first]")  # fmt: skip
@click.option(
    "--crop", type=click.Choice(["auto", "embryo", "frame"]), default="auto", show_default=True,
    help="What the model looks at: as it was trained, the window in which its locator finds the embryo, whole frames.",
)  # fmt: skip
@click.option(
    "--views", type=click.Choice([1, 2, 4, 8]),
    help="Average over so many turns of the window: more is steadier and slower. [default: as the model states]",
)  # fmt: skip
@click.option("--batch-size", type=int,
    help="Frames handed to the engines at once. [default: 2 a core, at least 8; 64 on a GPU]")  # fmt: skip
@click.option("--threads", type=int, help="Cores for the engines. [default: all]")
@click.option("--masks/--no-masks", default=True, show_default=True, help="Write mask PNGs.")
@click.option("--overlays", is_flag=True, help="Write each graded frame with its outlines as JPEG.")
@click.option("--scheme", default="regdeeplab", show_default=True, help="Grade scheme: regdeeplab, istanbul-2011.")
@click.option(
    "--denominator", type=click.Choice(["embryo", "image"]),
    help="What the fragment area is divided by; `image` for tight crops. [default: as the model was trained]",
)  # fmt: skip
@click.option("--hpi-window", nargs=2, type=float, metavar="START END", help="Grade only these hours, where known.")
@click.option("--max-disagreement", type=float, default=0.10, show_default=True, help="Refer above this |A - B|.")
@click.option("--cut-margin", type=float, default=0.02, show_default=True, help="Refer within this of a grade's cut.")
@click.option("--min-probability", type=float, default=0.5, show_default=True,
    help="Refer where no grade is as probable as this (models with a calibration).")  # fmt: skip
@click.option("--recheck", type=click.Choice(["stat", "hash"]), default="stat", show_default=True,
    help="How an unchanged file is known: by size and time, or by reading it again.")  # fmt: skip
@click.option("--audit", type=float, default=0.01, show_default=True,
    help="Share of the files unchanged by `stat` that each run reads and hashes in turn.")  # fmt: skip
@click.option("--log-json", is_flag=True, help="Events as JSON lines on stderr instead of a progress bar.")
@scan_options
@click.pass_context
def grade(ctx: click.Context, archive: Path, out: Path, log_json: bool, **options) -> None:
    """Grade every embryo of an ARCHIVE: masks, ratios, grades and tables below --out.

    Run it again and it does only what is new or changed; kill it and the next run goes on.

    \b
    Example:
      embryofrag grade /archive/2024 --out /results/2024 --model /models/ours --overlays
    """
    from embryofrag.engine.select import choose_engine
    from embryofrag.engine.shipped import DEFAULT_MODEL, find_shipped
    from embryofrag.run.grade import grade_archive

    model_dir = options["model"] or find_shipped(DEFAULT_MODEL)
    if model_dir is None:
        raise UsageError(
            "no model was named: give --model DIR, a folder with model.json and built engines "
            "(`embryofrag demo` shows a run with an untrained one)"
        )
    choice = choose_engine(
        model_dir,
        options["engine"],
        options["precision"],
        options["crop"],
        options["device"],
        num_views=options["views"],
    )
    settings = _run_settings(options, choice)
    terminal.announce(choice, model_named=options["model"] is not None)
    with terminal.show_progress(log_json) as notify:
        report = grade_archive(archive, out, choice, settings, notify)
    terminal.print_report(report, choice)
    ctx.exit(report.exit_code)


def _run_settings(options: dict, choice):
    from embryofrag.run.settings import RunSettings, default_batch_size, grading_by, read_calibration

    model = choice.model
    try:
        referral = {
            "max_disagreement": options["max_disagreement"],
            "cut_margin": options["cut_margin"],
            "min_grade_probability": options["min_probability"],
        }
        denominator = options["denominator"] or model.denominator
        grading = grading_by(model, referral=referral, scheme=options["scheme"], denominator=denominator)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return RunSettings(
        scan=_scan_options(options["focal"], options["pattern"], options["embryo_by"]),
        grading=grading,
        calibration=read_calibration(model, grading),
        hpi_window=options["hpi_window"],
        masks=options["masks"],
        overlays=options["overlays"],
        batch_size=default_batch_size(choice.backend) if options["batch_size"] is None else options["batch_size"],
        num_threads=options["threads"],
        recheck=options["recheck"],
        audit_share=options["audit"],
    )


@main.command()
@click.option("--out", type=FOLDER, default=Path("demo"), show_default=True, help="Folder for archive and results.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed draws other embryos.")
@click.pass_context
def demo(ctx: click.Context, out: Path, seed: int) -> None:
    """Draw a small archive and grade it on the CPU engine that ships with embryofrag.

    \b
    Example:
      embryofrag demo --out demo
    """
    from embryofrag.demo import run_demo

    with terminal.show_progress(False) as notify:
        report, choice = run_demo(out, seed, notify, terminal.announce)
    terminal.print_report(report, choice)
    ctx.exit(report.exit_code)
