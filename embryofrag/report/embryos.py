"""One row an embryo, summed up again from the frames' stored ratios exactly as a run sums them up."""

from collections.abc import Hashable

import pandas as pd

from embryofrag.grading.embryo import WINDOW_COLUMNS, EmbryoFrame, EmbryoSettings, summarise_embryo
from embryofrag.grading.frame import GradingSettings
from embryofrag.records import Outcome
from embryofrag.report.context import CONTEXT_COLUMNS
from embryofrag.run.tables import EMBRYO_COLUMNS

_FIRST = ("slide", "well", *CONTEXT_COLUMNS)
_OF_GRADED = ("denominator", "model", "engine_a", "engine_b")
_SUMMARY = tuple(name for name in EMBRYO_COLUMNS if name not in ("embryo", "slide", "well", *_OF_GRADED))
_COUNTS = ("well", "num_frames", "num_graded", "num_no_embryo", "num_referred")
_TEXT = ("embryo", "slide", "grade", "scheme", "refer_reasons", *_OF_GRADED)


def summarise_embryos(frames: pd.DataFrame, grading: GradingSettings, settings: EmbryoSettings) -> pd.DataFrame:
    """Sum up frames by embryo, in the order of their first frames.

    Args:
        frames: As `embryofrag.report.source.Results.frames`.
        grading: What the frames are graded by.
        settings: Windows and limits of the run.

    Returns:
        The columns of `embryos.csv` and those of the context. Blank where unknown.
    """
    groups = frames.groupby("embryo", sort=False)
    table = pd.DataFrame([_row(embryo, group, grading, settings) for embryo, group in _plain_groups(frames)])
    if table.empty:
        table = pd.DataFrame(columns=list(_row("", [], grading, settings)))
    first = groups[list(_FIRST)].first().reset_index()
    graded = frames[frames["outcome"] == Outcome.GRADED]
    of_graded = graded.groupby("embryo", sort=False)[list(_OF_GRADED)].first().reset_index()
    table = table.merge(first, how="left", on="embryo").merge(of_graded, how="left", on="embryo")
    windows = [name for window in settings.windows for name in _window_columns(window.name)]
    order = ["embryo", "slide", "well", "instrument", "date", "patient", "operator", *_SUMMARY]
    table = table[[*order, *_OF_GRADED, *windows]]
    texts = dict.fromkeys((*_TEXT, *(name for name in windows if name.endswith("_grade"))), "str")
    counts = dict.fromkeys((*_COUNTS, *(name for name in windows if name.endswith("_n"))), "Int64")
    ratios = dict.fromkeys((name for name in table if "ratio" in name or name.startswith("hpi_")), "float64")
    return table.astype({**texts, **counts, **ratios, "referred": "boolean"})


def _window_columns(window: str) -> tuple[str, ...]:
    return tuple(f"{window}_{name}" for name in WINDOW_COLUMNS)


def _plain_groups(frames: pd.DataFrame):
    """(embryo, its frames' values) in plain Python numbers: a data frame for each embryo would be far slower."""
    columns = ["embryo", "hpi", "run", "ratio_reg", "ratio_mask", "referred", "outcome"]
    plain = frames[columns].astype(object).where(frames[columns].notna(), None)
    groups: dict[Hashable, list[tuple]] = {}
    for row in plain.itertuples(index=False, name=None):
        groups.setdefault(row[0], []).append(row[1:])
    return groups.items()


def _row(embryo: str, rows: list[tuple], grading: GradingSettings, settings: EmbryoSettings) -> dict:
    frames = [
        EmbryoFrame(hpi=hpi, run=run, ratio_reg=ratio_reg, ratio_mask=ratio_mask, referred=bool(referred))
        for hpi, run, ratio_reg, ratio_mask, referred, _ in rows
    ]
    summary = summarise_embryo(frames, grading, settings)
    hours = [frame.hpi for frame in frames if frame.hpi is not None]
    values = {
        "embryo": embryo,
        "num_no_embryo": sum(outcome == Outcome.NO_EMBRYO for *_, outcome in rows),
        "hpi_first": min(hours, default=None),
        "hpi_last": max(hours, default=None),
    } | summary.cells()
    for window, spread in summary.windows.items():
        values |= dict(zip(_window_columns(window), spread.cells().values(), strict=True))
    return values
