"""MODEL_CARD.md: what a trained model is, what it was made from, what it can and cannot do.

Everything in it comes from the run; nobody fills in anything by hand. (Form: Mitchell et al., "Model cards for model
reporting", arXiv 1810.03993.)
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embryofrag import __version__
from embryofrag.grading.conformal import Conformal
from embryofrag.grading.schemes import Scheme
from embryofrag.statistics.bootstrap import Estimate
from embryofrag.training.predictions import grade_of
from embryofrag.training.row import Row
from embryofrag.training.scores import Evaluation, Scores

CARD_FILE = "MODEL_CARD.md"
FEW_FRAMES = 20
FEW_GROUPS = 10
UNTOLD = "-"
SCORE_LABELS = {
    "fragment_dice_per_image": "fragment Dice, mean over images",
    "fragment_dice_pooled": "fragment Dice, pooled",
    "fragment_iou_per_image": "fragment IoU, mean over images",
    "fragment_false_share": "fragment-free frames with fragments found",
    "embryo_dice_per_image": "embryo Dice, mean over images",
    "embryo_false_share": "empty wells with an embryo found",
    "ratio_reg_mae": "ratio of the head, mean absolute error",
    "ratio_reg_bias": "ratio of the head, bias",
    "ratio_reg_limit_low": "ratio of the head, lower limit of agreement",
    "ratio_reg_limit_high": "ratio of the head, upper limit of agreement",
    "ratio_reg_icc": "ratio of the head, ICC(2,1)",
    "ratio_reg_grade_exact": "grade of the head, exact",
    "ratio_reg_grade_within_one": "grade of the head, within one",
    "ratio_reg_grade_kappa": "grade of the head, quadratic kappa",
    "ratio_mask_mae": "ratio of the masks, mean absolute error",
    "ratio_mask_bias": "ratio of the masks, bias",
    "ratio_mask_icc": "ratio of the masks, ICC(2,1)",
    "ratio_mask_grade_exact": "grade of the masks, exact",
    "ratio_mask_grade_kappa": "grade of the masks, quadratic kappa",
}
"""The scores a card shows, in order, and what it calls them."""
SUBSET_SCORES = {
    "ratio_reg_mae": "error of the head",
    "ratio_reg_bias": "bias of the head",
    "ratio_mask_mae": "error of the masks",
    "fragment_dice_per_image": "fragment Dice",
}
"""The scores shown for each grade and each stage."""
RESEARCH_USE_ONLY = """\
**Research use only.** The model outlines fragments and states an area ratio. It gives no advice on the transfer,
freezing or discard of an embryo, and it must not be used for one. It is no medical device."""
LIMITS = (
    "The ratio is an area ratio in one focal plane: no share of the volume, and not the same on another plane.",
    "It knows what the frames counted under Data show. Another instrument, magnification, stage or culture medium "
    "needs a check against labels of that kind (`embryofrag evaluate`) first.",
    "The labels count as the truth here. People disagree on fragments too, so part of the error is theirs.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What a run knows of the model it made."""

    name: str
    experiment: str
    config: Mapping[str, object]
    """JSON values (`TrainConfig.to_dict`); ``phases`` holds a list of records and ``network`` a record."""
    manifest: str
    """Name of the data set, without the folders of the machine."""
    data_note: str
    """What the frames are, in a sentence, such as "frames drawn by embryofrag phantom"; may be empty."""
    parts: Mapping[str, Sequence[Row]]
    """Rows by part: train, val, test."""
    scheme: Scheme
    evaluated_part: str
    """Part that ``evaluation`` is of."""
    evaluation: Evaluation | None
    """None where no part was left to evaluate on."""
    calibrated_part: str
    """Part that ``calibration`` comes from."""
    calibration: Conformal | None
    """None where there were too few frames to calibrate on."""
    intervals: Mapping[str, float] | None
    """`conformal.check_left_out` of the calibration frames; None where they are of one group."""


def write_model_card(path: Path, facts: ModelFacts) -> Path:
    """Write the card as Markdown, UTF-8."""
    path.write_text(format_model_card(facts), encoding="utf-8")
    return path


def format_model_card(facts: ModelFacts) -> str:
    """Return the card as Markdown; the same facts give the same text."""
    sections = {
        f"Model card: {facts.name}": _format_summary(facts),
        "Data": _format_data(facts),
        "Training": _format_training(facts.config),
        "Results": _format_results(facts),
        "Calibration of the ratio": _format_calibration(facts),
        "Limits": "\n".join(f"- {limit}" for limit in (*LIMITS, *_find_limits(facts))),
    }
    texts = []
    for title, text in sections.items():
        texts.append(f"{'##' if texts else '#'} {title}\n\n{text}\n")
    return "\n".join(texts)


def _format_summary(facts: ModelFacts) -> str:
    return (
        f"AttnRegDeepLab (arXiv 2511.18454), experiment {facts.experiment}, trained by embryofrag {__version__}. "
        f"Module A answers a fragment mask and an embryo mask, module B the fragmentation ratio, "
        f"area(fragment and embryo) / area(embryo), graded by the scheme {facts.scheme.label}.\n\n{RESEARCH_USE_ONLY}"
    )


def _format_data(facts: ModelFacts) -> str:
    counts = {part: count_rows(rows, facts.scheme) for part, rows in facts.parts.items()}
    names = list(dict.fromkeys(name for part in counts.values() for name in part))
    table = _format_table(
        ("", *counts), [(name, *(str(part.get(name, 0)) for part in counts.values())) for name in names]
    )
    note = f" {facts.data_note.rstrip('.')}." if facts.data_note else ""
    return (
        f"Manifest `{facts.manifest}`.{note} A group is a patient, or a slide and well where the patient is "
        f"unknown; no group is in two parts.\n\n{table}"
    )


def count_rows(rows: Iterable[Row], scheme: Scheme) -> dict[str, int]:
    """Count the frames, groups, kinds, grades and stages of some rows.

    >>> from embryofrag.grading.schemes import SCHEMES
    >>> rows = [Row(line=2, image=Path("a.png"), patient="P", ratio=0.3), Row(line=3, image=Path("b.png"), grade="A")]
    >>> counts = count_rows(rows, SCHEMES["regdeeplab"])
    >>> counts["groups"], counts["grade A"], counts["grade C"]
    (2, 1, 1)
    """
    rows = list(rows)
    grades = Counter(row.grade or grade_of(row.ratio, scheme) for row in rows)
    stages = Counter(row.stage for row in rows if row.stage)
    return {
        "frames": len(rows),
        "groups": len({row.group for row in rows}),
        "paired": sum(row.kind == "paired" for row in rows),
        "ratio-only": sum(row.kind == "ratio_only" for row in rows),
        "grade-only": sum(row.kind == "grade_only" for row in rows),
        **{f"grade {grade}": grades[grade] for grade in scheme.grades},
        "without a grade": grades[None],
        **{f"stage {stage}": stages[stage] for stage in sorted(stages)},
    }


def _format_training(config: Mapping[str, object]) -> str:
    phases, network = config["phases"], config["network"]
    phase_table = _format_table(phases[0], [[_format_value(value) for value in phase.values()] for phase in phases])
    settings = {name: value for name, value in config.items() if name not in ("phases", "network")}
    return "\n\n".join(
        (
            "L = alpha L_seg + beta L_reg + gamma L_cons, with L_seg = BCE + Dice + Focal, L_reg = the precise loss on "
            "known ratios + the range loss on grades, L_cons = |area ratio of the masks - true ratio|. Phases:",
            phase_table,
            "Settings:",
            _format_table(("setting", "value"), [(name, _format_value(value)) for name, value in settings.items()]),
            "Network:",
            _format_table(("setting", "value"), [(name, _format_value(value)) for name, value in network.items()]),
        )
    )


def _format_results(facts: ModelFacts) -> str:
    evaluation = facts.evaluation
    if evaluation is None:
        return "None: no part of the data was left to evaluate the model on."
    scores = evaluation.overall.estimates
    rows = [(label, _format_estimate(scores[name])) for name, label in SCORE_LABELS.items() if name in scores]
    texts = [
        f"On the part `{facts.evaluated_part}`: {evaluation.overall.num_frames} frames of "
        f"{evaluation.overall.num_groups} groups. In brackets: 95 % intervals of a bootstrap that draws whole groups. "
        f"In {evaluation.num_without_embryo} frames the masks show no embryo, so these have no ratio of the masks.",
        _format_table(("score", "value"), rows),
        _format_subsets("true grade", evaluation.per_grade),
        _format_subsets("stage", evaluation.per_stage),
    ]
    return "\n\n".join(text for text in texts if text)


def _format_subsets(title: str, subsets: Mapping[str, Scores]) -> str:
    rows = [
        (name, str(scores.num_frames), *(_format_estimate(scores.estimates.get(score)) for score in SUBSET_SCORES))
        for name, scores in subsets.items()
    ]
    return _format_table((title, "frames", *SUBSET_SCORES.values()), rows) if rows else ""


def _format_calibration(facts: ModelFacts) -> str:
    calibration = facts.calibration
    if calibration is None:
        return "None: there were too few frames with a ratio to calibrate on, so the model states no intervals."
    text = (
        f"Split-conformal intervals from {calibration.num_frames} frames of the part `{facts.calibrated_part}`: "
        f"ratio_reg -+ {calibration.quantile:.3f} x ({calibration.floor:g} + |ratio_reg - ratio_mask|). "
        f"They are meant to hold the truth in {1 - calibration.alpha:.0%} of frames."
    )
    if facts.intervals is None:
        return text
    held, width = facts.intervals["coverage"], facts.intervals["mean_width"]
    return (
        f"{text} Calibrated without one group at a time, they hold it in {held:.1%} of the frames of the groups left "
        f"out, with a mean width of {width:.3f}."
    )


def _find_limits(facts: ModelFacts) -> Iterable[str]:
    """What the counts of this very run warn of."""
    if facts.evaluation is None:
        yield "Its accuracy is unknown: it was evaluated on nothing."
        return
    overall = facts.evaluation.overall
    if overall.num_groups < FEW_GROUPS:
        yield f"It was evaluated on {overall.num_groups} groups only: the intervals above are rough."
    for grade in facts.scheme.grades:
        scores = facts.evaluation.per_grade.get(grade)
        num_frames = scores.num_frames if scores else 0
        if num_frames < FEW_FRAMES:
            yield f"Grade {grade} was evaluated on {num_frames} frames: little is known about it."


def _format_estimate(estimate: Estimate | None) -> str:
    if estimate is None:
        return UNTOLD
    interval = "" if np.isnan(estimate.low) else f" ({estimate.low:.3f} to {estimate.high:.3f})"
    return f"{estimate.value:.3f}{interval}"


def _format_value(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _format_table(header: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    head, *body = ([cell.replace("|", "\\|") for cell in line] for line in (header, *rows))
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
