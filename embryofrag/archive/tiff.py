"""TIFF of one image, with its scale by OME, ImageJ or the resolution tags."""

import io
import logging
import math
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree import ElementTree

import imagecodecs
import numpy as np
import tifffile

from embryofrag.archive.header import Header, plausible, um_per_px_from
from embryofrag.archive.options import ReadLimits
from embryofrag.archive.pixels import check_size, check_zero_tail, count_zero_tail, scale_to_uint8
from embryofrag.errors import ItemError
from embryofrag.records import Outcome

_BROKEN_TIFF = (
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, OSError, EOFError, struct.error, zlib.error),
    *(RuntimeError, OverflowError, ZeroDivisionError, AssertionError, MemoryError, ElementTree.ParseError),
    imagecodecs.DelayedImportError,
)
"""What tifffile and the codecs raise on malformed files; ``RuntimeError`` holds the codecs' own errors."""

_UM_PER_UNIT = {"micron": 1.0, "microns": 1.0, "um": 1.0, "µm": 1.0, "μm": 1.0, "\\u00b5m": 1.0, "nm": 1e-3, "mm": 1e3}
_UM_PER_RESOLUTION_UNIT = {2: 25400.0, 3: 10000.0}
_MAX_PAGES_LOOKED_AT = 64


def decode_tiff(data: bytes, limits: ReadLimits) -> tuple[np.ndarray, Header]:
    """Decode a TIFF of one image; see `archive.decode.decode_image`.

    8-bit samples stay; 16-bit samples are scaled by `scale_to_uint8` with MaxSampleValue where given; 1-bit and
    floating point within 0..1 are stretched to 0..255. MinIsWhite is inverted. Anything else is unsupported. What
    tifffile only logs as an error counts as one: a half-written file otherwise reads as a whole one.
    """
    with _complaints() as complaints:
        try:
            with tifffile.TiffFile(io.BytesIO(data)) as tif:
                page = _only_page(tif, complaints)
                check_size(page.imagewidth, page.imagelength, limits)
                check_size(max(1, page.tilewidth), max(1, page.tilelength), limits)
                stored = page.asarray()
                um_per_px = _um_per_px(tif, page)
        except _BROKEN_TIFF as error:
            raise _explain(data, f"{type(error).__name__}: {error}") from error
        if complaints:
            raise _explain(data, complaints[0])
        if page.compression == tifffile.COMPRESSION.NONE:
            check_zero_tail(count_zero_tail(stored.tobytes()), stored.nbytes)
        return _to_uint8(_to_channels_last(stored, page), page), Header(um_per_px=um_per_px)


def _only_page(tif: tifffile.TiffFile, complaints: list[str]) -> tifffile.TiffPage:
    """The one image of the file; smaller copies of it on further pages are passed over."""
    page = tif.pages.first
    others = [page for page in tif.pages[1:_MAX_PAGES_LOOKED_AT] if not page.is_reduced]
    if complaints:
        raise ValueError(complaints[0])
    num_images = len(tif.pages) if others else 1
    if tif.is_imagej:
        num_images = max(num_images, int((tif.imagej_metadata or {}).get("images", 1)))
    if num_images > 1 or page.imagedepth > 1:
        raise ItemError(Outcome.UNSUPPORTED, f"a stack of {max(num_images, page.imagedepth)} pages is not read")
    return page


def _to_channels_last(stored: np.ndarray, page: tifffile.TiffPage) -> np.ndarray:
    """(H, W) or (H, W, 3): planes interleaved, further samples dropped."""
    image = stored
    if image.ndim == 3 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
        image = np.moveaxis(image, 0, -1)
    if image.ndim == 3:
        image = image[:, :, :3] if image.shape[2] >= 3 else image[:, :, 0]
    if image.ndim != 2 and image.ndim != 3:
        raise ItemError(Outcome.UNSUPPORTED, f"a TIFF page of shape {stored.shape} is not read")
    return image


def _to_uint8(image: np.ndarray, page: tifffile.TiffPage) -> np.ndarray:
    photometric = page.photometric
    if photometric == tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None and image.ndim == 2:
        return scale_to_uint8(page.colormap[:, image].transpose(1, 2, 0), bits=16)
    if photometric not in _READ_PHOTOMETRICS:
        name = getattr(photometric, "name", photometric)
        raise ItemError(Outcome.UNSUPPORTED, f"a TIFF with photometric {name} is not read")
    match image.dtype.kind, image.dtype.itemsize:
        case "b", _:
            levels = image.astype(np.uint8) * 255
        case "u", 1:
            levels = image if page.bitspersample == 8 else image * (255 // ((1 << page.bitspersample) - 1))
        case "u", 2:
            levels = scale_to_uint8(image, _declared_bits(page))
        case "f", _ if np.isfinite(image).all() and image.min(initial=0) >= 0 and image.max(initial=0) <= 1:
            levels = np.rint(image * 255).astype(np.uint8)
        case "f", _:
            raise ItemError(Outcome.UNSUPPORTED, "a floating-point TIFF with values outside 0..1 is not read")
        case _:
            raise ItemError(Outcome.UNSUPPORTED, f"a TIFF of {image.dtype} samples is not read")
    return 255 - levels if photometric == tifffile.PHOTOMETRIC.MINISWHITE else levels


_READ_PHOTOMETRICS = frozenset(
    {
        tifffile.PHOTOMETRIC.MINISWHITE,
        tifffile.PHOTOMETRIC.MINISBLACK,
        tifffile.PHOTOMETRIC.RGB,
        tifffile.PHOTOMETRIC.YCBCR,
    }
)


def _declared_bits(page: tifffile.TiffPage) -> int | None:
    """Significant bits by BitsPerSample below 16, or by MaxSampleValue."""
    if 8 < page.bitspersample < 16:
        return page.bitspersample
    tag = page.tags.get("MaxSampleValue")
    value = tag.value[0] if tag is not None and isinstance(tag.value, tuple) else tag and tag.value
    return value.bit_length() if isinstance(value, int) and 255 <= value <= 65535 else None


def _um_per_px(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> float | None:
    """um per pixel by OME-XML, else ImageJ's unit, else the resolution tags; None where implausible."""
    if tif.is_ome:
        return _ome_um_per_px(tif.ome_metadata)
    tag = page.tags.get("XResolution")
    if tag is None:
        return None
    numerator, denominator = tag.value
    if not numerator or not denominator:
        return None
    per_unit = numerator / denominator
    if tif.is_imagej:
        unit_um = _UM_PER_UNIT.get(str((tif.imagej_metadata or {}).get("unit", "")).lower())
    else:
        unit_um = _UM_PER_RESOLUTION_UNIT.get(int(page.resolutionunit))
    return um_per_px_from(per_unit, unit_um) if unit_um else None


def _ome_um_per_px(xml: str | None) -> float | None:
    pixels = ElementTree.fromstring(xml or "<OME/>").find(".//{*}Pixels")
    if pixels is None:
        return None
    size, unit_um = pixels.get("PhysicalSizeX"), _UM_PER_UNIT.get(pixels.get("PhysicalSizeXUnit", "µm"))
    value = float(size) * unit_um if size and unit_um else math.nan
    return plausible(value)


def _explain(data: bytes, words: str) -> ItemError:
    """Tell a file still being copied from a broken one: something it points to lies behind its end or is zero."""
    words = words.splitlines()[0][:160] if words else "unknown"
    if count_zero_tail(data) >= max(16, len(data) // 4):
        return ItemError(Outcome.INCOMPLETE, f"the TIFF ends in {count_zero_tail(data)} zero bytes")
    if _points_behind_end(data):
        return ItemError(Outcome.INCOMPLETE, f"the TIFF is cut short: {words}")
    return ItemError(Outcome.DAMAGED, f"the TIFF is broken: {words}")


def _points_behind_end(data: bytes) -> bool:
    """Whether the first page's directory, or pixels it points to, would lie behind the end of the file."""
    if len(data) < 16:
        return True
    order = "<" if data[:2] == b"II" else ">"
    is_big = data[2:4] in {b"+\0", b"\0+"}
    (offset,) = struct.unpack_from(f"{order}{'Q' if is_big else 'I'}", data, 8 if is_big else 4)
    if offset + 2 > len(data):
        return True
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as tif:
            page = tif.pages.first
            ends = [start + size for start, size in zip(page.dataoffsets, page.databytecounts, strict=True)]
            return max(ends, default=0) > len(data) or len(tif.pages) < 1
    except _BROKEN_TIFF:
        return False


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What tifffile logs as a warning or error in this thread meanwhile."""
    messages: list[str] = []
    thread = threading.get_ident()

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                messages.append(record.getMessage())

    handler = Collector(logging.ERROR)
    logger = logging.getLogger("tifffile")
    logger.addHandler(handler)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)
