"""The frame of a chart: where values lie in the picture, round ticks, and the marks that every chart is made of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from embryofrag.report.markup import Markup, join, tag

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """A plot's size, its margins and the values at its edges."""

    width_px: int
    height_px: int
    x: Point
    """Values at the left and the right edge."""
    y: Point
    """Values at the lower and the upper edge."""
    left_px: int = 48
    right_px: int = 12
    top_px: int = 10
    bottom_px: int = 36

    def x_px(self, value: float) -> float:
        """Place of a value, px from the left; values outside lie on the edge."""
        inner_px = self.width_px - self.left_px - self.right_px
        return round(self.left_px + inner_px * _share(value, self.x), 1)

    def y_px(self, value: float) -> float:
        """Place of a value, px from the top; values outside lie on the edge."""
        inner_px = self.height_px - self.top_px - self.bottom_px
        return round(self.height_px - self.bottom_px - inner_px * _share(value, self.y), 1)


def _share(value: float, edges: Point) -> float:
    low, high = edges
    return min(max((value - low) / (high - low), 0.0), 1.0) if high != low else 0.5


def round_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return at most `most` multiples of 1, 2 or 5 times a power of ten within [low, high].

    >>> round_ticks(0, 0.6), round_ticks(27, 68.5, 5), round_ticks(3, 3)
    ([0.0, 0.2, 0.4, 0.6], [30.0, 40.0, 50.0, 60.0], [3.0])
    """
    if not high > low:
        return [float(low)]
    unit = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (unit, 2 * unit, 5 * unit, 10 * unit, 20 * unit):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            break
    return [round(index * step, 12) for index in range(first, last + 1)]


def padded(values: Iterable[float], share: float = 0.08) -> Point:
    """Return edges a little wider than the values; (0, 1) where there are none.

    >>> padded([1.0, 2.0], 0.1), padded([]), padded([0.0, 0.0])
    ((0.9, 2.1), (0.0, 1.0), (-0.5, 0.5))
    """
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    margin = share * (high - low) or 0.5 * (abs(high) or 1.0)
    return round(low - margin, 12), round(high + margin, 12)


def number(value: float, decimals: int = 3) -> str:
    """Return a value in words: fixed decimals without trailing zeros after the first, an en dash where unknown.

    >>> number(0.25), number(float("nan")), number(2.0), number(-0.0001)
    ('0.25', '–', '2', '0')
    """
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def chart(axes: Axes, label: str, *parts: object, class_: str = "chart") -> Markup:
    """Return a picture of the axes' size; `label` says in words what it shows."""
    return tag(
        "svg",
        *parts,
        class_=class_,
        width=axes.width_px,
        height=axes.height_px,
        viewBox=f"0 0 {axes.width_px} {axes.height_px}",
        role="img",
        aria_label=label,
    )


def y_scale(axes: Axes, ticks: Sequence[float], label: str = "", percent: bool = False) -> Markup:
    """Grid lines with their values at the left, and what they are."""
    left, right = axes.left_px, axes.width_px - axes.right_px
    parts = []
    for tick in ticks:
        y = axes.y_px(tick)
        parts += [line((left, y), (right, y), "grid"), text((left - 5, y + 4), in_words(tick, percent), "end")]
    middle = (axes.top_px + axes.height_px - axes.bottom_px) / 2
    if label:
        turned = f"translate(11 {middle:g}) rotate(-90)"
        parts.append(tag("text", label, class_="title middle", transform=turned))
    return join(parts)


def x_scale(axes: Axes, ticks: Sequence[tuple[float, str]], label: str = "") -> Markup:
    """Tick marks with their words below the plot, and what they are."""
    bottom = axes.height_px - axes.bottom_px
    parts = [line((axes.left_px, bottom), (axes.width_px - axes.right_px, bottom), "axis")]
    for value, words in ticks:
        x = axes.x_px(value)
        parts += [line((x, bottom), (x, bottom + 4), "axis"), text((x, bottom + 15), words, "middle")]
    if label:
        middle = (axes.left_px + axes.width_px - axes.right_px) / 2
        parts.append(text((middle, axes.height_px - 4), label, "title middle"))
    return join(parts)


def number_ticks(ticks: Sequence[float], percent: bool = False) -> list[tuple[float, str]]:
    """Pair values with their words, for `x_scale`."""
    return [(tick, in_words(tick, percent)) for tick in ticks]


def in_words(value: float, percent: bool) -> str:
    return f"{number(100 * value, 1)} %" if percent else number(value, 4)


def line(start: Point, end: Point, class_: str) -> Markup:
    """A straight line between two places in px."""
    return tag("line", class_=class_, x1=f"{start[0]:g}", y1=f"{start[1]:g}", x2=f"{end[0]:g}", y2=f"{end[1]:g}")


def box(corner: Point, size: Point, class_: str) -> Markup:
    """A filled rectangle; `corner` is its upper left, px."""
    width, height = (f"{max(side, 0):.4g}" for side in size)
    return tag("rect", class_=class_, x=f"{corner[0]:g}", y=f"{corner[1]:g}", width=width, height=height)


def text(place: Point, words: str, class_: str = "") -> Markup:
    """Words whose base line starts, has its middle (`middle`) or ends (`end`) at a place in px."""
    return tag("text", words, class_=class_ or None, x=f"{place[0]:g}", y=f"{place[1]:g}")


def polyline(places: Sequence[Point], class_: str) -> Markup | None:
    """Places in px joined by straight lines; nothing for fewer than two."""
    if len(places) < 2:
        return None
    return tag("path", class_=class_, d="M" + "L".join(f"{x:g} {y:g}" for x, y in places))


def dots(places: Sequence[Point], class_: str) -> Markup | None:
    """A round mark at each place in px, as wide as the class's stroke; one element for all."""
    if not places:
        return None
    return tag("path", class_=class_, d="".join(f"M{x:g} {y:g}h0" for x, y in places))


def diamonds(places: Sequence[Point], class_: str, radius_px: float = 4) -> Markup | None:
    """An upright diamond at each place in px; one element for all."""
    if not places:
        return None
    edges = f"l{radius_px:g} {radius_px:g}l-{radius_px:g} {radius_px:g}l-{radius_px:g}-{radius_px:g}z"
    return tag("path", class_=class_, d="".join(f"M{x:g} {y - radius_px:g}{edges}" for x, y in places))
