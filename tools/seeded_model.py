"""Write an UNTRAINED model folder with weights drawn from a seed, for benchmarks and demonstrations.

    python tools/seeded_model.py OUT --backbone resnet50 --input-px 512
    python tools/seeded_model.py OUT --backbone resnet50 --input-px 256 --locator-px 128
    python tools/seeded_model.py --shipped

The model of the second form looks twice: at a window around what its small locator finds. The last form writes
engines/untrained anew: compiled for any CPU, small, without the weights it was compiled from.
"""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import click

from embryofrag.engine.build import BuildReport, build_engines
from embryofrag.engine.contract import LOCATOR, MODULES
from embryofrag.engine.model import Crop, ModelHeader, ModelInfo, weights_file, write_model
from embryofrag.network.config import BACKBONES, NetworkConfig
from embryofrag.network.seeded import MASK_SHARES, module_weights, seeded_network
from embryofrag.phantom import probe_images

SHIPPED_DIR = Path(__file__).resolve().parents[1] / "engines" / "untrained"
SHIPPED_CONFIG = NetworkConfig(backbone="resnet18", width=0.0625, input_px=256)
SHIPPED_PROBE_FRAMES = 2
PROBE_FRAMES = 8


SHIPPED_SHARES = (0.05, 0.5)
"""The fp32 engine needs no threshold in the tails, and overlays show more with masks of this size."""
LOCATOR_WIDTH = 0.25
DIAMETER_SHARE = 0.7


def write_seeded_model(
    out: Path,
    config: NetworkConfig,
    *,
    seed: int,
    name: str,
    num_probe_frames: int,
    mask_shares=MASK_SHARES,
    locator_px: int | None = None,
) -> ModelInfo:
    """Write an UNTRAINED model folder with drawn probe frames; modules A and B get the same network."""
    frames = probe_images(config.input_px, num_probe_frames)
    weights = module_weights(seeded_network(config, seed, frames, mask_shares))
    header = ModelHeader(name=name, trained=False, network=config.to_dict(), provenance={"seed": seed})
    modules = {"a": weights, "b": weights}
    if locator_px is None:
        return write_model(out, header, modules, frames)
    locator = NetworkConfig(backbone="resnet18", width=LOCATOR_WIDTH, input_px=locator_px)
    whole_frames = probe_images(locator_px, num_probe_frames)
    modules[LOCATOR] = module_weights(seeded_network(locator, seed, whole_frames))
    crop = Crop(locator=locator.to_dict(), diameter_share=DIAMETER_SHARE)
    return write_model(out, replace(header, crop=crop), modules, frames, whole_frames)


def write_shipped() -> BuildReport:
    """Write engines/untrained anew: model.json, probe and an fp32 engine."""
    with tempfile.TemporaryDirectory(dir=SHIPPED_DIR.parent) as folder:
        model_dir = Path(folder) / SHIPPED_DIR.name
        write_seeded_model(
            model_dir,
            SHIPPED_CONFIG,
            seed=0,
            name=SHIPPED_DIR.name,
            num_probe_frames=SHIPPED_PROBE_FRAMES,
            mask_shares=SHIPPED_SHARES,
        )
        report = build_engines(model_dir, precision="fp32")
        for module in MODULES:
            (model_dir / weights_file(module)).unlink()
        shutil.rmtree(SHIPPED_DIR, ignore_errors=True)
        model_dir.rename(SHIPPED_DIR)
    return report


@click.command(help=__doc__)
@click.argument("out", type=click.Path(path_type=Path), required=False)
@click.option("--shipped", is_flag=True, help="Write engines/untrained instead of OUT.")
@click.option("--backbone", type=click.Choice(BACKBONES), default="resnet50", show_default=True)
@click.option("--width", default=1.0, show_default=True, help="Multiplier of all channel counts.")
@click.option("--input-px", default=512, show_default=True, help="Side of the network's input.")
@click.option("--locator-px", type=int, help="Side of a locator's input. [default: no locator, whole frames]")
@click.option("--seed", default=0, show_default=True)
@click.option("--name", default="seeded", show_default=True, help="Name of the model.")
def main(out: Path | None, shipped: bool, locator_px: int | None, seed: int, name: str, **network) -> None:
    """Write the model and print what it is."""
    if shipped == (out is not None):
        raise click.UsageError("give either OUT or --shipped")
    if shipped:
        click.echo(write_shipped().parity)
        return
    config = NetworkConfig(**network)
    model = write_seeded_model(out, config, seed=seed, name=name, num_probe_frames=PROBE_FRAMES, locator_px=locator_px)
    click.echo(model.label)


if __name__ == "__main__":
    main()
