"""What the report is, what its words mean, and what it must not be used for."""

import pandas as pd

from embryofrag.grading.schemes import Scheme
from embryofrag.report.contents import Table
from embryofrag.report.source import Results

RESEARCH_USE = (
    "For research use only. Not a medical device. Not for use in diagnostic procedures; no advice about any embryo."
)
UNTRAINED_WARNING = "The model was never trained: its masks, ratios and grades mean nothing."

DEFINITIONS = {
    "embryo": "one embryo over time: the frames of one slide and well, or of one folder or file stem",
    "ratio": "area of fragments inside the embryo divided by the area of the embryo (denominator `embryo`), or area of "
    "fragments divided by the frame (denominator `image`); an area ratio in projection, 0..1, not a share of volume",
    "ratio_reg": "ratio by module B, the reported one, which the grade follows",
    "ratio_mask": "ratio of the areas of module A's masks",
    "ratio of an embryo": "median of ratio_reg over its graded frames",
    "graded": "a frame with masks, ratios and grade; an embryo with at least one such frame",
    "referred": "a person should look at it; the reasons stand beside it. A referral changes neither ratio nor grade",
    "in trouble": "a file that is incomplete, damaged, unparsed, in conflict or failed",
    "date": "day on which the slide was started, by its EmbryoScope name, or as --context says",
    "instrument": "incubator by the EmbryoScope name (I and its number), or as --context says",
    "patient": "as --context says; where it says nothing, the slide stands for the patient",
    "low95, high95": "ends of a 95 % interval; each table says by which method",
    "blank": "unknown, or does not apply; never zero",
}
"""Words of the report, for every page that shows numbers."""


def about_tables(results: Results) -> tuple[Table, ...]:
    """What this is of, and the definitions."""
    return (
        Table(
            name="scope",
            title="Fragmentation report",
            note=" ".join([RESEARCH_USE, *([] if is_trained(results) else [UNTRAINED_WARNING])]),
            data=pd.DataFrame(_scope(results), columns=["what", "value"]),
        ),
        Table(
            name="definitions",
            title="Words",
            note="Beside these, each table says what it counts and what its shares are of.",
            data=pd.DataFrame(list(DEFINITIONS.items()), columns=["word", "meaning"]),
        ),
    )


def is_trained(results: Results) -> bool:
    """Whether the run's model was ever trained."""
    return bool(results.run["model"]["trained"])


def _scope(results: Results) -> list[tuple[str, str]]:
    dates = results.embryos["date"].dropna()
    scheme = results.grading.grade_scheme
    period = f"{results.since or 'the first'} to {results.until or 'the last'}"
    has_period = results.since is not None or results.until is not None
    lines = [
        ("archive", results.run["archive"]),
        ("run", f"number {results.run['run_number']}, ended {results.run['finished_at']}"),
        ("model", results.run["model"]["label"]),
        ("files found", f"{len(results.files)}"),
        ("embryos", f"{len(results.embryos)}, of which {results.embryos['grade'].notna().sum()} with a grade"),
        ("dates", f"{dates.min():%Y-%m-%d} to {dates.max():%Y-%m-%d}" if len(dates) else "none known"),
        ("embryos without a date", f"{results.num_undated or results.embryos['date'].isna().sum()}"),
        ("period asked for", f"{period}; embryos without a date are left out" if has_period else "everything"),
        ("grade scheme", f"{scheme.label} ({scheme.source}): {_cuts(scheme)}"),
        ("denominator", results.grading.denominator),
    ]
    return [(what, str(value)) for what, value in lines]


def _cuts(scheme: Scheme) -> str:
    """The scheme in words.

    >>> from embryofrag.grading.schemes import SCHEMES
    >>> _cuts(SCHEMES["istanbul-2011"])
    'mild below 0.1, moderate from 0.1 to 0.25, severe above 0.25'
    """
    words = []
    for place, grade in enumerate(scheme.grades):
        parts = [grade]
        if place > 0:
            parts.append(f"{'above' if scheme.cut_joins_lower[place - 1] else 'from'} {scheme.cuts[place - 1]:g}")
        if place < len(scheme.cuts):
            last = "to" if scheme.cut_joins_lower[place] else "below" if place == 0 else "to below"
            parts.append(f"{last} {scheme.cuts[place]:g}")
        words.append(" ".join(parts))
    return ", ".join(words)
