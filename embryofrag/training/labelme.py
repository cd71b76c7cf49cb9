"""LabelMe polygons -> masks.

LabelMe writes corners on a continuous axis where pixel ``i`` covers ``[i, i + 1)``. A pixel belongs to a polygon
when its centre lies inside it (even-odd rule), so polygons that share an edge share no pixel and leave none out;
OpenCV's and Pillow's fills also paint every pixel the outline touches, which enlarges small fragments.
"""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np

from embryofrag.errors import ItemError
from embryofrag.records import Outcome

LABELS = ("cell", "fragment")
MAX_PX = 1e6
"""Largest coordinate of a corner; a drawing tool may leave the image, but never that far."""


def read_labelme(path: Path, height_px: int, width_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the masks of a LabelMe file with polygons labelled ``cell`` and ``fragment``.

    Args:
        path: the JSON file.
        height_px: Rows of its image.
        width_px: Columns of its image.

    Returns:
        Fragment mask and embryo mask (cells and fragments together), each bool (H, W).

    Raises:
        ItemError: Not a LabelMe file of an image of this size, no cell, another label, or a shape that is no polygon.
    """
    file = _read_json(path)
    size = file.get("imageHeight"), file.get("imageWidth")
    if size != (height_px, width_px):
        raise _damaged(path, f"is of an image of {size[0]} x {size[1]} px, not {height_px} x {width_px}")
    masks = {label: np.zeros((height_px, width_px), bool) for label in LABELS}
    labels_seen = set()
    for number, shape in enumerate(file["shapes"], start=1):
        label, points_xy = _read_polygon(path, number, shape)
        labels_seen.add(label)
        masks[label] |= fill_polygon(points_xy, height_px, width_px)
    if "cell" not in labels_seen:
        raise _damaged(path, "has no polygon labelled 'cell', so the embryo's outline is unknown")
    return masks["fragment"], masks["cell"] | masks["fragment"]


def fill_polygon(points_xy: np.ndarray, height_px: int, width_px: int) -> np.ndarray:
    """Return the pixels whose centres lie inside a polygon, by the even-odd rule.

    Args:
        points_xy: float (corners, 2), column then row, in px from the image's outer top left corner; may lie outside.
        height_px: Rows H of the mask.
        width_px: Columns W of the mask.

    Returns:
        bool (H, W).

    >>> fill_polygon(np.array([[1, 0], [3, 0], [3, 2], [1, 2]]), 3, 4).astype(int)
    array([[0, 1, 1, 0],
           [0, 1, 1, 0],
           [0, 0, 0, 0]])
    """
    crossings = np.zeros((height_px, width_px + 1), bool)
    for start, end in pairwise([*points_xy, points_xy[0]]):
        # always from the upper corner, so that both neighbours of an edge round alike
        (x0, y0), (x1, y1) = sorted((start, end), key=lambda point: point[1])
        first, stop = (int(np.clip(np.ceil(y - 0.5), 0, height_px)) for y in (y0, y1))
        if first == stop:
            continue
        rows = np.arange(first, stop)
        x = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
        crossings[rows, np.clip(np.ceil(x - 0.5), 0, width_px).astype(int)] ^= True
    return np.logical_xor.accumulate(crossings[:, :width_px], axis=1)


def _read_json(path: Path) -> dict:
    if not path.is_file():
        raise ItemError(Outcome.FAILED, f"{path} is no file")
    try:
        file = json.loads(path.read_bytes())
    except OSError as error:
        raise ItemError(Outcome.FAILED, f"{path.name} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "is not JSON") from error
    if not isinstance(file, dict) or not isinstance(file.get("shapes"), list):
        raise _damaged(path, "is not a LabelMe file: it has no list of shapes")
    return file


def _read_polygon(path: Path, number: int, shape: object) -> tuple[str, np.ndarray]:
    """Label and corners, float64 (corners, 2), of the shape of this number, counted from 1."""
    if not isinstance(shape, dict):
        raise _damaged(path, f"has a shape {number} that is no LabelMe shape")
    label, kind = shape.get("label"), shape.get("shape_type", "polygon")
    if label not in LABELS:
        raise _damaged(path, f"has a shape {number} labelled {label!r}, which is none of {', '.join(LABELS)}")
    if kind != "polygon":
        raise _damaged(path, f"has a shape {number} that is a {kind}, not a polygon")
    try:
        points_xy = np.array(shape.get("points"), np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise _damaged(path, f"has a shape {number} whose points are no numbers") from error
    if points_xy.ndim != 2 or points_xy.shape[1] != 2 or len(points_xy) < 3:
        raise _damaged(path, f"has a shape {number} without three corners")
    if not (np.abs(points_xy) <= MAX_PX).all():
        raise _damaged(path, f"has a shape {number} with a corner that is no place in an image")
    return label, points_xy


def _damaged(path: Path, reason: str) -> ItemError:
    return ItemError(Outcome.DAMAGED, f"{path.name} {reason}")
