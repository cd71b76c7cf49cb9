"""The top of the page: how many files became what, how many embryos are referred, and the share of each grade."""

import pandas as pd

from embryofrag.report.charts import Interval, draw_intervals
from embryofrag.report.markup import Markup, join, tag
from embryofrag.report.source import Results
from embryofrag.report.summary import grade_table, outcome_table
from embryofrag.statistics.shares import wilson_interval

_FILES_NOTE = (
    "Files. Every file found ended as exactly one of these; an asterisk marks files in trouble. Referred: a person "
    "should look at the frame."
)


def draw_headline(results: Results) -> Markup:
    """Return the counts that add up, the referred embryos, and the grades with their intervals."""
    graded = results.embryos[results.embryos["grade"].notna()]
    parts = [_files(results), _embryos(results, graded)]
    return join([*parts, _grades(results) if len(graded) else None])


def _files(results: Results) -> Markup:
    *parts, (_, found, _) = outcome_table(results).data.itertuples(index=False, name=None)
    tiles = [_tile(str(found), "files found")]
    for outcome, count, _ in parts:
        if count:
            tiles.append(_tile(f"{'+' if len(tiles) > 1 else '='} {count}", outcome.replace("_", " ")))
    return join([tag("ul", *tiles, class_="tiles"), tag("p", _FILES_NOTE, class_="note")])


def _tile(value: str, words: str) -> Markup:
    return tag("li", tag("b", value), words)


def _embryos(results: Results, graded: pd.DataFrame) -> Markup:
    num_referred = int(graded["referred"].fillna(False).sum())
    tiles = [_tile(str(len(results.embryos)), "embryos"), _tile(str(len(graded)), "of them graded")]
    if len(graded):
        low, high = wilson_interval(num_referred, len(graded))
        words = f"of the graded referred ({num_referred}; 95 % interval {100 * low:.0f}–{100 * high:.0f} %)"
        tiles.append(_tile(f"{100 * num_referred / len(graded):.0f} %", words))
        tiles.append(_tile(f"{graded['ratio_median'].median():.3f}", "median ratio of the graded"))
    return tag("ul", *tiles, class_="tiles")


def _grades(results: Results) -> Markup:
    grades = grade_table(results)
    rows = [
        Interval(label=f"grade {row.grade}", value=row.share, low=row.share_low95, high=row.share_high95, n=row.embryos)
        for row in grades.data.itertuples()
    ]
    chart = draw_intervals(rows, "share of graded embryos", percent=True)
    return tag("figure", chart, tag("figcaption", grades.note))
