"""What an image's header says beside its pixels: focal plane, um per pixel, time, instrument."""

import re
from dataclasses import dataclass
from datetime import datetime

from embryofrag.archive.directory import Directory, read_directory, read_form

UM_PER_PX_RANGE = (0.1, 2.0)
"""Plausible um per pixel; a value outside is a printer's resolution or a wrong one, so unknown."""

UM_PER_RESOLUTION_UNIT = {2: 25400.0, 3: 10000.0}
"""Exif and TIFF ResolutionUnit -> um: inch, centimetre."""

_RESOLUTION_UNIT, _X_RESOLUTION, _Y_RESOLUTION = 0x0128, 0x011A, 0x011B
_MAKE, _MODEL, _EXIF_BLOCK = 0x010F, 0x0110, 0x8769
_DIGITIZED, _ORIGINAL, _USER_COMMENT = 0x9004, 0x9003, 0x9286
_TEN_TIMES_OFF = (800, 800)
"""Vitrolife images of this size carry a resolution too small by ten."""

_FOCAL = re.compile(r"Focal plane in mu:\s*(?P<um>[+-]?[0-9]{1,4}(?:[.,][0-9]{1,3})?)")
_TIME = re.compile(r"([0-9]{4}):([0-9]{2}):([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Each field None where the header is silent or not believable."""

    focal_um: float | None = None
    um_per_px: float | None = None
    acquired_at: datetime | None = None
    instrument: str | None = None


NO_HEADER = Header()


def read_exif(block: bytes, shape_px: tuple[int, int]) -> Header:
    """Read an Exif block; a broken one gives an empty header, never an error.

    Args:
        block: the bytes of an APP1 segment or an eXIf chunk.
        shape_px: height and width of the image.
    """
    block = block.removeprefix(b"Exif\0\0")
    try:
        form = read_form(block)
        outer = read_directory(block, form.first_offset, form)
    except ValueError:
        return NO_HEADER
    try:
        inner = read_directory(block, _offset(outer.number(_EXIF_BLOCK)), form)
    except ValueError:
        inner = outer
    instrument = " ".join(filter(None, (_text(outer.text(_MAKE)), _text(outer.text(_MODEL))))) or None
    return Header(
        focal_um=parse_focal(inner.text(_USER_COMMENT)),
        um_per_px=_um_per_px(outer, shape_px, is_vitrolife="vitrolife" in (instrument or "").lower()),
        acquired_at=parse_time(inner.text(_DIGITIZED)) or parse_time(inner.text(_ORIGINAL)),
        instrument=instrument,
    )


def parse_focal(comment: bytes) -> float | None:
    """Focal plane in um in an Exif user comment, whichever its text encoding.

    >>> parse_focal(b"UNICODE" + bytes(1) + "Focal plane in mu: -15".encode("utf-16le"))
    -15.0
    """
    found = _FOCAL.search(_text(comment))
    return float(found["um"].replace(",", ".")) if found else None


def parse_time(text: bytes) -> datetime | None:
    """Time in an Exif date; what stands behind the seconds is ignored.

    >>> parse_time(b"2017:01:10 02:26:030x00")
    datetime.datetime(2017, 1, 10, 2, 26, 3)
    """
    found = _TIME.match(_text(text))
    try:
        return datetime(*map(int, found.groups())) if found else None
    except ValueError:
        return None


def um_per_px_from(resolution: float, unit_um: float) -> float | None:
    """um per pixel out of pixels per unit, where plausible.

    >>> round(um_per_px_from(43688, 25400.0), 4), um_per_px_from(96, 25400.0)
    (0.5814, None)
    """
    return plausible(unit_um / resolution) if resolution > 0 else None


def plausible(um_per_px: float) -> float | None:
    """The value where it lies within `UM_PER_PX_RANGE`, else None."""
    low, high = UM_PER_PX_RANGE
    return um_per_px if low <= um_per_px <= high else None


def _um_per_px(outer: Directory, shape_px: tuple[int, int], *, is_vitrolife: bool) -> float | None:
    unit_um = UM_PER_RESOLUTION_UNIT.get(outer.number(_RESOLUTION_UNIT))
    x = outer.number(_X_RESOLUTION) or 0.0
    y = outer.number(_Y_RESOLUTION) or x
    if unit_um is None or not x > 0 or abs(x - y) > 0.01 * x:
        return None
    if is_vitrolife and shape_px == _TEN_TIMES_OFF and unit_um / x > UM_PER_PX_RANGE[1]:
        x *= 10
    return um_per_px_from(x, unit_um)


def _offset(value: float | None) -> int:
    return value if isinstance(value, int) else 0


def _text(value: bytes) -> str:
    """Printable text of at most 200 bytes; UTF-16 loses its zero bytes."""
    text = value[:200].replace(b"\0", b"").decode("latin-1")
    return "".join(char for char in text if char.isprintable()).strip()
