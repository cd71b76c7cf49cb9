"""Results of the experiments on phantoms, laid out as the paper's Table II."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from experiments_data import NUM_GRADE_ONLY, NUM_PAIRED

DEPICTED = {
    "A": ("backbone, decoder", "L_seg + L_cons"),
    "B": ("backbone, head", "L_reg"),
    "C": ("end to end", "L_seg + L_reg + L_cons"),
    "D": ("A, then head and classification layer", "L_reg"),
    "D+": ("A, then head and classification layer", "L_reg + L_cons"),
    "E": ("end to end, no injection", "L_seg + L_reg + L_cons"),
    "dual": ("masks of A, ratio of C", ""),
    "deeplab": ("DeepLabV3+", "L_seg"),
    "inception": ("InceptionV3", "L_reg"),
    "lbp": ("LBP and perceptron", "squared error"),
    "glcm": ("GLCM and perceptron", "squared error"),
    "constant": ("median of the training ratios", ""),
}
"""What trains, and on what, for each line of the table."""
FIGURES = {
    "dice": ("fragment_dice_per_image", "Dice"),
    "mae": ("ratio_reg_mae", "MAE of the head"),
    "mae_masks": ("ratio_mask_mae", "MAE of the masks"),
}
"""For each column its score in ``metrics.json`` and its heading."""
Result = dict
"""One method with one seed: ``method``, ``seed``, a value or None for each of `FIGURES`, and more for the record."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What all results in one folder share."""

    scale: float
    test_frames: int
    input_px: int
    backbone: str
    width: float
    epochs: int
    lr_factor: float
    precise_loss: str

    def command(self, num_seeds: int) -> str:
        """Return the command that makes the table."""
        options = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in asdict(self).items())
        return f"python tools/experiments.py --out OUT {options} --seeds {num_seeds}"


def read_results(folder: Path) -> dict[str, dict[int, Result]]:
    """Return the results by method, in the table's order, and seed; with those of the pair A and C."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    results = {name: {one["seed"]: one for one in found if one["method"] == name} for name in DEPICTED}
    masks, ratios = results["A"], results["C"]
    for seed in masks.keys() & ratios.keys():
        results["dual"][seed] = {**masks[seed], "method": "dual", "mae": ratios[seed]["mae"]}
    return {name: by_seed for name, by_seed in results.items() if by_seed}


def summarise(results: Mapping[str, Mapping[int, Result]]) -> dict[str, dict]:
    """Return for each method its seeds and, for each figure that it has, median, least and greatest."""
    table = {}
    for method, by_seed in results.items():
        row = {"seeds": sorted(by_seed)}
        for figure in FIGURES:
            values = [one[figure] for one in by_seed.values() if one[figure] is not None]
            row[figure] = {"median": median(values), "min": min(values), "max": max(values)} if values else None
        table[method] = row
    return table


def write_table(out: Path, settings: Settings, num_seeds: int) -> str:
    """Write ``table_ii.json`` and ``table_ii.md``; returns the latter's text."""
    results = read_results(out / "results")
    table = summarise(results)
    notes = [*compare_order(results), *find_dead_heads(results), *find_failures(results)]
    document = {"data": "phantoms", "settings": asdict(settings), "table": table, "notes": notes, "results": results}
    write_json(out / "table_ii.json", document)
    headings = ["", "what trains", "losses", *(heading for _, heading in FIGURES.values()), "seeds"]
    lines = [headings, ["---"] * len(headings)]
    for method, row in table.items():
        cells = [format_spread(row[figure]) for figure in FIGURES]
        lines.append([method, *DEPICTED[method], *cells, str(len(row["seeds"]))])
    text = "\n".join(
        [
            "# The experiments on phantoms, laid out as Table II\n",
            describe_data(settings) + "\n",
            *(f"| {' | '.join(line)} |" for line in lines),
            "",
            *(f"- {note}" for note in notes),
            f"\n```\n{settings.command(num_seeds)}\n```\n",
        ]
    )
    (out / "table_ii.md").write_text(text, encoding="utf-8")
    return text


def describe_data(settings: Settings) -> str:
    """Say what the figures are of."""
    paired, grade_only = (round(count * settings.scale) for count in (NUM_PAIRED, NUM_GRADE_ONLY))
    return (
        "**The data are phantoms: drawings, not embryos.** The figures compare methods with each other under equal "
        "conditions; they say nothing about real embryos and cannot be compared with the paper's, whose data are "
        "private.\n\n"
        f"{paired} frames with masks and {grade_only} with a grade alone ({settings.scale:g} of the paper's numbers), "
        f"of embryos at T2 and T4, split by embryo; scored on {settings.test_frames} further frames that all seeds "
        f"share. {settings.backbone} of width {settings.width:g}, {settings.input_px} px, random start, learning rates "
        f"{settings.lr_factor:g} times the recipe's (which are for an ImageNet start), precise loss "
        f"{settings.precise_loss}; as many frames as {settings.epochs} passes over all for every network, phase 2 in "
        "addition. Dice: mean over the test frames with fragments. Median and range over seeds, which decide weights, "
        "order, augmentation and which frames validate."
    )


def compare_order(results: Mapping[str, Mapping[int, Result]]) -> list[str]:
    """Say whether what the deployment of A and C presumes came out here, and what phase 2 does to the masks."""
    notes = []
    if pairs := pair_up(results, "A", "C", "dice"):
        wins = sum(ours > theirs for ours, theirs in pairs)
        notes.append(f"Masks are deployed from A: its Dice is above that of C in {wins} of {len(pairs)} seeds.")
    rivals = [name for name in ("B", "D", "D+", "E") if name in results and "C" in results]
    if rivals:
        wins = {name: pair_up(results, "C", name, "mae") for name in rivals}
        shares = (f"{name} in {sum(c < other for c, other in pairs)} of {len(pairs)}" for name, pairs in wins.items())
        notes.append(f"The ratio is deployed from C: its MAE is below that of {', of '.join(shares)} seeds.")
    for name in ("D", "D+"):
        if pairs := pair_up(results, "A", name, "dice"):
            changes = ", ".join(f"{before:.3f} to {after:.3f}" for before, after in pairs)
            notes.append(f"Phase 2 of {name} changes the Dice of A from {changes}.")
    return notes


def pair_up(results: Mapping[str, Mapping[int, Result]], one: str, other: str, figure: str) -> list[tuple]:
    """Return a figure of two methods for each seed that both have."""
    ours, theirs = results.get(one, {}), results.get(other, {})
    pairs = [(ours[seed][figure], theirs[seed][figure]) for seed in sorted(ours.keys() & theirs.keys())]
    return [pair for pair in pairs if None not in pair]


def find_dead_heads(results: Mapping[str, Mapping[int, Result]]) -> list[str]:
    """Name the runs whose head says nearly the same ratio for every frame."""
    dead = [f"{name} (seed {seed})" for name, runs in results.items() for seed, one in runs.items()
            if name != "dual" and one.get("head_is_dead")]  # fmt: skip
    return (
        [f"The regression head is dead, saying nearly one ratio for all frames, in {', '.join(dead)}."] if dead else []
    )


def find_failures(results: Mapping[str, Mapping[int, Result]]) -> list[str]:
    """Say which runs did not end, and why."""
    runs = (one for name, by_seed in results.items() if name != "dual" for one in by_seed.values())
    return [f"{one['method']} (seed {one['seed']}) failed: {one['error']}" for one in runs if "error" in one]


def format_spread(value: Mapping[str, float] | None) -> str:
    """Return "median (least to greatest)".

    >>> format_spread({"median": 0.5, "min": 0.4, "max": 0.61}), format_spread(None)
    ('0.500 (0.400 to 0.610)', '')
    """
    return "" if value is None else f"{value['median']:.3f} ({value['min']:.3f} to {value['max']:.3f})"


def format_value(value: float | None) -> str:
    """Return three decimals, or a dash."""
    return "-" if value is None else f"{value:.3f}"


def write_json(path: Path, document: Mapping) -> None:
    """Write a file at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    os.replace(partial, path)
