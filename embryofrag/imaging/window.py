"""The square part of a frame that the networks look at when they look at the embryo alone."""

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A square of the frame; it may reach beyond the frame's border."""

    top_px: int
    """First row; negative above the frame."""
    left_px: int
    """First column; negative left of the frame."""
    side_px: int
    """1 or more."""

    def __post_init__(self):
        if self.side_px < 1:
            raise ValueError(f"a window has a side of at least 1 px, not {self.side_px}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """A circle around an embryo: nearly the inner border of its zona, which the cells fill."""

    x_px: float
    """Column of the centre; pixel centres lie at whole numbers."""
    y_px: float
    radius_px: float
    """To the outer edges of the outermost pixels."""


def enclosing_circle(mask: np.ndarray) -> Circle | None:
    """Return the smallest circle around the largest 8-connected component of a bool (H, W) mask; None if it is empty.

    >>> disc = np.hypot(*(np.mgrid[:100, :100] - [[[40]], [[60]]])) <= 25
    >>> circle = enclosing_circle(disc)
    >>> round(circle.x_px), round(circle.y_px), round(circle.radius_px)
    (60, 40, 26)
    """
    num_labels, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if num_labels == 1:
        return None
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    contours, _ = cv2.findContours((labels == largest).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    (x_px, y_px), radius_px = cv2.minEnclosingCircle(contours[0])
    return Circle(x_px=x_px, y_px=y_px, radius_px=radius_px + 0.5)


def window_around(circle: Circle, diameter_share: float) -> Window:
    """Return the window centred on a circle, whose diameter is that share of the window's side.

    Raises:
        ValueError: A share that is not above 0 and at most 1.

    >>> window_around(Circle(x_px=60, y_px=40, radius_px=25), 0.5)
    Window(top_px=-10, left_px=10, side_px=100)
    """
    if not 0.0 < diameter_share <= 1.0:
        raise ValueError(f"the diameter's share lies above 0 and at most at 1, not at {diameter_share}")
    side_px = max(1, round(2 * circle.radius_px / diameter_share))
    return Window(
        top_px=round(circle.y_px + 0.5 - side_px / 2), left_px=round(circle.x_px + 0.5 - side_px / 2), side_px=side_px
    )
