"""engines build, list and check."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from embryofrag import terminal
from embryofrag.cli.group import FOLDER, main, needs_extra


@main.group()
def engines() -> None:
    """Build, list and check the compiled engines of a model."""


@engines.command("build")
@click.argument("model", type=FOLDER)
@click.option("--engine", type=click.Choice(["openvino", "tensorrt"]), default="openvino", show_default=True,
    help="Backend; `tensorrt` is for NVIDIA GPUs and needs the `tensorrt` extra.")  # fmt: skip
@click.option("--precision", type=click.Choice(["auto", "int8", "bf16", "fp16", "fp32"]), default="auto",
    show_default=True,
    help="Arithmetic; `auto` is fp16 on a GPU, else bf16 if the CPU has it, else fp32. int8 needs the `int8` extra.",
)  # fmt: skip
@click.option("--calibration", type=FOLDER,
    help="Archive whose frames show int8 the range of values. [default: drawn frames]")  # fmt: skip
@click.option("--pair", type=click.Choice(["auto", "apart", "decoupled"]), default="auto", show_default=True,
    help="Modules A and B in one pass or apart; `auto`: in one where they have the same backbone.")  # fmt: skip
@click.option("--max-batch", type=int, help="Frames a pass on a GPU, 2 to 64. [default: 8]")
@click.option("--device", metavar="cuda:N", help="GPU to build for. [default: the first]")
def engines_build(model: Path, **choices) -> None:
    """Compile the modules of MODEL and prove them equal to PyTorch on the stored probe (needs the `train` extra).

    An int8 engine is not equal; it stands if it grades drawn, labelled frames as well as fp32 does.

    \b
    Example:
      embryofrag engines build /models/ours --precision bf16
      embryofrag engines build /models/ours --precision int8
    """
    with needs_extra("train", "building an engine"):
        from embryofrag.engine.build import build_engines

    report = build_engines(model, **choices)
    terminal.print_build(report)


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
