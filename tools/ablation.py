"""What the elements of a drawn frame and the closer look are worth: leave some out, train, and test on another look.

    OMP_NUM_THREADS=1 python tools/ablation.py --out ablation --locator engines/reference

trains a small module A on EmbryoScope phantoms without some elements, or on whole frames, or a larger one, for each
line of VARIANTS and each seed, and tests it on EmbryoScope+ phantoms with all of them. Real frames can be measured too:
--labelled MANIFEST, --timelapse FOLDER --one-cell-runs N. Each result is kept as soon as it is there: started again,
the tool goes on, and several processes with different --seed may share the folder. It writes ablation.json and
ablation.md.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
from reference_figures import grade_folder, grade_rows, score_embryos, score_timelapse

from embryofrag.engine.build import build_engines
from embryofrag.grading.schemes import SCHEMES
from embryofrag.network.config import NetworkConfig
from embryofrag.phantom import write_frames
from embryofrag.phantom.dataset import Mix
from embryofrag.phantom.element import ELEMENTS
from embryofrag.training.config import TrainConfig, change_phases
from embryofrag.training.experiments import EXPERIMENTS
from embryofrag.training.manifest import read_manifest
from embryofrag.training.train import train


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What one network is trained on."""

    without: frozenset[str] = frozenset()
    """Names of `ELEMENTS` that its frames lack."""
    crop: str = "embryo"
    """As in `TrainConfig`: the window around the embryo, or the whole frame."""
    backbone: str = "resnet18"
    width: float = 0.25


VARIANTS: dict[str, Variant] = {
    "everything": Variant(),
    "everything, whole frames": Variant(crop="frame"),
    "without pressed cells": Variant(without=frozenset({"pressed_cells"})),
    "without pale and refractile fragments": Variant(without=frozenset({"pale_fragments", "refractile_fragments"})),
    "without mosaics": Variant(without=frozenset({"mosaics"})),
    "without nuclei and crescents": Variant(without=frozenset({"nuclei", "crescents"})),
    "without debris, polar bodies and perivitelline matter": Variant(
        without=frozenset({"debris", "polar_bodies", "perivitelline_matter"})
    ),
    "without varied looks": Variant(without=frozenset({"varied_looks"})),
    "none of these": Variant(without=frozenset(ELEMENTS)),
    "everything, ResNet-34 of width 0.5": Variant(backbone="resnet34", width=0.5),
    "everything, ResNet-50 of width 0.5": Variant(backbone="resnet50", width=0.5),
}
TRAIN_FRAMES, TEST_FRAMES = 1500, 300
ABLATION_FILE = "ablation.json"
SCHEME = SCHEMES["regdeeplab"]
CONFIG = replace(
    change_phases(EXPERIMENTS["A"](), epochs=3, patience=0, lr=2e-3),
    network=NetworkConfig(backbone="resnet18", width=0.25, input_px=192, aspp_rates=(1, 2, 4)),
    init="random",
    num_workers=0,
)
COLUMNS = {
    "embryo_dice": "embryo Dice",
    "fragment_dice_pooled": "fragment Dice",
    "ratio_mask_mae": "error of ratio_mask",
    "ratio_mask_fragment_free": "ratio_mask without fragments",
    "real_fragment_dice_pooled": "real: fragment Dice",
    "real_ratio_mask_bias": "real: bias of ratio_mask",
    "real_ratio_mask_one_cell": "real: ratio_mask at one cell",
}


@click.command(help=__doc__.split("\n\n")[0])
@click.option("--out", required=True, type=click.Path(path_type=Path))
@click.option("--locator", required=True, type=click.Path(exists=True, path_type=Path), help="Model with a locator.")
@click.option("--seed", "seeds", type=int, multiple=True, default=(0, 1), show_default=True)
@click.option("--labelled", type=click.Path(exists=True, path_type=Path), help="Manifest of labelled real frames.")
@click.option("--timelapse", type=click.Path(exists=True, path_type=Path), help="Real frames of one embryo, in order.")
@click.option("--one-cell-runs", type=int, default=0, help="So many of them show one cell.")
def main(
    out: Path, locator: Path, seeds: tuple[int, ...], labelled: Path | None, timelapse: Path | None, one_cell_runs: int
) -> None:
    """Run what is missing, then lay out what is there."""
    out.mkdir(parents=True, exist_ok=True)
    test = draw(out, "test", TEST_FRAMES, 52, "embryoscope_plus", frozenset())
    for number, (name, variant) in enumerate(VARIANTS.items()):
        for seed in seeds:
            path = out / "results" / f"{number}-{seed}.json"
            if path.exists():
                continue
            train_manifest = draw(
                out, f"train-{number}-{seed}", TRAIN_FRAMES, 60 + seed, "embryoscope", variant.without
            )
            model = out / f"model-{number}-{seed}"
            shutil.rmtree(model, ignore_errors=True)
            train(configure(variant, locator, seed), train_manifest, model, quiet=True)
            build_engines(model, precision="fp32")
            figures = measure(model, out / f"graded-{number}-{seed}", test, labelled, timelapse, one_cell_runs)
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps({"variant": name, "seed": seed} | figures, indent=2) + "\n")
            click.echo(f"{name}, seed {seed}: {figures}")
    write_table(out)


def configure(variant: Variant, locator: Path, seed: int) -> TrainConfig:
    """Return the recipe of a variant."""
    network = replace(CONFIG.network, backbone=variant.backbone, width=variant.width)
    locator_dir = str(locator) if variant.crop == "embryo" else ""
    return replace(CONFIG, network=network, crop=variant.crop, locator=locator_dir, seed=seed)


def draw(out: Path, name: str, count: int, seed: int, instrument: str, without: frozenset[str]) -> Path:
    """Draw a data set once; returns its manifest. A process that meets another's unfinished one draws its own."""
    folder = out / name
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=out, prefix=f".{name}.") as drawing:
            unfinished = Path(drawing) / name
            mix = Mix(out_of_scope_share=0.1, without=without)
            write_frames(unfinished, count, seed, instruments=(instrument,), mix=mix)
            if not folder.exists():
                unfinished.rename(folder)
    return folder / "manifest.csv"


def measure(
    model: Path, results: Path, test: Path, labelled: Path | None, timelapse: Path | None, one_cell_runs: int
) -> dict[str, float | None]:
    """Grade what there is to grade, as a user would."""
    shutil.rmtree(results, ignore_errors=True)
    figures = score_embryos(grade_rows(read_manifest(test, SCHEME), model, results / "test"))["all"]
    if labelled:
        real = score_embryos(grade_rows(read_manifest(labelled, SCHEME), model, results / "labelled"))["all"]
        figures |= {f"real_{name}": value for name, value in real.items()}
    if timelapse:
        frames = grade_folder(timelapse, model, results / "timelapse")
        followed = score_timelapse(frames, one_cell_runs, results / "timelapse.jpg")
        figures |= {f"real_{name}": value for name, value in followed.items()}
    return {name: figures[name] for name in COLUMNS if name in figures}


def write_table(out: Path) -> None:
    """Write all results, and the table of them."""
    results = [json.loads(path.read_text()) for path in sorted((out / "results").glob("*.json"))]
    (out / ABLATION_FILE).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    (out / "ablation.md").write_text(format_table(results) + "\n", encoding="utf-8")
    click.echo(f"{out / 'ablation.md'}: written")


def format_table(results: Sequence[Mapping]) -> str:
    """Return the mean over seeds, and the range, of every variant that has results, as a Markdown table."""
    names = [name for name in COLUMNS if any(name in result for result in results)]
    lines = [["trained on", "seeds", *(COLUMNS[name] for name in names)]]
    lines.append(["---"] * len(lines[0]))
    for variant in VARIANTS:
        some = [result for result in results if result["variant"] == variant]
        if some:
            cells = [spread([one[name] for one in some if one.get(name) is not None]) for name in names]
            lines.append([variant, str(len(some)), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spread(values: list[float]) -> str:
    """Mean and range; of one value itself.

    >>> spread([0.5, 0.6]), spread([0.5]), spread([])
    ('0.550 (0.500 to 0.600)', '0.500', '-')
    """
    if not values:
        return "-"
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


if __name__ == "__main__":
    main()
