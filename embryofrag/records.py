"""Frozen records that cross rooms.

Shape legend: N image, K class (0 fragment, 1 embryo), C channel, H and W pixels of the original frame,
S side of the network's square input.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np

SCHEMA_VERSION = 1
"""Version of the output tables' column names and of the ledger; a change of meaning raises it."""


class Outcome(StrEnum):
    """What became of one file found. Every file ends as exactly one of these."""

    GRADED = "graded"
    UNCHANGED = "unchanged"  # what a run did, never a standing: the tables keep the standing outcome
    NO_EMBRYO = "no_embryo"
    OUTSIDE_WINDOW = "outside_window"
    OTHER_PLANE = "other_plane"
    DUPLICATE = "duplicate"
    INCOMPLETE = "incomplete"  # still being copied: truncated, zero tail, changed while read
    DAMAGED = "damaged"  # the bytes are not a readable image
    UNSUPPORTED = "unsupported"  # not an image, or a kind that is not read
    UNPARSED = "unparsed"  # an image whose name the asked-for pattern does not explain
    CONFLICT = "conflict"  # two pieces of evidence contradict each other
    FAILED = "failed"  # could not be read or crashed the decoder; tried again by every run


TROUBLE = frozenset({Outcome.INCOMPLETE, Outcome.DAMAGED, Outcome.UNPARSED, Outcome.CONFLICT, Outcome.FAILED})
"""Outcomes that make a run end with exit code 3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One picture of one embryo, found in an archive and not yet read."""

    source: str
    """Path below the archive root, POSIX separators; undecodable bytes and control characters as ``\\xNN``."""
    path: str
    """Path to open (surrogateescape for undecodable names)."""
    size_bytes: int
    mtime_ns: int
    embryo: str
    """Key of the embryo, safe as a file name, unique in the archive."""
    frame: str
    """Name of the frame, safe as a file name, unique within its embryo."""
    layout: str
    """Name of the archive layout that explained the file (a key of ``archive.LAYOUTS``)."""
    slide: str | None = None
    well: int | None = None
    run: int | None = None
    focal_um: float | None = None
    """Focal plane in um by name or folder; None where unknown (never assumed to be 0)."""
    hpi: float | None = None
    """Hours post insemination by name or sidecar."""
    um_per_px: float | None = None
    twin_of: str | None = None
    """Source of an earlier file with the same identity (slide, well, run, plane), else None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """A file that the scan already knows will not be graded."""

    source: str
    size_bytes: int
    mtime_ns: int
    embryo: str
    """Key of its embryo, empty where it belongs to none."""
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """The pixels of one frame and what its own header says."""

    image: np.ndarray
    """uint8, (H, W) grey or (H, W, 3) RGB, 0..255, overlay not blanked."""
    sha256: str
    """Hex digest of the file's bytes."""
    focal_um: float | None = None
    um_per_px: float | None = None
    acquired_at: datetime | None = None
    """Local time of the instrument, no zone."""
    instrument: str | None = None
    """EXIF make and model."""
