"""Pictures of what was graded: the frame with its outlines, from what the run left and from the archive.

No engine runs here. A picture is the archive's frame under the stored masks (its hash says whether it is still what was
graded) or, where the archive is gone, the overlay that the run left.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from embryofrag.archive import blank_overlay, decode_image
from embryofrag.errors import ItemError
from embryofrag.imaging.overlay import draw_outlines, draw_overlay, encode_jpeg
from embryofrag.imaging.png import decode_mask_png
from embryofrag.records import Outcome
from embryofrag.report.source import Results
from embryofrag.run.outputs import Outputs, caption

THUMBNAIL_PX = 160
MARGIN_SHARE = 0.12
"""How much around the embryo a close-up shows on each side, of the embryo's extent."""

_JPEG_QUALITY = 75
_SEEN_SHARE = 0.3
"""Share of a small pixel that a mask covers where it still counts."""


class NoPicture(Exception):
    """A frame cannot be shown; the message says why, in words that fit many frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One graded frame that may be shown. Field names are the columns of `Results.frames`."""

    embryo: str
    frame: str
    source: str
    sha256: str | None
    run: int | None
    hpi: float | None
    ratio_mask: float
    ratio_reg: float
    ratio_lo90: float | None
    ratio_hi90: float | None
    grade: str
    referred: bool
    refer_reasons: str
    model: str


_COLUMNS = tuple(Shot.__dataclass_fields__)


def graded_shots(frames: pd.DataFrame) -> dict[str, list[Shot]]:
    """Return the graded frames by embryo, each embryo's in the order of time: hours, else run, else as they are."""
    graded = frames.loc[frames["outcome"] == Outcome.GRADED, list(_COLUMNS)]
    plain = graded.astype(object).where(graded.notna(), None)
    shots: dict[str, list[Shot]] = {}
    for values in plain.itertuples(index=False, name=None):
        shot = Shot(**dict(zip(_COLUMNS, values, strict=True)))
        shots.setdefault(shot.embryo, []).append(shot)
    for embryo in shots.values():
        if time := time_of(embryo):
            embryo.sort(key=lambda shot: getattr(shot, time))
    return shots


def time_of(shots: Sequence[Shot]) -> str | None:
    """Return what orders the frames of one embryo: `hpi` or `run`, the first that all of them have."""
    return next((name for name in ("hpi", "run") if all(getattr(shot, name) is not None for shot in shots)), None)


def middle_shot(shots: Sequence[Shot]) -> Shot:
    """Return the frame whose ratio lies nearest to the embryo's median, the earliest of several: it stands for it."""
    median = float(np.median([shot.ratio_reg for shot in shots]))
    return min(shots, key=lambda shot: abs(shot.ratio_reg - median))


class Album:
    """The pictures of one results folder."""

    def __init__(self, results: Results):
        self.shots = graded_shots(results.frames)
        self.missing: Counter[str] = Counter()
        """Why pictures could not be had, and how many."""
        self._outputs = Outputs(results.root)
        self._archive = Path(results.run["archive"])
        self.has_archive = self._archive.is_dir()
        self.scheme_stands = results.run["settings"]["grading"]["scheme"] == results.grading.scheme
        self._thumbnails: dict[str, bytes | None] = {}

    def make_thumbnails(self, embryos: Iterable[str]) -> dict[str, bytes]:
        """Make the thumbnails of these embryos on all cores; those that could not be made are left out."""
        asked = list(embryos)
        new = [embryo for embryo in asked if embryo not in self._thumbnails]
        self._thumbnails |= zip(new, self.map(self._make_thumbnail, new), strict=True)
        return {embryo: made for embryo in asked if (made := self._thumbnails[embryo]) is not None}

    def thumbnail(self, embryo: str) -> bytes | None:
        """Return a JPEG of at most `THUMBNAIL_PX` a side around the embryo, outlines on it; None if there is none."""
        return self.make_thumbnails([embryo]).get(embryo)

    def _make_thumbnail(self, embryo: str) -> bytes | None:
        if embryo not in self.shots:
            return None
        rgb = self.close_up(middle_shot(self.shots[embryo]), THUMBNAIL_PX)
        return None if rgb is None else encode_jpeg(rgb, _JPEG_QUALITY)

    def close_up(self, shot: Shot, side_px: int) -> np.ndarray | None:
        """Return the frame around its embryo with both outlines, uint8 RGB, `side_px` square; None if there is none."""
        try:
            fragment_HW, embryo_HW = self._masks(shot)
            around = _around(embryo_HW)
            if self.has_archive or not self.has_overlay(shot):
                image = self._frame(shot, embryo_HW.shape)[around]
                small = [_shrunk(mask[around], side_px) for mask in (fragment_HW, embryo_HW)]
                return draw_outlines(_resized(image, side_px), *small)
            return _resized(self._own_overlay(shot)[around], side_px)
        except NoPicture as reason:
            self.missing[str(reason)] += 1
            return None

    def overlay(self, shot: Shot) -> bytes | None:
        """Return the whole frame with outlines, caption and legend as JPEG; None if there is none.

        The run's own is taken as it is, unless its caption names another scheme's grade.
        """
        try:
            if self.scheme_stands and self.has_overlay(shot):
                return _read(self._outputs.overlay(shot.embryo, shot.frame), "the run's overlay is gone")
            fragment_HW, embryo_HW = self._masks(shot)
            return encode_jpeg(draw_overlay(self._frame(shot, embryo_HW.shape), fragment_HW, embryo_HW, caption(shot)))
        except NoPicture as reason:
            self.missing[str(reason)] += 1
            return None

    def has_overlay(self, shot: Shot) -> bool:
        """Whether the run left an overlay of the masks that stand: one older than its mask is of an earlier grading."""
        mask, overlay = (path(shot.embryo, shot.frame) for path in (self._outputs.fragment_mask, self._outputs.overlay))
        try:
            return overlay.stat().st_mtime_ns >= mask.stat().st_mtime_ns
        except OSError:
            return False

    def map(self, function, values: Sequence) -> Iterator:
        """Apply a function on all cores (decoding and drawing let other threads run), results in order."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            yield from pool.map(function, values)

    def _own_overlay(self, shot: Shot) -> np.ndarray:
        data = _read(self._outputs.overlay(shot.embryo, shot.frame), "the run's overlay is gone")
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if bgr is None:
            raise NoPicture("the run's overlay cannot be read")
        return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)

    def _frame(self, shot: Shot, shape: tuple[int, int]) -> np.ndarray:
        """Return the pixels that were graded: uint8 (H, W) or (H, W, 3), the incubator's text blanked."""
        if not self.has_archive:
            raise NoPicture(f"the archive {self._archive} is gone")
        data = _read(self._archive / shot.source, "the archive's frame is gone or cannot be read")
        if shot.sha256 is not None and hashlib.sha256(data).hexdigest() != shot.sha256:
            raise NoPicture("the archive's frame has changed since it was graded")
        try:
            image = blank_overlay(decode_image(data)[0])
        except ItemError:
            raise NoPicture("the archive's frame cannot be decoded") from None
        if image.shape[:2] != shape:
            raise NoPicture("the archive's frame is not of its masks' size")
        return image

    def _masks(self, shot: Shot) -> tuple[np.ndarray, np.ndarray]:
        """Return fragment and embryo mask, bool (H, W) of one size."""
        fragment_HW = self._mask(self._outputs.fragment_mask(shot.embryo, shot.frame))
        embryo_HW = self._mask(self._outputs.embryo_mask(shot.embryo, shot.frame))
        if fragment_HW.shape != embryo_HW.shape:
            raise NoPicture("two masks of one frame differ in size")
        return fragment_HW, embryo_HW

    def _mask(self, path: Path) -> np.ndarray:
        try:
            return decode_mask_png(_read(path, "the run wrote no masks"))
        except ValueError:
            raise NoPicture("a mask cannot be read") from None


def _read(path: Path, trouble: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise NoPicture(trouble) from None


def _resized(image: np.ndarray, side_px: int) -> np.ndarray:
    return cv2.resize(image, (side_px, side_px), interpolation=cv2.INTER_AREA)


def _shrunk(mask: np.ndarray, side_px: int) -> np.ndarray:
    """Shrink a mask so that a fragment smaller than a pixel of the result is still seen."""
    return _resized(mask.astype(np.float32), side_px) >= _SEEN_SHARE


def _around(embryo_HW: np.ndarray) -> tuple[slice, slice]:
    """Return the square around a mask with its margin, moved and cut to lie inside the frame."""
    height_px, width_px = embryo_HW.shape
    left, top, wide, high = cv2.boundingRect(embryo_HW.astype(np.uint8))
    side = min(round(max(wide, high) * (1 + 2 * MARGIN_SHARE)) or max(height_px, width_px), height_px, width_px)
    top = min(max(top + (high - side) // 2, 0), height_px - side)
    left = min(max(left + (wide - side) // 2, 0), width_px - side)
    return slice(top, top + side), slice(left, left + side)


def thumbnail(results: Results, embryo: str) -> bytes | None:
    """Return one embryo's thumbnail; for many of them ask one `Album`."""
    return Album(results).thumbnail(embryo)
