"""Control charts of an archive: each period's mean or share against limits from a frozen baseline."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from embryofrag.records import TROUBLE, Outcome
from embryofrag.report.baseline import MIN_POINTS, Baseline
from embryofrag.report.groups import HIGH_RATIO
from embryofrag.report.periods import label_periods, period_end, period_start
from embryofrag.report.source import Results
from embryofrag.statistics.control import WARNING_RULE, Limits, control_flags, level_limits, share_sigma

ALL_INSTRUMENTS = "all"
LEVEL, SHARE = "level", "share"
POINT_COLUMNS = (
    "period", "start", "n", "value", "centre", "lower_3s", "lower_2s", "upper_2s", "upper_3s", "distance_s", "flags",
    "in_baseline", "change",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A known change, such as new optics: rules over several points begin anew at it."""

    day: date
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What a chart shows."""

    title: str
    kind: str
    """`LEVEL`: mean of the cases, Levey-Jennings; `SHARE`: share of the cases, p-chart."""
    cases: str
    """What is counted, in the plural."""


MEASURES = {
    "ratio": Measure(title="Mean ratio", kind=LEVEL, cases="graded embryos"),
    "above_25": Measure(title="Share with a ratio of .25 or more", kind=SHARE, cases="graded embryos"),
    "referred": Measure(title="Share of referred embryos", kind=SHARE, cases="graded embryos"),
    "no_embryo": Measure(title="Share of frames without an embryo", kind=SHARE, cases="frames read"),
    "trouble": Measure(title="Share of files in trouble", kind=SHARE, cases="files of an embryo"),
}
"""What is watched, by name."""


@dataclass(frozen=True, kw_only=True)
class ControlChart:
    """One series with its limits."""

    measure: str
    """A key of `MEASURES`."""
    instrument: str
    """`ALL_INSTRUMENTS` or one of them."""
    points: pd.DataFrame
    """`POINT_COLUMNS`, one row a period with cases. Blank limits: no baseline, or too few cases; flags: rules joined
    by spaces."""

    @property
    def key(self) -> str:
        return chart_key(self.measure, self.instrument)

    @property
    def title(self) -> str:
        whose = "all instruments" if self.instrument == ALL_INSTRUMENTS else self.instrument
        return f"{MEASURES[self.measure].title}, {whose}"

    @property
    def is_out_of_control(self) -> bool:
        """Whether a point raises a rule that is more than a warning."""
        return any(set(flags.split()) - {WARNING_RULE} for flags in self.points["flags"])


def chart_key(measure: str, instrument: str) -> str:
    return f"{measure}|{instrument}"


def control_series(results: Results, by: str) -> dict[str, pd.DataFrame]:
    """Points of every chart before any limits: period, start, n, value; by `chart_key`.

    Args:
        results: Embryos without a date are left out.
        by: ``week`` or ``month``.
    """
    cases = {name: _cases(results, name) for name in MEASURES}
    series = {}
    for measure, table in cases.items():
        table = table.assign(period=label_periods(table["date"], by)).dropna(subset=["period"])
        instruments = sorted(table["instrument"].dropna().unique())
        series[chart_key(measure, ALL_INSTRUMENTS)] = _points(table)
        if len(instruments) > 1:
            for instrument in instruments:
                series[chart_key(measure, instrument)] = _points(table[table["instrument"] == instrument])
    return series


def default_span(series: dict[str, pd.DataFrame], min_n: int) -> tuple[date, date] | None:
    """First `MIN_POINTS` periods with enough embryos; None where there are not more than that."""
    points = series[chart_key("ratio", ALL_INSTRUMENTS)]
    enough = points.loc[points["n"] >= min_n, "period"]
    if len(enough) <= MIN_POINTS:
        return None
    return period_start(enough.iloc[0]), period_end(enough.iloc[MIN_POINTS - 1])


def baseline_limits(series: dict[str, pd.DataFrame], span: tuple[date, date], min_n: int) -> dict[str, Limits]:
    """Limits of each chart from the points that lie wholly inside a stretch of time and have enough cases."""
    limits = {}
    for key, points in series.items():
        inside = points[_is_inside(points["period"], span) & (points["n"] >= min_n)]
        if len(inside) < MIN_POINTS:
            limits[key] = Limits(centre=np.nan, sigma=np.nan)
        elif MEASURES[key.split("|")[0]].kind == LEVEL:
            limits[key] = level_limits(inside["value"])
        else:
            limits[key] = Limits(centre=float(np.average(inside["value"], weights=inside["n"])), sigma=np.nan)
    return limits


def control_charts(
    series: dict[str, pd.DataFrame], baseline: Baseline | None, changes: Sequence[Change], min_n: int
) -> tuple[ControlChart, ...]:
    """Judge every series.

    Args:
        series: `control_series`.
        baseline: None: no limits and no flags.
        changes: Known changes.
        min_n: Cases that a point needs to be judged.
    """
    charts = []
    for key, points in series.items():
        measure, _, instrument = key.partition("|")
        judged = _judge(points, measure, baseline and baseline.limits.get(key), changes, min_n)
        inside = _is_inside(points["period"], (baseline.start, baseline.end)) if baseline else False
        charts.append(
            ControlChart(
                measure=measure, instrument=instrument, points=judged.assign(in_baseline=inside)[list(POINT_COLUMNS)]
            )
        )
    return tuple(charts)


def _judge(
    points: pd.DataFrame, measure: str, limits: Limits | None, changes: Sequence[Change], min_n: int
) -> pd.DataFrame:
    centre, sigma_N = _spread(points["n"], measure, limits, min_n)
    distance_N = np.full(len(points), np.nan)
    np.divide(points["value"] - centre, sigma_N, out=distance_N, where=sigma_N > 0)
    marks = _marks(points["period"], changes)
    flags = control_flags(distance_N.tolist(), {place for place, text in enumerate(marks) if text})
    judged = points.assign(centre=np.where(np.isnan(sigma_N), np.nan, centre), distance_s=distance_N, change=marks)
    for name, step in (("lower_3s", -3), ("lower_2s", -2), ("upper_2s", 2), ("upper_3s", 3)):
        # neither a ratio nor a share lies outside 0..1
        judged[name] = np.clip(centre + step * sigma_N, 0, 1)
    return judged.assign(flags=[" ".join(raised) for raised in flags])


def _spread(counts: pd.Series, measure: str, limits: Limits | None, min_n: int) -> tuple[float, np.ndarray]:
    """Centre, and the standard deviation at each point, nan where it is not judged."""
    if limits is None:
        return np.nan, np.full(len(counts), np.nan)
    is_level = MEASURES[measure].kind == LEVEL
    sigmas = [limits.sigma if is_level else share_sigma(limits.centre, count) for count in counts]
    return limits.centre, np.where(counts >= min_n, np.array(sigmas, np.float64), np.nan)


def _marks(periods: pd.Series, changes: Sequence[Change]) -> list[str]:
    """For each period the changes since the one before, in words."""
    ends = [period_end(period) for period in periods]
    before = [date.min, *ends][: len(ends)]
    return [
        "; ".join(f"{change.day} {change.text}" for change in changes if last < change.day <= end)
        for last, end in zip(before, ends, strict=True)
    ]


def _cases(results: Results, measure: str) -> pd.DataFrame:
    """One row a case: date, instrument, value (a share's is 0 or 1)."""
    if measure in ("ratio", "above_25", "referred"):
        graded = results.embryos[results.embryos["grade"].notna()]
        values = {
            "ratio": graded["ratio_median"],
            "above_25": graded["ratio_median"] >= HIGH_RATIO,
            "referred": graded["referred"],
        }
        return graded[["date", "instrument"]].assign(value=values[measure].astype("float64"))
    if measure == "no_embryo":
        read = results.frames[results.frames["outcome"].isin([Outcome.GRADED, Outcome.NO_EMBRYO])]
        return read[["date", "instrument"]].assign(value=(read["outcome"] == Outcome.NO_EMBRYO).astype("float64"))
    files = results.files.merge(results.embryos[["embryo", "instrument"]], how="inner", on="embryo")
    return files[["date", "instrument"]].assign(value=files["outcome"].isin(TROUBLE).astype("float64"))


def _points(table: pd.DataFrame) -> pd.DataFrame:
    groups = table.groupby("period")["value"]
    points = pd.DataFrame({"n": groups.size(), "value": groups.mean()}).rename_axis("period").reset_index()
    return points.assign(start=pd.to_datetime([period_start(label) for label in points["period"]]))


def _is_inside(periods: pd.Series, span: tuple[date, date]) -> np.ndarray:
    return np.array([span[0] <= period_start(one) and period_end(one) <= span[1] for one in periods], dtype=bool)
