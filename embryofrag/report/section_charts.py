"""Which chart goes with which table of the page, told by the columns that it needs."""

from collections.abc import Callable, Sequence

from embryofrag.report.charts import ControlPoint, Interval, draw_control, draw_intervals
from embryofrag.report.contents import Table
from embryofrag.report.control import MEASURES, SHARE, ControlChart
from embryofrag.report.markup import Markup

MAX_BARS = 40
"""Rows of a table that a chart of intervals shows."""

_AGREEMENT = ("exact", "within_one", "kappa", "kappa_quadratic", "gwet_ac2", "icc")
"""Measures of agreement that are 1 at best."""


def draw_charts(table: Table) -> list[Markup]:
    """Return the charts of a table; none where it says it best itself or has no rows."""
    if table.data.empty:
        return []
    return [draw(table) for columns, draw in _CHARTS if set(columns) <= set(table.data.columns)]


def draw_control_chart(chart: ControlChart) -> Markup:
    """Return one control chart with its title."""
    points = [
        ControlPoint(
            label=row.period,
            value=row.value,
            n=row.n,
            flags=row.flags.replace("_", "-"),
            in_baseline=bool(row.in_baseline),
            restart=row.change,
            centre=row.centre,
            warning=(row.lower_2s, row.upper_2s),
            control=(row.lower_3s, row.upper_3s),
        )
        for row in chart.points.itertuples()
    ]
    return draw_control(points, chart.title, percent=MEASURES[chart.measure].kind == SHARE)


def _differences(table: Table) -> Markup:
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
    return draw_intervals(rows, "mean ratio of the group minus that of all others", reference=0.0)


def _agreement(table: Table) -> Markup:
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
    return draw_intervals(rows, "agreement, 1 at best", reference=1.0)


_CHARTS: Sequence[tuple[Sequence[str], Callable[[Table], Markup]]] = (
    (("dimension", "group", "difference", "difference_low95"), _differences),
    (("first", "second", "measure", "value", "low95"), _agreement),
)
"""Columns that a chart needs, and what draws it."""
