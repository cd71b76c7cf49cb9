"""Image file directories: the tag tables that TIFF and Exif share (TIFF 6.0 section 2; BigTIFF)."""

import struct
from dataclasses import dataclass

_TYPES = {1: "B", 2: "c", 3: "H", 4: "I", 5: "II", 6: "b", 7: "c", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d"}
_TYPES |= {13: "I", 16: "Q", 17: "q", 18: "Q"}
_RATIONAL_TYPES = frozenset({5, 10})

MAX_ENTRIES = 4096
"""More entries than any real directory has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Byte order and width of offsets of a TIFF or Exif block."""

    order: str
    is_big: bool
    first_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Where one tag's value lies: ``count`` numbers of a kind from byte ``start``."""

    kind: int
    count: int
    start: int

    @property
    def size_bytes(self) -> int:
        return self.count * struct.calcsize("=" + _TYPES[self.kind])


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """One directory; a value is read when asked for."""

    data: bytes
    order: str
    entries: dict[int, Entry]
    """By tag; those of an unknown kind, or whose value lies outside the data, are left out."""
    reach_bytes: int
    """Offset behind the furthest byte that the directory or one of its values takes."""
    next_offset: int
    """Where the next directory stands, 0 after the last."""

    def numbers(self, tag: int, limit: int | None = None) -> tuple[float, ...]:
        """The first ``limit`` numbers of a tag, by default all; a rational with denominator 0 is 0."""
        entry = self.entries.get(tag)
        if entry is None:
            return ()
        count = entry.count if limit is None else min(limit, entry.count)
        code = _TYPES[entry.kind]
        if code == "c":
            return ()
        values = struct.unpack_from(f"{self.order}{count * len(code)}{code[0]}", self.data, entry.start)
        if entry.kind in _RATIONAL_TYPES:
            return tuple(over / under if under else 0.0 for over, under in zip(values[::2], values[1::2], strict=True))
        return values

    def number(self, tag: int) -> float | None:
        """The first number of a tag."""
        return next(iter(self.numbers(tag, 1)), None)

    def text(self, tag: int, limit_bytes: int = 400) -> bytes:
        """The first bytes of a tag, whatever its kind."""
        entry = self.entries.get(tag)
        return b"" if entry is None else self.data[entry.start : entry.start + min(limit_bytes, entry.size_bytes)]


def read_form(data: bytes) -> Form:
    """Read the block's own header.

    Raises:
        ValueError: it is none, or ends within it.
    """
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 16:
        raise ValueError("no byte order mark, or cut within the header")
    (version,) = struct.unpack_from(f"{order}H", data, 2)
    if version not in (42, 43):
        raise ValueError(f"version {version}")
    is_big = version == 43
    (first_offset,) = struct.unpack_from(f"{order}Q", data, 8) if is_big else struct.unpack_from(f"{order}I", data, 4)
    return Form(order=order, is_big=is_big, first_offset=first_offset)


def read_directory(data: bytes, offset: int, form: Form) -> Directory:
    """Read one directory.

    Raises:
        ValueError: it does not lie within the data, or has over `MAX_ENTRIES` entries.
    """
    count_code, offset_code = ("Q", "Q") if form.is_big else ("H", "I")
    count_bytes, offset_bytes = struct.calcsize("=" + count_code), struct.calcsize("=" + offset_code)
    entry_bytes = 4 + 2 * offset_bytes
    first = offset + count_bytes
    if not 0 < offset <= len(data) - count_bytes:
        raise ValueError(f"a directory at byte {offset} of {len(data)}")
    (num_entries,) = struct.unpack_from(form.order + count_code, data, offset)
    last = first + num_entries * entry_bytes
    if num_entries > MAX_ENTRIES or last + offset_bytes > len(data):
        raise ValueError(f"a directory of {num_entries} entries at byte {offset} of {len(data)}")
    entries: dict[int, Entry] = {}
    reach_bytes = last + offset_bytes
    for at in range(first, last, entry_bytes):
        tag, kind, count = struct.unpack_from(f"{form.order}HH{offset_code}", data, at)
        if kind not in _TYPES:
            continue
        entry = Entry(kind=kind, count=count, start=at + 4 + offset_bytes)
        if entry.size_bytes > offset_bytes:
            (start,) = struct.unpack_from(form.order + offset_code, data, entry.start)
            entry = Entry(kind=kind, count=count, start=start)
        reach_bytes = max(reach_bytes, entry.start + entry.size_bytes)
        if entry.start + entry.size_bytes <= len(data):
            entries[tag] = entry
    (next_offset,) = struct.unpack_from(form.order + offset_code, data, last)
    return Directory(data=data, order=form.order, entries=entries, reach_bytes=reach_bytes, next_offset=next_offset)
