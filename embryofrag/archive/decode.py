"""One frame's file -> its pixels and what its header says. Bytes are read once, hashed and decoded.

What is kept as stored: orientation (an EXIF orientation is not applied, so that masks lie on the stored pixels) and
the number of channels (grey stays grey). An alpha channel is dropped, not blended.
"""

import hashlib
import os
import stat

import numpy as np

from embryofrag.archive.header import NO_HEADER, Header
from embryofrag.archive.options import ReadLimits
from embryofrag.errors import ItemError
from embryofrag.records import Frame, Outcome, Picture

MAGIC = {
    b"\xff\xd8\xff": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"BM": "bmp",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
}
"""First bytes -> kind of image. The bytes decide, not the suffix."""

_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def read_picture(frame: Frame, limits: ReadLimits = ReadLimits()) -> Picture:  # noqa: B008 - frozen
    """Read, hash and decode one frame.

    Raises:
        ItemError: incomplete (empty, cut short, ends in zeros, changed since the scan), damaged (no image, broken, or
            over a limit), unsupported (a kind that is not read), failed (the file cannot be opened or read).
    """
    data = read_bytes(frame, limits)
    image, header = decode_image(data, limits, suffix=os.path.splitext(frame.source)[1])
    return Picture(
        image=image,
        sha256=hashlib.sha256(data).hexdigest(),
        focal_um=header.focal_um,
        um_per_px=header.um_per_px,
        acquired_at=header.acquired_at,
        instrument=header.instrument,
    )


def read_bytes(frame: Frame, limits: ReadLimits) -> bytes:
    """The file's bytes, when they are the ones that were scanned; raises as `read_picture`."""
    try:
        with open(frame.path, "rb", opener=lambda path, _: os.open(path, _OPEN_FLAGS)) as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise ItemError(Outcome.FAILED, "is no longer a regular file")
            if _stamp(before) != (frame.size_bytes, frame.mtime_ns):
                raise ItemError(Outcome.INCOMPLETE, "changed since the scan")
            if before.st_size > limits.max_bytes:
                raise ItemError(
                    Outcome.DAMAGED, f"holds {before.st_size} bytes, over the limit of {limits.max_bytes} bytes"
                )
            data = file.read(before.st_size)
            after = os.fstat(file.fileno())
    except OSError as error:
        raise ItemError(Outcome.FAILED, f"cannot be read: {error.strerror or type(error).__name__}") from error
    if _stamp(after) != _stamp(before) or len(data) != before.st_size:
        raise ItemError(Outcome.INCOMPLETE, "changed while it was read")
    return data


def decode_image(data: bytes, limits: ReadLimits = ReadLimits(), suffix: str = "") -> tuple[np.ndarray, Header]:  # noqa: B008
    """Decode the bytes of one image.

    Args:
        data: the whole file.
        limits: largest declared size.
        suffix: the file's suffix, for the words of an error only.

    Returns:
        uint8 image, (H, W) grey or (H, W, 3) RGB, and its header.

    Raises:
        ItemError: incomplete, damaged or unsupported; see `read_picture`.
    """
    if not data:
        raise ItemError(Outcome.INCOMPLETE, "the file is empty")
    kind = next((kind for magic, kind in MAGIC.items() if data.startswith(magic)), None)
    match kind:
        case "jpeg":
            from embryofrag.archive.jpeg import decode_jpeg as decode
        case "png":
            from embryofrag.archive.png import decode_png as decode
        case "bmp":
            from embryofrag.archive.bmp import decode_bmp as decode
        case "tiff":
            from embryofrag.archive.tiff import decode_tiff as decode
        case _:
            raise _no_image(data, suffix)
    image, header = decode(data, limits)
    return np.ascontiguousarray(image), header or NO_HEADER


def _no_image(data: bytes, suffix: str) -> ItemError:
    head = data[:8]
    if not head.strip(b"\0"):
        return ItemError(Outcome.INCOMPLETE, "the file starts with zeros")
    if len(data) < 8 and any(magic.startswith(data) for magic in MAGIC):
        return ItemError(Outcome.INCOMPLETE, f"ends after {len(data)} bytes")
    return ItemError(Outcome.DAMAGED, f"not an image: named {suffix or 'without suffix'} but starts with {head!r}")


def _stamp(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns
