"""The charts of the page beside the curves: numbers in, SVG out. What they show in colour they show in shape too."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from embryofrag.report.axes import (
    Axes,
    Point,
    box,
    chart,
    diamonds,
    dots,
    line,
    number,
    number_ticks,
    padded,
    polyline,
    round_ticks,
    text,
    x_scale,
    y_scale,
)
from embryofrag.report.markup import Markup, join

_ROW_PX = 24
_NAME_PX = 10
"""Least distance of two names of limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate with its interval, and what it was counted from."""

    label: str
    value: float
    low: float
    """May be NaN where there is no interval."""
    high: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPoint:
    """One period of a control chart."""

    label: str
    value: float
    flags: str = ""
    """Rules that the point breaks, such as "1-3s 10x"; empty for none."""
    in_baseline: bool = False
    restart: str = ""
    """What was changed before this point; empty for nothing."""
    centre: float = math.nan
    """NaN, like the limits, where the point is not judged."""
    warning: Point = (math.nan, math.nan)
    """Two-sigma limits, lower and upper."""
    control: Point = (math.nan, math.nan)
    """Three-sigma limits."""


def draw_intervals(
    rows: Sequence[Interval], title: str, percent: bool = False, reference: float | None = None
) -> Markup:
    """Draw one dot with its interval a row, a faint line where `reference` lies."""
    ends = [end for row in rows for end in (row.value, row.low, row.high, reference) if end is not None]
    known = [end for end in ends if math.isfinite(end)]
    edges = (0.0, max([*known, 0.01]) * 1.05) if percent else padded(known)
    label_px = min(max((7 * len(f"{row.label} (n {row.n})") for row in rows), default=0) + 16, 300)
    height_px = _ROW_PX * len(rows) + 46
    axes = Axes(width_px=640, height_px=height_px, x=edges, y=(len(rows), 0), left_px=label_px, right_px=20, top_px=6)
    parts = []
    if reference is not None:
        x = axes.x_px(reference)
        parts.append(line((x, axes.top_px), (x, height_px - axes.bottom_px), "reference"))
    for index, row in enumerate(rows):
        parts.append(_interval_row(axes, index, row))
    parts.append(x_scale(axes, number_ticks(round_ticks(*edges), percent), title))
    return chart(axes, f"{title}: {len(rows)} rows, the same numbers as in the table", *parts)


def _interval_row(axes: Axes, index: int, row: Interval) -> Markup:
    y = axes.y_px(index + 0.5)
    words = row.label if len(row.label) <= 34 else f"{row.label[:33]}…"
    parts = [text((axes.left_px - 8, y + 4), f"{words} (n {row.n})", "end")]
    if math.isfinite(row.low) and math.isfinite(row.high):
        low, high = axes.x_px(row.low), axes.x_px(row.high)
        parts.append(line((low, y), (high, y), "whisker"))
        parts += [line((end, y - 4), (end, y + 4), "whisker") for end in (low, high)]
    if math.isfinite(row.value):
        parts.append(dots([(axes.x_px(row.value), y)], "estimate"))
    return join(parts)


def draw_control(points: Sequence[ControlPoint], title: str, y_title: str, percent: bool = False) -> Markup:
    """Draw a control chart: points in their order, centre line, two- and three-sigma limits.

    Points that break a rule are diamonds with the rules' names above them, the baseline is shaded, and a restart is a
    dashed line with its reason.
    """
    values = [end for point in points for end in (point.value, point.centre, *point.control)]
    low, high = padded(values)
    y = (max(low, 0.0), high)
    axes = Axes(width_px=580, height_px=240, x=(-0.5, len(points) - 0.5), y=y, left_px=58, right_px=42, top_px=22)
    places = [(axes.x_px(index), axes.y_px(point.value)) for index, point in enumerate(points)]
    flagged = [(place, point.flags) for place, point in zip(places, points, strict=True) if point.flags]
    parts = [
        _baseline(points, axes),
        y_scale(axes, round_ticks(*y), y_title, percent),
        x_scale(axes, _some_labels(points), ""),
        *_limits(points, axes),
        _restarts(points, axes),
        polyline(places, "curve"),
        dots([place for place, point in zip(places, points, strict=True) if not point.flags], "point"),
        diamonds([place for place, _ in flagged], "referred-mark", 5),
        *(text((x, max(y - 9, 10)), flags, "flag middle") for (x, y), flags in flagged),
    ]
    label = f"{title}: {len(points)} periods, {len(flagged)} of them flagged; the same numbers as in the table"
    return chart(axes, label, *parts)


def _some_labels(points: Sequence[ControlPoint]) -> list[tuple[float, str]]:
    """The labels of at most seven periods, evenly spread."""
    step = max(1, math.ceil(len(points) / 7))
    return [(index, points[index].label) for index in range(0, len(points), step)]


def _baseline(points: Sequence[ControlPoint], axes: Axes) -> Markup | None:
    inside = [index for index, point in enumerate(points) if point.in_baseline]
    if not inside:
        return None
    left, right = axes.x_px(inside[0] - 0.5), axes.x_px(inside[-1] + 0.5)
    height = axes.height_px - axes.bottom_px - axes.top_px
    shade = box((left, axes.top_px), (right - left, height), "baseline")
    return join([shade, text((left + 4, axes.top_px + 11), "baseline", "note")])


def _limits(points: Sequence[ControlPoint], axes: Axes) -> list[Markup | None]:
    """Centre and limits as steps, since those of a share move with n; named at their right ends where there is room."""
    kinds = {
        "mean": ("centre", [point.centre for point in points]),
        "3s": ("limit-3s", [point.control[1] for point in points]),
        "2s": ("limit-2s", [point.warning[1] for point in points]),
        "-3s": ("limit-3s", [point.control[0] for point in points]),
        "-2s": ("limit-2s", [point.warning[0] for point in points]),
    }
    parts: list[Markup | None] = []
    named_px: list[float] = []
    for name, (class_, values) in kinds.items():
        runs = _runs(values)
        parts += [polyline(_steps(axes, start, run), class_) for start, run in runs]
        y = axes.y_px(runs[-1][1][-1]) if runs else math.nan
        if runs and all(abs(y - other) >= _NAME_PX for other in named_px):
            named_px.append(y)
            parts.append(text((axes.width_px - axes.right_px + 4, y + 4), name, "note"))
    return parts


def _runs(values: Sequence[float]) -> list[tuple[int, list[float]]]:
    """Split values where they are unknown: (index of the first, values) of each piece.

    >>> _runs([1.0, float("nan"), 2.0, 3.0])
    [(0, [1.0]), (2, [2.0, 3.0])]
    """
    runs: list[tuple[int, list[float]]] = []
    for index, value in enumerate(values):
        if not math.isfinite(value):
            continue
        if runs and runs[-1][0] + len(runs[-1][1]) == index:
            runs[-1][1].append(value)
        else:
            runs.append((index, [value]))
    return runs


def _steps(axes: Axes, start: int, values: Sequence[float]) -> list[Point]:
    return [
        (axes.x_px(start + index + side), axes.y_px(value))
        for index, value in enumerate(values)
        for side in (-0.5, 0.5)
    ]


def _restarts(points: Sequence[ControlPoint], axes: Axes) -> Markup:
    parts = []
    for index, point in enumerate(points):
        if point.restart:
            x = axes.x_px(index - 0.5)
            parts.append(line((x, axes.top_px), (x, axes.height_px - axes.bottom_px), "restart"))
            parts.append(text((x + 4, 13), point.restart[:40], "note"))
    return join(parts)


def draw_bland_altman(
    means: Sequence[float], differences: Sequence[float], bias: float, limits: Point, title: str
) -> Markup:
    """Draw differences against means, with the bias and the 95 % limits of agreement.

    Args:
        means: of the two ratios of each pair.
        differences: of the two, one for each mean.
        bias: mean difference.
        limits: lower and upper limit of agreement.
        title: what is subtracted from what.
    """
    axes = Axes(
        width_px=520, height_px=280, x=padded(means), y=padded([*differences, *limits]), left_px=58, right_px=90
    )
    right = axes.width_px - axes.right_px
    parts = [
        y_scale(axes, round_ticks(*axes.y), title),
        x_scale(axes, number_ticks(round_ticks(*axes.x)), "mean of the two ratios"),
        dots([(axes.x_px(x), axes.y_px(y)) for x, y in zip(means, differences, strict=True)], "sample"),
    ]
    for value, name, class_ in (
        (bias, "bias", "centre"),
        (limits[0], "lower", "limit-3s"),
        (limits[1], "upper", "limit-3s"),
    ):
        y = axes.y_px(value)
        parts += [
            line((axes.left_px, y), (right, y), class_),
            text((right + 4, y + 4), f"{name} {number(value)}", "note"),
        ]
    label = f"{title}: {len(means)} pairs, bias {number(bias)}, limits {number(limits[0])} to {number(limits[1])}"
    return chart(axes, label, *parts)


def draw_line(places: Sequence[Point], x_title: str, y_title: str, has_diagonal: bool = False) -> Markup:
    """Draw one line through shares, both axes from 0; `has_diagonal` adds the line on which the two are equal."""
    top = 1.0 if has_diagonal else max([y for _, y in places if math.isfinite(y)], default=1.0) or 1.0
    axes = Axes(width_px=520, height_px=250, x=(0.0, 1.0), y=(0.0, top), left_px=58)
    in_px = [(axes.x_px(x), axes.y_px(y)) for x, y in places if math.isfinite(y)]
    diagonal = line((axes.x_px(0), axes.y_px(0)), (axes.x_px(1), axes.y_px(1)), "reference") if has_diagonal else None
    parts = [
        y_scale(axes, round_ticks(*axes.y), y_title, percent=True),
        x_scale(axes, number_ticks(round_ticks(*axes.x), percent=True), x_title),
        diagonal,
        polyline(in_px, "curve"),
        dots(in_px, "point"),
    ]
    return chart(axes, f"{y_title} against {x_title}: {len(in_px)} points, the same numbers as in the table", *parts)
