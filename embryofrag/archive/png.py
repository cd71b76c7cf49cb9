"""PNG: every chunk's checksum is checked before the pixels are decoded."""

import struct
import zlib
from collections.abc import Iterator

import cv2
import numpy as np

from embryofrag.archive.header import NO_HEADER, Header, read_exif
from embryofrag.archive.options import ReadLimits
from embryofrag.archive.pixels import check_size, count_zero_tail, scale_to_uint8
from embryofrag.errors import ItemError
from embryofrag.records import Outcome

_MIN_ZERO_TAIL = 16

# a broken image becomes a row with its reason; OpenCV's own lines on stderr would say it twice
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def decode_png(data: bytes, limits: ReadLimits) -> tuple[np.ndarray, Header]:
    """Decode a PNG; see `archive.decode.decode_image`."""
    exif, bits, shape_px = None, None, None
    for kind, content in walk_chunks(data):
        if shape_px is None:
            if kind != b"IHDR" or len(content) != 13:
                raise ItemError(Outcome.DAMAGED, "the PNG does not start with its header")
            width_px, height_px = struct.unpack_from(">II", content)
            check_size(width_px, height_px, limits)
            shape_px = (height_px, width_px)
        elif kind == b"eXIf":
            exif = content
        elif kind == b"sBIT" and content:
            bits = content[0]
    image = decode_with_cv2(data, "PNG")
    if image.dtype == np.uint16:
        image = scale_to_uint8(image, bits if bits and 8 <= bits <= 16 else None)
    return image, read_exif(exif, shape_px) if exif else NO_HEADER


def decode_with_cv2(data: bytes, kind: str) -> np.ndarray:
    """Decode with OpenCV as stored: (H, W) or RGB (H, W, 3), uint8 or uint16, alpha dropped.

    Raises:
        ItemError: damaged.
    """
    try:
        # unchanged: no orientation applied, no 16-bit image cut to its high bytes
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ItemError(Outcome.DAMAGED, f"the {kind} cannot be decoded: {error.err}") from error
    if image is None or image.dtype not in (np.uint8, np.uint16):
        raise ItemError(Outcome.DAMAGED, f"the {kind} cannot be decoded")
    return image if image.ndim == 2 else image[:, :, 2::-1]


def walk_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG up to its end chunk, as (kind, content), each with its checksum verified.

    Raises:
        ItemError: incomplete, where the file ends before its end chunk or in zeros; damaged, where a checksum fails.
    """
    at = 8
    while True:
        if at + 8 > len(data):
            raise ItemError(Outcome.INCOMPLETE, "the PNG is cut short: it has no end chunk")
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        is_chunk = kind.isalpha()
        if is_chunk and end > len(data):
            raise ItemError(Outcome.INCOMPLETE, f"the PNG is cut short: {end - len(data)} bytes missing")
        if not is_chunk or zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            num_zeros = count_zero_tail(data)
            if num_zeros >= _MIN_ZERO_TAIL and len(data) - num_zeros < min(end, len(data)):
                raise ItemError(Outcome.INCOMPLETE, f"the PNG ends in {num_zeros} zero bytes")
            raise ItemError(Outcome.DAMAGED, "the PNG is broken: a checksum fails")
        yield kind, data[at + 8 : end - 4]
        if kind == b"IEND":
            return
        at = end
