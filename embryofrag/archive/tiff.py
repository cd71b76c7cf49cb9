"""TIFF of one image, with its scale by OME, ImageJ or the resolution tags."""

import io
import logging
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree import ElementTree

import imagecodecs
import numpy as np
import tifffile

from embryofrag.archive.directory import read_directory, read_form
from embryofrag.archive.header import UM_PER_RESOLUTION_UNIT, Header, plausible, um_per_px_from
from embryofrag.archive.jpeg import JPEG_END
from embryofrag.archive.names import printable
from embryofrag.archive.options import ReadLimits
from embryofrag.archive.pixels import check_size, check_zero_tail, scale_to_uint8
from embryofrag.errors import ItemError
from embryofrag.records import Outcome

_BROKEN_TIFF = (
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, OSError, EOFError, struct.error, zlib.error),
    *(RuntimeError, OverflowError, ZeroDivisionError, AssertionError, MemoryError),
    imagecodecs.DelayedImportError,
)
"""What tifffile and the codecs raise on malformed files; ``RuntimeError`` holds the codecs' own errors."""

_UM_PER_UNIT = {"micron": 1.0, "microns": 1.0, "um": 1.0, "µm": 1.0, "μm": 1.0, "\\u00b5m": 1.0, "nm": 1e-3, "mm": 1e3}
_WIDTHS_AND_LENGTHS = ((256, 257), (322, 323))
"""Tags of the image's and of its tiles' width and length."""
_OFFSETS_AND_SIZES = ((273, 279), (324, 325))
"""Tags of the strips' and of the tiles' offsets and byte counts."""

_MAX_PAGES_LOOKED_AT = 64
_MAX_DIRECTORIES_LOOKED_AT = 1024


def decode_tiff(data: bytes, limits: ReadLimits) -> tuple[np.ndarray, Header]:
    """Decode a TIFF of one image; see `archive.decode.decode_image`.

    8-bit samples stay; 16-bit samples are scaled by `scale_to_uint8` with MaxSampleValue where given; 1-bit and
    floating point within 0..1 are stretched to 0..255. MinIsWhite is inverted. Anything else is unsupported. What
    tifffile only logs as an error counts as one: a half-written file otherwise reads as a whole one.
    """
    check_zero_tail(data, "TIFF")
    _check_structure(data, limits)
    with _complaints() as complaints:
        try:
            with tifffile.TiffFile(io.BytesIO(data)) as tif:
                page = _only_page(tif, complaints)
                if page.compression == tifffile.COMPRESSION.JPEG:
                    _check_jpeg_ends(data, page)
                stored = page.asarray(maxworkers=1)  # in this thread, where complaints are heard
                if complaints:
                    raise ValueError(complaints[0])
                return _to_uint8(_to_channels_last(stored, page), page), Header(um_per_px=_um_per_px(tif, page))
        except _BROKEN_TIFF as error:
            words = printable(f"{type(error).__name__}: {error}")[:160]
            raise ItemError(Outcome.DAMAGED, f"the TIFF is broken: {words}") from error


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
    if page.samplesperpixel > 4:
        raise ItemError(Outcome.UNSUPPORTED, f"a TIFF of {page.samplesperpixel} samples a pixel is not read")
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
        # the high byte: writers multiply by 256 or by 257
        return (page.colormap[:, image] >> 8).astype(np.uint8).transpose(1, 2, 0)
    if photometric not in _READ_PHOTOMETRICS:
        name = getattr(photometric, "name", photometric)
        raise ItemError(Outcome.UNSUPPORTED, f"a TIFF with photometric {name} is not read")
    match image.dtype.kind, image.dtype.itemsize:
        case "b", _:
            levels = image.astype(np.uint8) * 255
        case "u", 1:
            levels = image if page.bitspersample == 8 else scale_to_uint8(image, page.bitspersample)
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
    """um per pixel by OME-XML, else ImageJ's unit, else the resolution tags; None where absent or implausible."""
    try:
        if tif.is_ome:
            return _ome_um_per_px(tif.ome_metadata)
        numerator, denominator = page.tags["XResolution"].value
        if tif.is_imagej:
            unit_um = _UM_PER_UNIT.get(str((tif.imagej_metadata or {}).get("unit", "")).lower())
        else:
            unit_um = UM_PER_RESOLUTION_UNIT.get(int(page.resolutionunit))
        return um_per_px_from(numerator / denominator, unit_um) if unit_um else None
    except (KeyError, ValueError, TypeError, ZeroDivisionError, ElementTree.ParseError):
        return None


def _ome_um_per_px(xml: str) -> float | None:
    pixels = ElementTree.fromstring(xml).find(".//{*}Pixels")
    if pixels is None:
        return None
    unit_um = _UM_PER_UNIT[pixels.get("PhysicalSizeXUnit", "µm")]
    return plausible(float(pixels.get("PhysicalSizeX", "nan")) * unit_um)


def _check_structure(data: bytes, limits: ReadLimits) -> None:
    """Refuse a file that declares too large an image, or points behind its own end.

    A decoder may make a whole image of the start of a file.

    Raises:
        ItemError: damaged, incomplete.
    """
    try:
        form = read_form(data)
        offset, seen, reach_bytes = form.first_offset, set(), 0
        while offset and offset not in seen and len(seen) < _MAX_DIRECTORIES_LOOKED_AT:
            seen.add(offset)
            directory = read_directory(data, offset, form)
            if not directory.entries:
                raise ValueError(f"an empty directory at byte {offset}")
            for width, length in _WIDTHS_AND_LENGTHS:
                check_size(directory.number(width) or 1, directory.number(length) or 1, limits)
            segments_end = max(
                max(map(sum, zip(directory.numbers(offsets), directory.numbers(sizes), strict=False)), default=0)
                for offsets, sizes in _OFFSETS_AND_SIZES
            )
            reach_bytes = max(reach_bytes, directory.reach_bytes, segments_end)
            offset = directory.next_offset
    except ValueError as error:
        raise ItemError(Outcome.INCOMPLETE, f"the TIFF is cut short: {error}") from error
    if reach_bytes > len(data):
        raise ItemError(Outcome.INCOMPLETE, f"the TIFF is cut short: {reach_bytes - len(data)} bytes missing")


def _check_jpeg_ends(data: bytes, page: tifffile.TiffPage) -> None:
    """Refuse JPEG strips without an end marker, which the codec fills up in grey.

    Raises:
        ItemError: incomplete.
    """
    for start, size_bytes in zip(page.dataoffsets, page.databytecounts, strict=True):
        # a strip may be padded to an even length
        if JPEG_END not in data[start + size_bytes - 4 : start + size_bytes]:
            raise ItemError(Outcome.INCOMPLETE, "the TIFF holds a JPEG strip without its end marker")


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
