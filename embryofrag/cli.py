"""The command line: a command parses, calls one function, prints."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click

from embryofrag import __version__, terminal
from embryofrag.errors import EmbryofragError, UsageError

CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
FOLDER = click.Path(path_type=Path, file_okay=True, dir_okay=True)


class Cli(click.Group):
    """Shows our own errors as one sentence and ends with their exit code; anything else is a bug and a traceback."""

    def invoke(self, ctx: click.Context):
        try:
            return super().invoke(ctx)
        except EmbryofragError as error:
            failure = click.ClickException(str(error))
            failure.exit_code = error.exit_code
            raise failure from error


@click.group(cls=Cli, context_settings=CONTEXT_SETTINGS)
@click.version_option(__version__, prog_name="embryofrag")
def main() -> None:
    """Grade the fragmentation of cleavage-stage embryos in image archives.

    Research use only. An archive is only ever read.

    \b
    Exit codes: 0 all done, 1 stopped by an error, 2 wrong usage,
                3 finished, but some files are in trouble (files.csv says which and why)
    """


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
@click.option("--model", type=FOLDER, help="Model folder (model.json, engines/).")
@click.option(
    "--engine", type=click.Choice(["auto", "openvino", "eager"]), default="auto", show_default=True,
    help="Backend; `auto` takes the fastest that is built and fits this machine, and says which.",
)  # fmt: skip
@click.option(
    "--precision", type=click.Choice(["auto", "bf16", "fp32"]), default="auto", show_default=True,
    help="Arithmetic of the engine.",
)  # fmt: skip
@click.option("--batch-size", type=int, default=8, show_default=True, help="Frames handed to the engines at once.")
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
    from embryofrag.run.grade import grade_archive

    if options["model"] is None:
        raise UsageError(
            "no model was named: give --model DIR, a folder with model.json and built engines "
            "(`embryofrag demo` shows a run with an untrained one)"
        )
    choice = choose_engine(options["model"], options["engine"], options["precision"])
    settings = _run_settings(options, choice.model)
    terminal.announce(choice)
    with terminal.show_progress(log_json) as notify:
        report = grade_archive(archive, out, choice, settings, notify)
    terminal.print_report(report, choice)
    ctx.exit(report.exit_code)


def _run_settings(options: dict, model):
    from embryofrag.grading.frame import GradingSettings
    from embryofrag.grading.referral import ReferralSettings
    from embryofrag.run.settings import RunSettings

    try:
        referral = ReferralSettings(max_disagreement=options["max_disagreement"], cut_margin=options["cut_margin"])
        grading = GradingSettings(
            scheme=options["scheme"],
            denominator=options["denominator"] or model.denominator,
            mask_threshold=model.mask_threshold,
            referral=referral,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    return RunSettings(
        scan=_scan_options(options["focal"], options["pattern"], options["embryo_by"]),
        grading=grading,
        hpi_window=options["hpi_window"],
        masks=options["masks"],
        overlays=options["overlays"],
        batch_size=options["batch_size"],
        num_threads=options["threads"],
        recheck=options["recheck"],
        audit_share=options["audit"],
    )


@main.group()
def engines() -> None:
    """Build, list and check the compiled engines of a model."""


@engines.command("build")
@click.argument("model", type=FOLDER)
@click.option("--engine", type=click.Choice(["openvino"]), default="openvino", show_default=True, help="Backend.")
@click.option("--precision", type=click.Choice(["auto", "bf16", "fp32"]), default="auto", show_default=True,
    help="Arithmetic; `auto` is bf16 where the CPU has it, else fp32.")  # fmt: skip
def engines_build(model: Path, engine: str, precision: str) -> None:
    """Compile both modules of MODEL and prove them equal to PyTorch on the stored probe (needs the `train` extra).

    \b
    Example:
      embryofrag engines build /models/ours --precision bf16
    """
    from embryofrag.engine.build import build_engines

    terminal.print_build(build_engines(model, engine=engine, precision=precision))


@engines.command("list")
@click.argument("model", type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def engines_list(model: Path, as_json: bool) -> None:
    """List the engines built for MODEL, with their parity records.

    \b
    Example:
      embryofrag engines list /models/ours
    """
    from embryofrag.engine.select import list_engines

    found = list_engines(model)
    if as_json:
        click.echo(json.dumps([asdict(manifest) for manifest in found], indent=2))
    else:
        terminal.print_engines(model, found)


@engines.command("check")
@click.argument("model", type=FOLDER)
@click.pass_context
def engines_check(ctx: click.Context, model: Path) -> None:
    """Load every engine built for MODEL and run its probe; exit code 1 if one does not fit this machine.

    \b
    Example:
      embryofrag engines check /models/ours
    """
    from embryofrag.engine.select import check_engines

    checks = check_engines(model)
    terminal.print_checks(model, checks)
    ctx.exit(0 if checks and all(check.trouble is None for check in checks) else 1)


@main.group()
def phantom() -> None:
    """Draw embryos with exact masks: for tests, demonstrations and training."""


def phantom_options(command: Callable) -> Callable:
    """Options that both kinds of drawing share."""
    options = (
        click.option("--out", required=True, type=FOLDER, help="Folder to make; refused if it holds anything."),
        click.option("--seed", type=int, default=0, show_default=True, help="The same seed draws the same pixels."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@phantom.command("frames")
@phantom_options
@click.option("--count", type=click.IntRange(1), default=100, show_default=True, help="Number of frames.")
@click.option("--instrument", "instruments", multiple=True, help="Looks to draw, repeatable. [default: all]")
@click.option(
    "--empty-share", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="Share of empty wells."
)
def phantom_frames(out: Path, seed: int, count: int, instruments: tuple[str, ...], empty_share: float) -> None:
    """Draw separate frames with their masks and a manifest.csv.

    \b
    Example:
      embryofrag phantom frames --out phantoms --count 200 --instrument embryoscope
    """
    from embryofrag.phantom import INSTRUMENTS, write_frames

    manifest = write_frames(out, count, seed, instruments or tuple(INSTRUMENTS), empty_share)
    click.echo(f"{count} frames, listed in {manifest}")


@phantom.command("archive")
@phantom_options
@click.option("--embryos", type=click.IntRange(1), default=4, show_default=True, help="Number of embryos.")
@click.option("--frames", type=click.IntRange(1), default=12, show_default=True, help="Time points of each embryo.")
@click.option("--plane", "planes", type=int, multiple=True, metavar="UM", help="Focal planes, repeatable. [default: 0]")
@click.option("--instrument", default="embryoscope", show_default=True, help="The incubator's look.")
@click.option("--truth-masks", is_flag=True, help="Also write the exact masks, to truth/.")
def phantom_archive(
    out: Path, seed: int, embryos: int, frames: int, planes: tuple[int, ...], instrument: str, truth_masks: bool
) -> None:
    """Draw a whole export: embryos over time, focal planes, a gap, an empty well; the truth lies beside it.

    \b
    Example:
      embryofrag phantom archive --out drawn --embryos 6 --plane 0 --plane 15
    """
    from embryofrag.phantom import write_archive

    written = write_archive(
        out, seed=seed, num_embryos=embryos, frames_per_embryo=frames, focal_planes_um=planes or (0,),
        instrument=instrument, truth_masks=truth_masks,
    )  # fmt: skip
    click.echo(f"{len(written)} files in {out / 'archive'}, their truth in {out / 'truth.csv'}")


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
