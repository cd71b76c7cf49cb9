"""Which charts go with which table of the page."""

from collections.abc import Callable

from embryofrag.report.calibration import NOMINAL
from embryofrag.report.charts import (
    ControlPoint,
    Interval,
    draw_bland_altman,
    draw_control,
    draw_intervals,
    draw_line,
)
from embryofrag.report.contents import Table
from embryofrag.report.control import MEASURES, SHARE, ControlChart
from embryofrag.report.markup import Markup, tag
from embryofrag.statistics.agreement import limits_of_agreement

MAX_BARS = 40
"""Rows of a table that a chart of intervals shows."""

MIN_PAIRS, MAX_PAIRINGS, MAX_DOTS = 3, 6, 800
"""Bland-Altman charts: least pairs of one, most charts, most dots of one."""

_AGREEMENT = ("exact", "within_one", "kappa", "kappa_quadratic", "gwet_ac2", "icc")
"""Measures of agreement that are 1 at best."""


def draw_charts(table: Table) -> Markup | None:
    """Return the charts of a table side by side; none where it says it best itself or has no rows."""
    if table.data.empty or table.name not in _CHARTS:
        return None
    return tag("div", *(tag("figure", drawn) for drawn in _CHARTS[table.name](table)), class_="charts")


def draw_control_chart(chart: ControlChart) -> Markup:
    """Return one control chart with its title."""
    points = [
        ControlPoint(
            label=row.period,
            value=row.value,
            flags=row.flags.replace("_", "-"),
            in_baseline=bool(row.in_baseline),
            restart=row.change,
            centre=row.centre,
            warning=(row.lower_2s, row.upper_2s),
            control=(row.lower_3s, row.upper_3s),
        )
        for row in chart.points.itertuples()
    ]
    is_share = MEASURES[chart.measure].kind == SHARE
    return draw_control(points, chart.title, "share" if is_share else "mean ratio", percent=is_share)


def _differences(table: Table) -> list[Markup]:
    rows = [
        Interval(
            label=f"{row.dimension} {row.group}",
            value=row.difference,
            low=row.difference_low95,
            high=row.difference_high95,
            n=row.embryos,
        )
        for row in table.data.head(MAX_BARS).itertuples()
    ]
    return [draw_intervals(rows, "mean ratio of the group minus that of all others", reference=0.0)]


def _agreement(table: Table) -> list[Markup]:
    shown = table.data[table.data["measure"].isin(_AGREEMENT)].head(MAX_BARS)
    rows = [
        Interval(
            label=f"{row.first}, {row.second}: {row.measure.replace('_', ' ')}",
            value=row.value,
            low=row.low95,
            high=row.high95,
            n=row.n,
        )
        for row in shown.itertuples()
    ]
    return [draw_intervals(rows, "agreement, 1 at best", reference=1.0)]


def _coverage(table: Table) -> list[Markup]:
    rows = [
        Interval(label=row.rater, value=row.share, low=row.share_low95, high=row.share_high95, n=row.frames)
        for row in table.data.head(MAX_BARS).itertuples()
    ]
    return [draw_intervals(rows, "share of ratios inside the interval", percent=True, reference=NOMINAL)]


def _reliability(table: Table) -> list[Markup]:
    places = list(zip(table.data["probability_mean"], table.data["share_equal"], strict=True))
    return [draw_line(places, "mean probability of the likeliest grade", "share of equal grades", has_diagonal=True)]


def _risk(table: Table) -> list[Markup]:
    return [
        draw_line(
            list(zip(rows["share_kept"], rows["share_other_grade"], strict=True)),
            f"share of the {unit}s kept, those on which the modules agree best first",
            "share of other grades",
        )
        for unit, rows in table.data.groupby("unit", sort=False)
    ]


def _bland_altman(table: Table) -> list[Markup]:
    drawn = []
    for (unit, first, second), rows in table.data.groupby(["unit", "first", "second"], sort=False):
        known = rows.dropna(subset=["ratio_1", "ratio_2"])
        if len(known) < MIN_PAIRS or len(drawn) == MAX_PAIRINGS:
            continue
        found = limits_of_agreement(known["ratio_2"].to_numpy(), known["ratio_1"].to_numpy())
        # the limits are of all pairs, the dots evenly chosen from them
        dots = known.iloc[:: -(-len(known) // MAX_DOTS)]
        means = ((dots["ratio_1"] + dots["ratio_2"]) / 2).tolist()
        differences = (dots["ratio_2"] - dots["ratio_1"]).tolist()
        title = f"{second} minus {first}, {unit}s"
        drawn.append(draw_bland_altman(means, differences, found.bias, (found.low, found.high), title))
    return drawn


_CHARTS: dict[str, Callable[[Table], list[Markup]]] = {
    "agreement": _agreement,
    "bias": _differences,
    "pairs": _bland_altman,
    "coverage": _coverage,
    "reliability": _reliability,
    "risk_coverage": _risk,
}
"""What draws a table, by the table's name."""
