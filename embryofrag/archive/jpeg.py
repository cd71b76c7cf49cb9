"""JPEG: decoded strictly, so that a lost block is an error and not a grey patch."""

import numpy as np
import simplejpeg

from embryofrag.archive.header import NO_HEADER, Header, read_exif
from embryofrag.archive.options import ReadLimits
from embryofrag.archive.pixels import check_size, count_zero_tail
from embryofrag.errors import ItemError
from embryofrag.records import Outcome

JPEG_END = b"\xff\xd9"
_MIN_ZERO_TAIL = 16
_STARTS_SCAN = 0xDA
_APP1 = 0xE1


def decode_jpeg(data: bytes, limits: ReadLimits) -> tuple[np.ndarray, Header]:
    """Decode a JPEG; see `archive.decode.decode_image`."""
    try:
        height_px, width_px, colorspace, _ = simplejpeg.decode_jpeg_header(data)
        check_size(width_px, height_px, limits)
        if colorspace not in {"Gray", "YCbCr", "RGB"}:
            raise ItemError(Outcome.UNSUPPORTED, f"a JPEG in {colorspace} colours is not read")
        image = simplejpeg.decode_jpeg(data, "GRAY" if colorspace == "Gray" else "RGB")
    except ValueError as error:
        raise _explain(data, error) from error
    exif = find_exif(data)
    header = read_exif(exif, (height_px, width_px)) if exif else NO_HEADER
    return image[:, :, 0] if image.shape[2] == 1 else image, header


def find_exif(data: bytes) -> bytes | None:
    """The Exif block of a JPEG's APP1 segment, without decoding anything."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == _STARTS_SCAN:
            return None
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a length
            at += 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _APP1 and data[at + 4 : at + 10] == b"Exif\0\0":
            return data[at + 4 : end]
        at = end
    return None


def _explain(data: bytes, error: ValueError) -> ItemError:
    """Tell a file still being copied from one that is broken."""
    num_zeros = count_zero_tail(data)
    if not data[: len(data) - num_zeros].endswith(JPEG_END):
        if num_zeros >= _MIN_ZERO_TAIL:
            return ItemError(Outcome.INCOMPLETE, f"the JPEG ends in {num_zeros} zero bytes")
        if data.rfind(JPEG_END, max(2, len(data) - 4096)) < 0:
            return ItemError(Outcome.INCOMPLETE, "the JPEG is cut short: it has no end marker")
    return ItemError(Outcome.DAMAGED, f"the JPEG is broken: {error}")
