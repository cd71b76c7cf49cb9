"""Build the int8 engine of an UNTRAINED network without its gate, so that its speed can be measured.

    python tools/benchmark_engines_ungated.py MODEL --pair apart

The gate asks whether grades stay what they were, and those of an untrained network hang on chance. `embryofrag engines
build` has no way around it, and does not take what this builds for anything but the engine of an untrained network.
"""

from pathlib import Path

import click

from embryofrag.engine import accuracy, calibration, quantise
from embryofrag.engine.build import PAIRS, BuildReport, build_engines
from embryofrag.engine.model import read_model
from embryofrag.engine.quantise import PRECISION

NUM_CALIBRATION_FRAMES, NUM_JUDGED_FRAMES = 16, 8
"""Few: neither changes the arithmetic of the engine."""


@click.command(help=__doc__.split("\n\n")[0])
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.option("--pair", type=click.Choice(PAIRS), default="auto", show_default=True)
def main(model: Path, pair: str) -> None:
    """Build, and say what was built."""
    click.echo(build_ungated(model, pair).name)


def build_ungated(model_dir: Path, pair: str) -> BuildReport:
    """Build with limits of 1, which nothing fails.

    Raises:
        click.ClickException: the network is trained, so its gate means something.
    """
    if read_model(model_dir).trained:
        raise click.ClickException(f"{model_dir} is trained: build it with `embryofrag engines build`")
    calibration.NUM_CALIBRATION_FRAMES, calibration.NUM_JUDGED_FRAMES = NUM_CALIBRATION_FRAMES, NUM_JUDGED_FRAMES
    accuracy.DICE_LOSS_LIMIT = accuracy.RATIO_MAE_LOSS_LIMIT = accuracy.GRADE_CHANGES_LIMIT_FRAC = 1.0
    quantise.MIN_LOCATED_FRAC = 0.0
    return build_engines(model_dir, precision=PRECISION, pair=pair)


if __name__ == "__main__":
    main()
