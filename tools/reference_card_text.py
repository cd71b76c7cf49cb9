"""The reference model's card as Markdown: every figure in it comes from `reference_figures`."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from ablation import CONFIG, TEST_FRAMES, TRAIN_FRAMES, format_table

from embryofrag import __version__
from embryofrag.engine.model import ModelInfo, read_model
from embryofrag.training.model_card import RESEARCH_USE_ONLY

FIGURES = {
    "num_frames": "frames",
    "num_embryos": "embryos",
    "embryo_dice": "embryo Dice",
    "fragment_dice_pooled": "fragment Dice, pooled",
    "fragment_dice_per_image": "fragment Dice, mean over images",
    "ratio_reg_mae": "ratio_reg, mean absolute error",
    "ratio_mask_mae": "ratio_mask, mean absolute error",
    "ratio_reg_bias": "ratio_reg, bias",
    "ratio_mask_bias": "ratio_mask, bias",
    "ratio_reg_largest_error": "ratio_reg, largest error",
    "ratio_mask_largest_error": "ratio_mask, largest error",
    "num_fragment_free": "frames without a fragment",
    "ratio_reg_fragment_free": "ratio_reg of frames without a fragment, mean",
    "ratio_mask_fragment_free": "ratio_mask of frames without a fragment, mean",
    "not_graded_share": "share taken for no embryo",
    "referred_share": "share referred",
}
SUBSET_FIGURES = (
    *("num_frames", "embryo_dice", "fragment_dice_pooled", "ratio_reg_mae", "ratio_mask_mae"),
    *("not_graded_share", "referred_share"),
)
PHANTOM_TARGETS = {
    "embryo_dice": (">=", 0.95),
    "fragment_dice_pooled": (">=", 0.70),
    "ratio_reg_mae": ("<=", 0.06),
    "ratio_mask_mae": ("<=", 0.06),
    "ratio_reg_fragment_free": ("<=", 0.02),
    "ratio_mask_fragment_free": ("<=", 0.02),
}
LABELLED_TARGETS = {
    "embryo_dice": (">=", 0.95),
    "fragment_dice_pooled": (">=", 0.60),
    "ratio_reg_largest_error": ("<=", 0.03),
    "ratio_mask_largest_error": ("<=", 0.03),
}
TIMELAPSE_TARGETS = {
    "leaves_embryo_share": ("<=", 0.02),
    "ratio_reg_one_cell": ("<=", 0.02),
    "ratio_mask_one_cell": ("<=", 0.02),
}
TIMELAPSE_FIGURES = {
    "num_frames": "frames of one embryo",
    "not_graded": "frames without a grade",
    "leaves_embryo_share": "share in which the embryo mask overlaps the median of its neighbours below .85",
    "lowest_neighbour_iou": "lowest such overlap (IoU)",
    "referred_share": "share referred",
    "num_one_cell": "frames at one cell",
    "ratio_reg_one_cell": "ratio_reg at one cell, mean",
    "ratio_mask_one_cell": "ratio_mask at one cell, mean",
}
REFUSED_TARGET = 0.9
WHY_C = (
    " Experiment A, which the paper deploys for the masks, was trained beside C for an earlier release: its masks were "
    "equal on drawn frames, but fell apart on real frames of many small cells. That choice was made by looking at real "
    "frames."
)
BEFORE = (
    "The start weights are module A of the release before (reference@32e2feed), which the same tool trained from "
    "random weights, on drawn frames of other seeds whose cells did not press on each other. The frames `held_out` "
    "have kept their seed, but some of their cells are pressed now: the figures of both releases are not of the same "
    "frames. Two processes shared the gradients: twice `batch_size` frames a step. `module` made one pass over "
    "`frames`; `finish` one over `new`, and then thirty of the head alone on the frozen backbone, which made module "
    "B. The recipe below is that of `finish`. The locator is that of the release before."
)
TRIED = (
    "The masks of experiment A in place of C's: equal on drawn frames, in pieces on real frames of many small cells.",
    "Drawn fragments of any faintness, in an earlier release: the faintest were neither found nor, by eye, to be "
    "seen. They cost accuracy without teaching anything, so drawn fragments now show against what they lie on.",
    "Round cells alone, in earlier releases: the outlines of real embryos at 16 cells and more had notches at the "
    "border. In this release drawn cells press on each other and are flat where they meet, as real ones are.",
    "A weight of 3 for the ratio's loss in experiment C, which is a tenth of the masks' loss, in place of 1: chosen "
    "for that reason, not compared.",
    "An int8 engine: on the 200 frames of its gate it loses .003 of the fragments' Dice and .001 to .002 of the "
    "ratio's error, within the limits, but 2.5% of the grades change where 1% may, whatever the gate leaves in float;"
    " leaving the last quarter of the backbone's convolutions in float as well did not help. So bf16 ships, which is "
    "proved against PyTorch.",
    "L1 on the ratio from random weights: the head stays where its sigmoid is flat. It starts with soft BCE, and goes"
    " on with the paper's L1.",
    "One view of each window: the ratios of one frame differ between its turns. The mean of four is steadier, and "
    "better on drawn frames as well (see above).",
    "Morulae and degenerate masses among the frames of the last pass: a network that is sure of them refuses real "
    "embryos of many cells. That was seen on the real frames below in an earlier release, which so chose the mix; "
    "they trained nothing. The price is that more morulae pass than before.",
    "A further pass for the locator, in an earlier release: its windows cost fragment Dice, and it was dropped.",
    "A module of its own that says whether a window is in scope (`train --scope`): trained from random weights on "
    "whole-image labels it knew morulae and blastocysts too poorly to ship. What refuses them is the embryo mask, "
    "which learnt to stay empty there, and the limit on its certainty.",
    "The head of experiment C in place of that of experiment D: larger errors on drawn validation frames, and on the "
    "real labelled frames the same answer for the one that is missed. Both heads see more fragments there than the "
    "masks do; where the modules differ by more than .10 a frame is referred.",
    "The outlines on the real time-lapse that differ from their neighbours' were looked at: all three show a "
    "division, and both outlines are right.",
    "Not tried for want of time: a larger network for as long, more passes, a head that corrects the ratio of the "
    "masks, which are nearer to the truth than the head is on drawn and on real frames alike. The largest errors are "
    "shattered and 9-to-16-cell embryos, whose pieces and cells are of one size, and embryos that overfill a bench "
    "picture, which are at times not found at all.",
)
CANNOT = (
    "It has never been trained on a real frame. Trust it on your own frames only after you have compared it with your "
    "labels (`embryofrag evaluate`), and retrain it on them (`embryofrag train --crop embryo --init "
    "module_a.safetensors`) where it is wrong.",
    "The ratio is an area ratio in one focal plane, not a share of the volume.",
    "It knows cleavage-stage embryos of up to 16 cells. It should refuse morulae and blastocysts, and not always does.",
    "Of two embryos in a frame it grades the larger one, and refers the frame.",
    "Intervals and grade probabilities were calibrated on drawn frames: on real ones they hold only as far as the "
    "drawing is like your instrument.",
)


def format_card(figures: Mapping, model_dir: Path) -> str:
    """Return the whole card."""
    model = read_model(model_dir)
    sections = {
        f"Model card: {model.name}": _format_summary(model),
        "How it was made": _format_making(figures, model),
        "Drawn frames it has never seen": _format_held_out(figures["held_out"]),
        "What the views are worth": _format_views(figures["views"], model),
        "How far the training went": _format_passes(figures["passes"], figures["head"]),
        "What the drawing is worth": _format_ablation(figures),
        "Out of scope": _format_refusals(figures),
        "Real frames": _format_real(figures),
        "Failures": (
            "The drawn frames with the largest errors of the ratio: the frame, the truth, the answer (embryo green, "
            "fragments red).\n\n![The largest errors](failures.jpg)"
        ),
        "What was tried, and what it would take": "\n".join(f"- {line}" for line in TRIED),
        "What it cannot do": "\n".join(f"- {line}" for line in CANNOT),
    }
    texts = [
        f"{'#' if place == 0 else '##'} {title}\n\n{text}\n" for place, (title, text) in enumerate(sections.items())
    ]
    return "\n".join(texts)


def _format_summary(model: ModelInfo) -> str:
    crop, network = model.crop, model.network
    return (
        f"`{model.id}`, AttnRegDeepLab (arXiv 2511.18454) trained by embryofrag {__version__} **on drawn frames "
        f"(phantoms) alone**: no real frame, no clinical label. A locator ({crop.locator['backbone']}, width "
        f"{crop.locator['width']:g}, {crop.input_px} px) finds the embryo on the whole frame; modules A and B, each "
        f"{network['backbone']} of width {network['width']:g}, see a window of {model.input_px} px in which the "
        f"embryo's diameter has {crop.diameter_share:.0%} of the side. A comes from experiment C, end to end; B is a "
        f"head that then learnt alone on its frozen backbone (experiment D), so one pass gives both.{WHY_C}\n\n"
        f"{RESEARCH_USE_ONLY}"
    )


def _format_making(figures: Mapping, model: ModelInfo) -> str:
    counts = figures["frames"]
    texts = [
        f"By the commands at the top of `tools/reference_model.py`. {BEFORE} Measured by `tools/reference_card.py`, "
        "which grades as `embryofrag grade` does. The frames `held_out` trained, chose and calibrated nothing.",
        "```json\n" + _recipe_line(model) + "\n```",
    ]
    for kind in ("all", "instrument", "stage", "grade"):
        names = sorted({name for part in counts.values() for name in part[kind]})
        body = [(name, *(str(part[kind].get(name, 0)) for part in counts.values())) for name in names]
        texts.append(_format_table((kind, *counts), body))
    return "\n\n".join(texts)


def _recipe_line(model: ModelInfo) -> str:
    recipe = model.provenance["recipe"]
    shown = {name: recipe[name] for name in ("experiment", "init", "batch_size", "precise_loss", "ema_decay", "seed")}
    phases = [
        {key: phase[key] for key in ("name", "epochs", "lr", "alpha", "beta", "gamma")} for phase in recipe["phases"]
    ]
    return json.dumps(shown | {"phases": phases, "network": dict(model.network)}, indent=2)


def _format_held_out(scores: Mapping) -> str:
    texts = [_format_scores(scores["all"], FIGURES, PHANTOM_TARGETS)]
    for name, parts in scores["by"].items():
        body = [(part, *(_value(figures[key]) for key in SUBSET_FIGURES)) for part, figures in parts.items()]
        texts.append(_format_table((name, *(FIGURES[key] for key in SUBSET_FIGURES)), body))
    return "\n\n".join(texts)


def _format_views(scores: Mapping[str, Mapping], model: ModelInfo) -> str:
    """The same held-out frames with one view of each, and with the mean of several."""
    names = [name for name in SUBSET_FIGURES if name != "num_frames"]
    body = [(number, *(_value(figures[name]) for name in names)) for number, figures in scores.items()]
    text = (
        f"The model averages over {model.num_views} turns of each window. The same frames with other numbers "
        "(`embryofrag grade --views`); the limits and the interval were found with that of the model.\n\n"
    )
    return text + _format_table(("views", *(FIGURES[name] for name in names)), body)


def _format_passes(passes: Sequence[Mapping], head: Mapping) -> str:
    """What each pass reached on the validation rows of its run, and the head alone in the end."""
    body = [
        (one["run"], *(_value(one[name]) for name in ("val_dice_embryo", "val_dice_fragment", "val_mae")))
        for one in passes
    ]
    text = (
        "On the validation rows of each run, all its kinds of frames pooled, those out of scope among them (an embryo "
        "found there is counted as wrong):\n\n"
    )
    body.append(("the head alone", "-", "-", _value(head["val_mae"])))
    return text + _format_table(("pass of", "embryo Dice", "fragment Dice", "error of the head"), body)


def _format_ablation(figures: Mapping) -> str:
    """What elements of the drawing, the closer look and larger networks do for a small one trained briefly."""
    if "ablation" not in figures:
        return "Not measured with these figures: see `tools/ablation.py`."
    network = CONFIG.network
    text = (
        f"Not this model, but a {network.backbone} of width {network.width:g} on {network.input_px} px, experiment A, "
        f"{CONFIG.phases[0].epochs} passes over {TRAIN_FRAMES:,} EmbryoScope phantoms; tested on {TEST_FRAMES} "
        "EmbryoScope+ phantoms with all elements and on the real frames (of one embryo each). Mean over seeds, and "
        "their range: what lies within it is chance. Made by `tools/ablation.py`; lines of it that are missing here "
        "were not run.\n\n"
    )
    return text + format_table(figures["ablation"])


def _format_refusals(figures: Mapping) -> str:
    kinds = {f"drawn: {kind}": counts for kind, counts in figures["out_of_scope"].items()}
    kinds["all drawn"] = total(figures["out_of_scope"].values())
    if "real_out_of_scope" in figures:
        kinds["real blastocysts, planes of 2 embryos"] = figures["real_out_of_scope"]["all"]
    body = [
        (kind, *(_value(counts[key]) for key in ("num_frames", "no_embryo_share", "referred_share", "passed_share")))
        for kind, counts in kinds.items()
    ]
    return f"Aimed at: at least {REFUSED_TARGET:.0%} refused or referred.\n\n" + _format_table(
        ("what", "frames", "no_embryo", "referred", "passed as graded"), body
    )


def total(kinds: Collection[Mapping]) -> dict[str, float | int]:
    """Return the counts of all kinds together, from the number and the shares of each.

    >>> total([{"num_frames": 1, "share": 1.0}, {"num_frames": 3, "share": 0.0}])
    {'num_frames': 4, 'share': 0.25}
    """
    num_frames = sum(counts["num_frames"] for counts in kinds)
    names = [name for name in next(iter(kinds)) if name != "num_frames"]
    shares = {name: sum(counts["num_frames"] * counts[name] for counts in kinds) / num_frames for name in names}
    return {"num_frames": num_frames, **shares}


def _format_real(figures: Mapping) -> str:
    texts = []
    if "labelled" in figures:
        texts += [
            "Labelled EmbryoScope+ frames, the same embryo in each: a check that the model works on real light, not an "
            "accuracy.",
            _format_scores(figures["labelled"]["all"], FIGURES, LABELLED_TARGETS),
        ]
    if "timelapse" in figures:
        texts += [
            "One embryo over time, without labels:",
            _format_scores(figures["timelapse"], TIMELAPSE_FIGURES, TIMELAPSE_TARGETS),
        ]
    return "\n\n".join(texts) or "None were measured."


def _format_scores(values: Mapping, names: Mapping[str, str], targets: Mapping[str, tuple[str, float]]) -> str:
    body = []
    for key, label in names.items():
        sign, limit = targets.get(key, ("", None))
        aim, verdict = "", ""
        if limit is not None and values[key] is not None:
            aim = f"{sign} {limit:g}"
            verdict = "reached" if (values[key] >= limit if sign == ">=" else values[key] <= limit) else "**missed**"
        body.append((label, _value(values[key]), aim, verdict))
    return _format_table(("figure", "value", "aimed at", ""), body)


def _value(value: float | int | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _format_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
