"""The files of a row -> its image and its masks, in the image's own pixels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embryofrag.archive import decode_image
from embryofrag.archive.options import ReadLimits
from embryofrag.errors import ItemError
from embryofrag.records import Outcome
from embryofrag.training.labelme import read_labelme
from embryofrag.training.row import Row

_LIMITS = ReadLimits()


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledFrame:
    """The pixels of one row."""

    image: np.ndarray
    """uint8 (H, W) or (H, W, 3) RGB, overlay not blanked."""
    fragment: np.ndarray | None
    """bool (H, W); None for a grade-only row."""
    embryo: np.ndarray | None
    """bool (H, W), cells and fragments; None for a grade-only row."""


def read_labelled(row: Row) -> LabelledFrame:
    """Read a row's image and masks.

    Raises:
        ItemError: A file is missing, unreadable, too large, or does not fit its image.
    """
    image = _read_pixels(row.image)
    height_px, width_px = image.shape[:2]
    fragment = embryo = None
    if row.labelme:
        fragment, embryo = read_labelme(row.labelme, height_px, width_px)
    elif row.fragment_mask and row.embryo_mask:
        fragment, embryo = (_read_mask(path, height_px, width_px) for path in (row.fragment_mask, row.embryo_mask))
    return LabelledFrame(image=image, fragment=fragment, embryo=embryo)


def _read_mask(path: Path, height_px: int, width_px: int) -> np.ndarray:
    mask = _read_pixels(path)
    if mask.shape != (height_px, width_px):
        size = " x ".join(str(side) for side in mask.shape)
        raise ItemError(Outcome.DAMAGED, f"{path.name} is {size}, its image {height_px} x {width_px} px")
    inside = mask == 255
    if not (inside | (mask == 0)).all():
        stray = np.setdiff1d(mask, (0, 255))[0]
        raise ItemError(Outcome.DAMAGED, f"{path.name} is not a mask of 0 and 255: it holds the value {stray}")
    return inside


def _read_pixels(path: Path) -> np.ndarray:
    if not path.is_file():
        raise ItemError(Outcome.FAILED, f"{path} is no file")
    try:
        if path.stat().st_size > _LIMITS.max_bytes:
            raise ItemError(Outcome.DAMAGED, f"{path.name} is over the limit of {_LIMITS.max_bytes} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise ItemError(Outcome.FAILED, f"{path.name} cannot be read: {error.strerror}") from error
    try:
        return decode_image(data, _LIMITS, suffix=path.suffix)[0]
    except ItemError as error:
        raise ItemError(error.outcome, f"{path.name}: {error.reason}") from error
