"""phantom frames and archive."""

from collections.abc import Callable
from pathlib import Path

import click

from embryofrag.cli.group import FOLDER, main


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
    "--out-of-scope-share",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of frames without a cleavage-stage embryo.",
)
@click.option(
    "--two-embryo-share",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of frames of two embryos.",
)
@click.option("--without", multiple=True, metavar="ELEMENT", help="Leave an element out of embryos, repeatable.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes that draw.")
def phantom_frames(
    out: Path,
    seed: int,
    count: int,
    instruments: tuple[str, ...],
    out_of_scope_share: float,
    two_embryo_share: float,
    without: tuple[str, ...],
    workers: int,
) -> None:
    """Draw separate frames with their masks and a manifest.csv.

    \b
    Example:
      embryofrag phantom frames --out phantoms --count 200 --out-of-scope-share 0.2
    """
    from embryofrag.phantom import INSTRUMENTS, Mix, write_frames

    mix = Mix(out_of_scope_share=out_of_scope_share, two_embryo_share=two_embryo_share, without=frozenset(without))
    manifest = write_frames(out, count, seed, instruments or tuple(INSTRUMENTS), mix, workers)
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
