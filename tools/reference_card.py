"""Measure the reference model by grading as a user would, and write its card.

    python tools/reference_card.py --out reference

grades the held-out phantoms that tools/reference_model.py drew, with engines/reference, and writes figures.json,
failures.jpg and MODEL_CARD.md beside the model. Real frames can be measured too; of them only figures enter the card:

    python tools/reference_card.py --out reference --labelled labels/manifest.csv --out-of-scope blastocysts \
        --timelapse AA83-7 --one-cell-runs 40
"""

import json
import shutil
from pathlib import Path

import click
from reference_card_text import format_card
from reference_figures import (
    describe_frames,
    grade_folder,
    grade_rows,
    score_embryos,
    score_out_of_scope,
    score_timelapse,
    sheet_of_failures,
)
from reference_model import FRAMES, RUNS, SHIPPED_DIR

from embryofrag.engine.model import read_model
from embryofrag.engine.views import NUM_VIEWS
from embryofrag.grading.schemes import SCHEMES
from embryofrag.training.checkpoint import read_facts
from embryofrag.training.loop import LAST_FILE
from embryofrag.training.manifest import read_manifest
from embryofrag.training.train import TRAINING_FOLDER

CARD_FILE, FIGURES_FILE, FAILURES_FILE = "MODEL_CARD.md", "figures.json", "failures.jpg"
FOLDER = click.Path(exists=True, path_type=Path)
SCHEME = SCHEMES["regdeeplab"]


@click.command(help=__doc__.split("\n\n")[0])
@click.option("--out", required=True, type=FOLDER, help="Folder of the steps of reference_model.py.")
@click.option("--model", type=FOLDER, default=SHIPPED_DIR, show_default=False, help="[default: engines/reference]")
@click.option("--labelled", type=FOLDER, help="Manifest of labelled real frames.")
@click.option("--out-of-scope", "foreign", type=FOLDER, help="Real frames without a cleavage-stage embryo.")
@click.option("--timelapse", type=FOLDER, help="Real frames of one embryo, in order.")
@click.option("--one-cell-runs", type=int, default=0, show_default=True, help="So many of them show one cell.")
@click.option("--ablation", type=FOLDER, help="ablation.json of tools/ablation.py.")
def main(
    out: Path,
    model: Path,
    labelled: Path | None,
    foreign: Path | None,
    timelapse: Path | None,
    one_cell_runs: int,
    ablation: Path | None,
) -> None:
    """Measure, then write."""
    results = out / "card"
    shutil.rmtree(results, ignore_errors=True)
    rows = read_manifest(out / "held_out" / "manifest.csv", SCHEME)
    by_views = {number: grade_rows(rows, model, results / f"views-{number}", num_views=number) for number in NUM_VIEWS}
    held_out = by_views[read_model(model).num_views]
    figures = {
        "passes": [one for run in RUNS for one in read_passes(out / run, "C")],
        "head": read_passes(out / "finished", "D")[-1],
        "frames": {name: describe_frames(out / name / "manifest.csv") for name in FRAMES},
        "held_out": score_embryos(held_out),
        "out_of_scope": score_out_of_scope(held_out),
        "views": {str(number): score_embryos(graded)["all"] for number, graded in by_views.items()},
    }
    if labelled:
        real = read_manifest(labelled, SCHEME)
        figures["labelled"] = score_embryos(grade_rows(real, model, results / "labelled"))
    if foreign:
        figures["real_out_of_scope"] = score_out_of_scope(grade_folder(foreign, model, results / "foreign", focal=None))
    if timelapse:
        frames = grade_folder(timelapse, model, results / "timelapse")
        figures["timelapse"] = score_timelapse(frames, one_cell_runs, results / "timelapse.jpg")
    if ablation:
        figures["ablation"] = json.loads(ablation.read_text(encoding="utf-8"))
    (model / FAILURES_FILE).write_bytes(sheet_of_failures(held_out))
    (model / FIGURES_FILE).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    (model / CARD_FILE).write_text(format_card(figures, model), encoding="utf-8")
    click.echo(f"{model / CARD_FILE}: written; contact sheets of real frames in {results}")


def read_passes(run: Path, phase: str) -> list[dict[str, str | float | None]]:
    """Return what a phase of a run reached on its validation rows, pass by pass."""
    names = ("val_dice_embryo", "val_dice_fragment", "val_mae")
    history = read_facts(run / TRAINING_FOLDER / phase / LAST_FILE)["history"]
    return [{"run": run.name, **{name: figures.get(name) for name in names}} for figures in history]


if __name__ == "__main__":
    main()
