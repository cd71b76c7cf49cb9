"""BMP, as microscope programs write it: 8-bit palette, 24 or 32 bits, bottom row first."""

import struct

import numpy as np

from embryofrag.archive.header import NO_HEADER, Header
from embryofrag.archive.options import ReadLimits
from embryofrag.archive.pixels import check_size, check_zero_tail
from embryofrag.archive.png import decode_with_cv2
from embryofrag.errors import ItemError
from embryofrag.records import Outcome

_UNCOMPRESSED = frozenset({0, 3, 6})
_MIN_HEADER_BYTES = 54


def decode_bmp(data: bytes, limits: ReadLimits) -> tuple[np.ndarray, Header]:
    """Decode a BMP; see `archive.decode.decode_image`."""
    if len(data) < _MIN_HEADER_BYTES:
        raise ItemError(Outcome.INCOMPLETE, f"the BMP ends within its header, after {len(data)} bytes")
    file_bytes, first_pixel, info_bytes = struct.unpack_from("<I4xII", data, 2)
    if info_bytes < 40:
        raise ItemError(Outcome.UNSUPPORTED, "a BMP of OS/2 is not read")
    width_px, height_px, bits_per_px, compression = struct.unpack_from("<ii2xHI", data, 18)
    height_px = abs(height_px)  # negative where the top row comes first
    check_size(width_px, height_px, limits)
    if compression in _UNCOMPRESSED:
        pixel_bytes = (width_px * bits_per_px + 31) // 32 * 4 * height_px
        if len(data) < first_pixel + pixel_bytes:
            missing = first_pixel + pixel_bytes - len(data)
            raise ItemError(Outcome.INCOMPLETE, f"the BMP is cut short: {missing} bytes missing")
        check_zero_tail(data[first_pixel : first_pixel + pixel_bytes], "BMP")
    elif len(data) < file_bytes:
        raise ItemError(Outcome.INCOMPLETE, f"the BMP is cut short: {file_bytes - len(data)} bytes missing")
    return decode_with_cv2(data, "BMP"), NO_HEADER
