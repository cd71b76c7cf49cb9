"""The top of the page: how many files became what, how many embryos are referred, and the share of each grade."""

from collections.abc import Sequence

import pandas as pd

from embryofrag.report.axes import number
from embryofrag.report.charts import Interval, draw_intervals
from embryofrag.report.markup import Markup, join, tag
from embryofrag.report.source import Results
from embryofrag.statistics.shares import wilson_interval

RESEARCH_USE = (
    "Research use only. Not a medical device, not for the selection of embryos; nothing here is advice about an embryo."
)


def draw_headline(results: Results) -> Markup:
    """Return the counts that add up, the referred embryos, and the grades with their intervals."""
    return join([_files(results), _embryos(results)])


def _files(results: Results) -> Markup:
    counts = results.files["outcome"].value_counts()
    tiles = [_tile(str(len(results.files)), "files found")]
    for outcome, count in counts.items():
        tiles.append(_tile(f"{'+' if len(tiles) > 1 else '='} {count}", outcome.replace("_", " ")))
    words = "Every file found ended as exactly one of these; what each means stands in the documentation of a run."
    return join([tag("ul", *tiles, class_="tiles"), tag("p", words, class_="note")])


def _tile(value: str, words: str) -> Markup:
    return tag("li", tag("b", value), words)


def _embryos(results: Results) -> Markup:
    graded = results.embryos[results.embryos["num_graded"] > 0]
    num_graded = len(graded)
    num_referred = int(graded["referred"].fillna(False).astype(bool).sum())
    frames = results.frames
    num_frames = int((frames["outcome"] == "graded").sum())
    tiles = [
        _tile(str(len(results.embryos)), "embryos"),
        _tile(str(num_graded), "embryos graded"),
        _tile(_share(num_referred, num_graded), f"referred: {num_referred} of {num_graded}"),
        _tile(number(graded["ratio_median"].median()), "median ratio"),
    ]
    if not num_graded:
        return tag("ul", *tiles[:2], class_="tiles")
    note = (
        f"Shares are of the {num_graded} embryos with at least one graded frame ({num_frames} frames). The grade is "
        f"that of the embryo's median ratio over its graded frames, by {results.grading.grade_scheme.label}; ratio is "
        f"the fragment area over the area of the {results.grading.denominator}, a 2-D area ratio, not a volume. "
        "Whiskers are 95 % Wilson intervals; embryos of one patient are counted as if independent."
    )
    chart = draw_intervals(grade_shares(graded, results.grading.grade_scheme.grades), "share of embryos", percent=True)
    return join([tag("ul", *tiles, class_="tiles"), tag("figure", chart, tag("figcaption", note))])


def grade_shares(graded: pd.DataFrame, grades: Sequence[str]) -> list[Interval]:
    """Return the share of each grade among embryos, with its 95 % Wilson interval."""
    counts = graded["grade"].value_counts()
    rows = []
    for grade in grades:
        count = int(counts.get(grade, 0))
        low, high = wilson_interval(count, len(graded))
        rows.append(Interval(label=f"grade {grade}", value=count / len(graded), low=low, high=high, n=count))
    return rows


def _share(count: int, total: int) -> str:
    """A share in words, with its 95 % Wilson interval.

    >>> _share(1, 4), _share(0, 0)
    ('25 %', '–')
    """
    return f"{number(100 * count / total, 0)} %" if total else "–"
