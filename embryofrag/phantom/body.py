"""One body: a smooth star-shaped outline, and its depth field in a patch of the frame.

Coordinates are pixels, x to the right, y down. Depth is the distance to the outline in pixels, positive inside
(exact for a circle, along the ray otherwise).
"""

from dataclasses import dataclass

import cv2
import numpy as np

_SMOOTH_PX = 35
"""A body of so many pixels radius, or a multiple of it, is traced on a coarser grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A cell, a fragment, a nucleus, a clump of debris: an ellipse with three smooth harmonics."""

    x_px: float
    y_px: float
    radius_px: float
    """Geometric mean of the half axes."""
    aspect: float = 1.0
    """Long half axis over short half axis."""
    angle_rad: float = 0.0
    """Direction of the long half axis."""
    harmonics: tuple[tuple[float, float], ...] = ()
    """(cosine, sine) weights of the 2nd, 3rd and 4th harmonic of the radius, as a share of it."""
    z_um: float = 0.0
    """Height above the middle of the embryo."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Patch:
    """The part of the frame that a body touches."""

    window: tuple[slice, slice]
    """Rows and columns of the frame."""
    depth_px: np.ndarray
    """(h, w) float32."""
    dx_px: np.ndarray
    """(1, w) float32, from the centre of the body."""
    dy_px: np.ndarray
    """(h, 1) float32."""
    radius_px: float
    z_um: float

    @property
    def inside(self) -> np.ndarray:
        """(h, w) bool."""
        return self.depth_px > 0


def draw_body(
    rng: np.random.Generator, centre_px: tuple[float, float], radius_px: float, *, stretch=0.1, wobble=0.03, z_um=0.0
) -> Body:
    """A body of random shape.

    Args:
        rng: Source of chance.
        centre_px: (x, y).
        radius_px: Geometric mean of the half axes.
        stretch: Standard deviation of the log aspect ratio.
        wobble: Standard deviation of the second harmonic, as a share of the radius.
        z_um: Height above the middle of the embryo.
    """
    return Body(
        x_px=float(centre_px[0]),
        y_px=float(centre_px[1]),
        radius_px=float(radius_px),
        aspect=float(np.exp(abs(rng.normal(0, stretch)))),
        angle_rad=float(rng.uniform(0, np.pi)),
        harmonics=tuple((float(a), float(b)) for a, b in rng.normal(0, wobble, (3, 2)) * [[1.0], [0.7], [0.45]]),
        z_um=float(z_um),
    )


def trace_body(
    body: Body, shape: tuple[int, int], *, margin_px: float = 4.0, within_HW: np.ndarray | None = None
) -> Patch | None:
    """Depth field of a body.

    Args:
        body: What to trace.
        shape: (H, W) of the frame.
        margin_px: How far the patch reaches beyond the outline.
        within_HW: (H, W) float32 depth of an enclosing body, which flattens this one where they meet.

    Returns:
        The patch, or None where the body lies outside the frame.
    """
    swell = 1 + 2 * sum(np.hypot(a, b) for a, b in body.harmonics)
    reach = body.radius_px * np.sqrt(body.aspect) * swell + margin_px
    left, right = max(0, int(body.x_px - reach)), min(shape[1], int(body.x_px + reach) + 2)
    top, bottom = max(0, int(body.y_px - reach)), min(shape[0], int(body.y_px + reach) + 2)
    if right <= left or bottom <= top:
        return None
    dx = np.arange(left, right, dtype=np.float32)[None] - np.float32(body.x_px)
    dy = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(body.y_px)
    window = (slice(top, bottom), slice(left, right))
    depth = _find_depth(body, window, step=min(4, int(body.radius_px / _SMOOTH_PX) + 1))
    if within_HW is not None:
        depth = smooth_minimum(depth, within_HW[window], 0.3 * body.radius_px)
    return Patch(window=window, depth_px=depth, dx_px=dx, dy_px=dy, radius_px=body.radius_px, z_um=body.z_um)


def _find_depth(body: Body, window: tuple[slice, slice], step: int) -> np.ndarray:
    """Depth in a window of the frame, (h, w) float32; computed at every `step`-th pixel of the frame, linear between.

    Where these pixels are does not depend on the window, so neither does the depth.
    """
    (first_row, last_row), (first_column, last_column) = (
        (side.start // step - 1, (side.stop - 1) // step + 2) for side in window
    )
    middle = (step - 1) / 2
    dx = np.arange(first_column, last_column, dtype=np.float32)[None] * step + np.float32(middle - body.x_px)
    dy = np.arange(first_row, last_row, dtype=np.float32)[:, None] * step + np.float32(middle - body.y_px)
    coarse = np.float32(body.radius_px) * (1 - _relative_radius(body, dx, dy))
    if step == 1:
        return coarse[1:-1, 1:-1]
    fine = cv2.resize(coarse, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR)
    top, left = window[0].start - first_row * step, window[1].start - first_column * step
    return fine[top : top + window[0].stop - window[0].start, left : left + window[1].stop - window[1].start]


def smooth_minimum(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """At most the smaller of both; rounds the corner where they differ by less than `width`."""
    rounding = np.maximum(np.float32(width) - np.abs(a - b), 0)
    return np.minimum(a, b) - rounding * rounding * np.float32(0.25 / width)


def _relative_radius(body: Body, dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Distance from the centre over the radius of the outline in that direction: 0 in the centre, 1 on the outline."""
    long_px, short_px = body.radius_px * np.sqrt(body.aspect), body.radius_px / np.sqrt(body.aspect)
    cos, sin = np.cos(body.angle_rad), np.sin(body.angle_rad)
    u = np.float32(cos / long_px) * dx + np.float32(sin / long_px) * dy
    v = np.float32(-sin / short_px) * dx + np.float32(cos / short_px) * dy
    rho = np.sqrt(u * u + v * v)
    if not body.harmonics:
        return rho
    inverse = 1 / np.maximum(rho, np.float32(1e-3))
    cos1, sin1 = u * inverse, v * inverse
    cos_k, sin_k = cos1, sin1
    outline = np.float32(1)
    for weight_cos, weight_sin in body.harmonics:  # angle addition: no arctangent, no cosine per pixel
        cos_k, sin_k = cos_k * cos1 - sin_k * sin1, sin_k * cos1 + cos_k * sin1
        outline = outline + np.float32(weight_cos) * cos_k + np.float32(weight_sin) * sin_k
    return rho / outline
