"""One embryo over time: its ratio against hours, run or place in the row, over the bands of the grades.

All embryos of a page share one frame, drawn once and referred to, so that curves compare at a glance and a page of
thousands stays small.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from embryofrag.grading.schemes import Scheme
from embryofrag.report.axes import (
    Axes,
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
)
from embryofrag.report.markup import Markup, join, tag

TIMES = {"hpi": "hours post insemination", "run": "run", "order": "frame"}
"""What a curve may run over, the best first, and its words."""

_SIZE = {"width_px": 320, "height_px": 104, "left_px": 30, "right_px": 22, "top_px": 6, "bottom_px": 30}
_MANY_POINTS = 60
"""From so many on, points that are not referred get no mark of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The graded frames of one embryo in the order of time; every sequence of the same length."""

    embryo: str
    time: str
    """A key of `TIMES`."""
    moments: Sequence[float]
    ratios: Sequence[float]
    """0..1."""
    intervals: Sequence[tuple[float, float] | None]
    """90 % interval of each ratio, where the model has a calibration."""
    referred: Sequence[bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveFrame:
    """Axes that the curves over one kind of time share, and the element that holds them."""

    time: str
    axes: Axes
    symbol: Markup = field(repr=False)

    @property
    def name(self) -> str:
        return f"frame-{self.time}"


def curve_frames(curves: Sequence[Curve], scheme: Scheme) -> dict[str, CurveFrame]:
    """Return a frame for every kind of time among the curves, wide enough for all of them.

    The ratio axis ends at .3, .6 or 1, whichever holds every ratio and interval.
    """
    highest = max((_highest(curve) for curve in curves), default=0.0)
    top = next(edge for edge in (0.3, 0.6, 1.0) if highest <= edge or edge == 1.0)
    frames = {}
    for time in TIMES:
        moments = [moment for curve in curves if curve.time == time for moment in curve.moments]
        if moments:
            axes = Axes(x=padded(moments, 0.03), y=(0.0, height(top)), **_SIZE)
            frames[time] = CurveFrame(time=time, axes=axes, symbol=_frame_symbol(time, axes, scheme))
    return frames


def _highest(curve: Curve) -> float:
    tops = [interval[1] for interval in curve.intervals if interval]
    return max([*curve.ratios, *tops], default=0.0)


def _frame_symbol(time: str, axes: Axes, scheme: Scheme) -> Markup:
    ticks = round_ticks(*axes.x, 5)
    parts = [
        grade_bands(axes, scheme),
        *(_cut_line(axes, cut) for cut in (0.0, *scheme.cuts) if height(cut) <= axes.y[1]),
        x_scale(axes, number_ticks(ticks), TIMES[time]),
    ]
    # the page's style reaches into a referred symbol only from elements inside it, hence the group
    group = tag("g", *parts, class_="curve-frame")
    return tag("symbol", group, id=f"frame-{time}", viewBox=f"0 0 {axes.width_px} {axes.height_px}")


def height(ratio: float) -> float:
    """Return where a ratio stands on the axis: its square root, which spreads the low ratios, where most cuts lie."""
    return math.sqrt(ratio)


def _cut_line(axes: Axes, ratio: float) -> Markup:
    y, right = axes.y_px(height(ratio)), axes.width_px - axes.right_px
    return join([line((axes.left_px, y), (right, y), "grid"), text((axes.left_px - 5, y + 4), f"{ratio:g}", "end")])


def grade_bands(axes: Axes, scheme: Scheme) -> Markup:
    """A tinted band for each grade with its letter at the right."""
    edges = [0.0, *scheme.cuts, 1.0]
    left, width = axes.left_px, axes.width_px - axes.left_px - axes.right_px
    parts = []
    for index, grade in enumerate(scheme.grades):
        lower, upper = (axes.y_px(height(edge)) for edge in edges[index : index + 2])
        if lower > upper:
            parts.append(box((left, upper), (width, lower - upper), f"band {tint(index, len(scheme.grades))}"))
            parts.append(text((left + width + 4, (lower + upper) / 2 + 4), grade[:3], "grade-letter"))
    return join(parts)


def tint(index: int, count: int) -> str:
    """Return the class of a grade's colour: four steps from pale to dark, fewer grades spread over them.

    >>> [tint(index, 4) for index in range(4)], [tint(index, 3) for index in range(3)]
    (['tint-0', 'tint-1', 'tint-2', 'tint-3'], ['tint-0', 'tint-2', 'tint-3'])
    """
    return f"tint-{-(-3 * index // max(count - 1, 1))}"


def draw_curve(curve: Curve, frame: CurveFrame) -> Markup:
    """Return one embryo's curve over its shared frame: interval, line, points, and diamonds where referred."""
    axes = frame.axes
    places = [(axes.x_px(m), axes.y_px(height(r))) for m, r in zip(curve.moments, curve.ratios, strict=True)]
    marked = [place for place, referred in zip(places, curve.referred, strict=True) if referred]
    plain = [place for place, referred in zip(places, curve.referred, strict=True) if not referred]
    return chart(
        axes,
        in_short(curve),
        tag("use", href=f"#{frame.name}"),
        _interval_area(curve, axes),
        polyline(places, "curve"),
        dots(plain, "point") if len(places) < _MANY_POINTS else None,
        diamonds(marked, "referred-mark", 3),
        class_="chart curve-chart",
    )


def in_short(curve: Curve) -> str:
    """Return a curve in one sentence, for those who do not see it."""
    if not curve.ratios:
        return f"{curve.embryo}: no graded frame"
    first, last = number(curve.ratios[0]), number(curve.ratios[-1])
    lowest, highest = number(min(curve.ratios)), number(max(curve.ratios))
    return (
        f"{curve.embryo}: ratio over {TIMES[curve.time]}, {len(curve.ratios)} frames from {first} to {last}, "
        f"lowest {lowest}, highest {highest}, {sum(curve.referred)} referred"
    )


def _interval_area(curve: Curve, axes: Axes) -> Markup | None:
    """The 90 % intervals as a band, as far as every frame has one."""
    if len(curve.ratios) < 2 or any(interval is None for interval in curve.intervals):
        return None
    # whole pixels do for an area, and keep a page of thousands small
    xs = [round(axes.x_px(moment)) for moment in curve.moments]
    lower = [(x, round(axes.y_px(height(low)))) for x, (low, _) in zip(xs, curve.intervals, strict=True)]
    upper = [(x, round(axes.y_px(height(high)))) for x, (_, high) in zip(xs, curve.intervals, strict=True)]
    return polyline([*lower, *reversed(upper)], "interval-area")
