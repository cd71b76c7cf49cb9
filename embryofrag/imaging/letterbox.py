"""Fit a frame, or a window of it, into the network's square canvas, and take maps and points back to its pixels.

Both directions use one convention: pixel ``i`` covers ``[i, i + 1)`` of a continuous axis and its value sits at
``i + 0.5``. The content rectangle of the canvas shows exactly the region of the frame (all of it, or what a window
holds of it), so with ``W`` region columns from column ``x0`` on, shown by ``w`` canvas columns from ``left`` on::

    u = (x - x0 + 0.5) * w / W - 0.5 + left          x = (u - left + 0.5) * W / w - 0.5 + x0

Rounding ``w`` and ``h`` to whole pixels gives the two axes scales of their own; the record keeps both sizes, so
the way back is exact.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from embryofrag.imaging.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterbox:
    """Where a frame sits on its canvas: all that is needed for the way back."""

    height_px: int
    """Rows of the original frame."""
    width_px: int
    """Columns of the original frame."""
    size_px: int
    """Side of the square canvas."""
    top_px: int
    """First canvas row of the content."""
    left_px: int
    """First canvas column of the content."""
    content_height_px: int
    content_width_px: int
    region_top_px: int
    """First row of the frame that the content shows."""
    region_left_px: int
    region_height_px: int
    region_width_px: int

    @property
    def region(self) -> tuple[slice, slice]:
        """Rows and columns of the frame that the canvas shows."""
        rows = slice(self.region_top_px, self.region_top_px + self.region_height_px)
        return rows, slice(self.region_left_px, self.region_left_px + self.region_width_px)

    @property
    def content(self) -> tuple[slice, slice]:
        """Rows and columns of the canvas that show the frame; the rest is padding."""
        rows = slice(self.top_px, self.top_px + self.content_height_px)
        return rows, slice(self.left_px, self.left_px + self.content_width_px)


def place_frame(height_px: int, width_px: int, size_px: int) -> Letterbox:
    """Return the largest centred rectangle of the frame's aspect ratio on a square canvas.

    Sides are rounded to whole pixels and never below 1; an odd leftover pixel of padding goes below or right.

    Raises:
        ValueError: A size below 1.

    >>> place_frame(480, 640, 256).content
    (slice(32, 224, None), slice(0, 256, None))
    """
    if min(height_px, width_px, size_px) < 1:
        raise ValueError(f"sizes must be at least 1 px, not {height_px} x {width_px} into {size_px}")
    scale = size_px / max(height_px, width_px)
    content_height_px = max(1, round(height_px * scale))
    content_width_px = max(1, round(width_px * scale))
    return Letterbox(
        height_px=height_px,
        width_px=width_px,
        size_px=size_px,
        top_px=(size_px - content_height_px) // 2,
        left_px=(size_px - content_width_px) // 2,
        content_height_px=content_height_px,
        content_width_px=content_width_px,
        region_top_px=0,
        region_left_px=0,
        region_height_px=height_px,
        region_width_px=width_px,
    )


def place_window(height_px: int, width_px: int, size_px: int, window: Window) -> Letterbox:
    """Return where a window of a frame sits on the canvas, which shows the window and nothing else.

    What the window shows beyond the frame's border becomes padding. Edges are rounded to whole canvas pixels.

    Raises:
        ValueError: A size below 1, or a window that lies outside the frame.

    >>> box = place_window(480, 640, 256, Window(top_px=-64, left_px=100, side_px=512))
    >>> box.region, box.content
    ((slice(0, 448, None), slice(100, 612, None)), (slice(32, 256, None), slice(0, 256, None)))
    """
    if min(height_px, width_px, size_px) < 1:
        raise ValueError(f"sizes must be at least 1 px, not {height_px} x {width_px} into {size_px}")
    rows, columns = (
        _overlap(window.top_px, window.side_px, height_px),
        _overlap(window.left_px, window.side_px, width_px),
    )
    shown_rows = _shown(rows, window.top_px, size_px / window.side_px, size_px)
    shown_columns = _shown(columns, window.left_px, size_px / window.side_px, size_px)
    return Letterbox(
        height_px=height_px,
        width_px=width_px,
        size_px=size_px,
        top_px=shown_rows[0],
        left_px=shown_columns[0],
        content_height_px=shown_rows[1] - shown_rows[0],
        content_width_px=shown_columns[1] - shown_columns[0],
        region_top_px=rows[0],
        region_left_px=columns[0],
        region_height_px=rows[1] - rows[0],
        region_width_px=columns[1] - columns[0],
    )


def _overlap(start_px: int, side_px: int, length_px: int) -> tuple[int, int]:
    """First and last + 1 pixel of an axis of the frame that the window covers."""
    first, last = max(0, start_px), min(length_px, start_px + side_px)
    if last <= first:
        raise ValueError(f"a window of {side_px} px from {start_px} on shows nothing of a frame's {length_px} px")
    return first, last


def _shown(pixels: tuple[int, int], start_px: int, scale: float, size_px: int) -> tuple[int, int]:
    """The canvas pixels that show them: at least one."""
    first = min(size_px - 1, round((pixels[0] - start_px) * scale))
    return first, max(first + 1, round((pixels[1] - start_px) * scale))


def letterbox(image: np.ndarray, size_px: int, window: Window | None = None) -> tuple[np.ndarray, Letterbox]:
    """Resize a frame, or a window of it, into a square canvas, keeping its aspect ratio.

    Shrinking averages over areas; enlarging interpolates linearly, which adds no ringing around bright edges. The
    padding is the content's mean colour, so that standardising the canvas sees no edge of its own making and hardly
    any change of mean.

    Args:
        image: uint8, (H, W) grey or (H, W, 3) RGB.
        size_px: Side S of the canvas.
        window: What of the frame to show; None: all of it.

    Returns:
        The canvas, uint8 (S, S, 3) RGB (grey repeated), and where the frame sits on it.

    Raises:
        ValueError: Not uint8, another number of dimensions or channels, or a window outside the frame.
    """
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
        raise ValueError(f"an image is uint8 (H, W) or (H, W, 3), not {image.dtype} {image.shape}")
    height_px, width_px = image.shape[:2]
    if window is None:
        box = place_frame(height_px, width_px, size_px)
    else:
        box = place_window(height_px, width_px, size_px, window)
    content = _resize(image[box.region], box.content_height_px, box.content_width_px)
    if content.ndim == 2:
        content = cv2.cvtColor(content, cv2.COLOR_GRAY2RGB)
    canvas = np.empty((size_px, size_px, 3), np.uint8)
    canvas[:] = np.rint(cv2.mean(content)[:3])
    canvas[box.content] = content
    return canvas, box


def undo_letterbox(map_SS: np.ndarray, box: Letterbox) -> np.ndarray:
    """Take a map over the canvas back to the frame's pixels.

    Only the content rectangle is read: padding never leaks in. Pixels that the canvas does not show are 0.

    Args:
        map_SS: float32 (S, S).
        box: The record `letterbox` returned.

    Returns:
        float32 (H, W), within the range of the content of ``map_SS``, or 0 outside the region.

    Raises:
        ValueError: The map is not the canvas's size.
    """
    if map_SS.shape != (box.size_px, box.size_px):
        raise ValueError(f"a map of shape {map_SS.shape} is not the {box.size_px} px canvas of this letterbox")
    shown = _resize(np.ascontiguousarray(map_SS[box.content], np.float32), box.region_height_px, box.region_width_px)
    if shown.shape == (box.height_px, box.width_px):
        return shown
    whole = np.zeros((box.height_px, box.width_px), np.float32)
    whole[box.region] = shown
    return whole


def to_canvas(points_xy: np.ndarray, box: Letterbox) -> np.ndarray:
    """Map points from frame to canvas: float64 (..., 2), column then row, pixel centres at whole numbers.

    >>> to_canvas(np.array([[0.0, 0.0], [639.0, 479.0]]), place_frame(480, 640, 320)).tolist()
    [[-0.25, 39.75], [319.25, 279.25]]
    """
    from_region = np.asarray(points_xy, np.float64) - (box.region_left_px, box.region_top_px)
    return (from_region + 0.5) / _frame_px_per_canvas_px(box) - 0.5 + (box.left_px, box.top_px)


def to_frame(points_xy: np.ndarray, box: Letterbox) -> np.ndarray:
    """Map points from canvas to frame; the inverse of `to_canvas`."""
    from_content = np.asarray(points_xy, np.float64) - (box.left_px, box.top_px)
    return (from_content + 0.5) * _frame_px_per_canvas_px(box) - 0.5 + (box.region_left_px, box.region_top_px)


def _frame_px_per_canvas_px(box: Letterbox) -> np.ndarray:
    return np.array([box.region_width_px / box.content_width_px, box.region_height_px / box.content_height_px])


def _resize(image: np.ndarray, height_px: int, width_px: int) -> np.ndarray:
    """Resize with aligned pixel centres: area average where pixels get fewer, linear where they get more."""
    fewer = height_px * width_px < image.shape[0] * image.shape[1]
    return cv2.resize(image, (width_px, height_px), interpolation=cv2.INTER_AREA if fewer else cv2.INTER_LINEAR)
