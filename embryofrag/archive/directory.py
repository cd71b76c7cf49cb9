"""Image file directories: the tag tables that TIFF and Exif share (TIFF 6.0 section 2; BigTIFF)."""

import struct
from dataclasses import dataclass

_TYPES = {1: "B", 2: "c", 3: "H", 4: "I", 5: "II", 6: "b", 7: "c", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d"}
_TYPES |= {13: "I", 16: "Q", 17: "q", 18: "Q"}
_BYTES_TYPES = frozenset({1, 2, 7})
_RATIONAL_TYPES = frozenset({5, 10})

TagValue = bytes | tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """One directory."""

    tags: dict[int, TagValue]
    """Byte, text and undefined values as bytes, others as numbers; a value that lies outside the data is left out."""
    reach_bytes: int
    """Offset behind the furthest byte that the directory or one of its values takes."""
    next_offset: int
    """Where the next directory stands, 0 after the last."""

    def number(self, tag: int) -> float | None:
        """The first number of a tag."""
        value = self.tags.get(tag)
        return value[0] if isinstance(value, tuple) and value else None

    def numbers(self, tag: int) -> tuple[float, ...]:
        value = self.tags.get(tag, ())
        return value if isinstance(value, tuple) else ()

    def text(self, tag: int) -> bytes:
        value = self.tags.get(tag, b"")
        return value if isinstance(value, bytes) else b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Byte order and width of offsets of a TIFF or Exif block."""

    order: str
    is_big: bool
    first_offset: int


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
    return Form(
        order=order,
        is_big=is_big,
        first_offset=struct.unpack_from(f"{order}{'Q' if is_big else 'I'}", data, 4 * (1 + is_big))[0],
    )


def read_directory(data: bytes, offset: int, form: Form) -> Directory:
    """Read one directory.

    Raises:
        ValueError: it does not lie within the data.
    """
    width = "Q" if form.is_big else "I"
    count_form, entry_bytes = (f"{form.order}Q", 20) if form.is_big else (f"{form.order}H", 12)
    first = offset + struct.calcsize(count_form)
    if not 0 < offset <= len(data) - struct.calcsize(count_form):
        raise ValueError(f"a directory at byte {offset} of {len(data)}")
    (num_entries,) = struct.unpack_from(count_form, data, offset)
    end = first + num_entries * entry_bytes + struct.calcsize(form.order + width)
    if end > len(data):
        raise ValueError(f"a directory up to byte {end} of {len(data)}")
    tags: dict[int, TagValue] = {}
    reach_bytes = end
    for at in range(first, first + num_entries * entry_bytes, entry_bytes):
        tag, kind, count = struct.unpack_from(f"{form.order}HH{width}", data, at)
        if kind not in _TYPES:
            continue
        size_bytes = struct.calcsize("=" + _TYPES[kind]) * count
        field_bytes = struct.calcsize(form.order + width)
        start = at + 4 + field_bytes
        if size_bytes > field_bytes:
            (start,) = struct.unpack_from(form.order + width, data, start)
        reach_bytes = max(reach_bytes, start + size_bytes)
        if start + size_bytes <= len(data):
            tags[tag] = _value(data[start : start + size_bytes], kind, count, form.order)
    (next_offset,) = struct.unpack_from(form.order + width, data, end - struct.calcsize(form.order + width))
    return Directory(tags=tags, reach_bytes=reach_bytes, next_offset=next_offset)


def _value(data: bytes, kind: int, count: int, order: str) -> TagValue:
    if kind in _BYTES_TYPES:
        return data
    numbers = struct.unpack(f"{order}{count * len(_TYPES[kind])}{_TYPES[kind][0]}", data)
    if kind in _RATIONAL_TYPES:
        return tuple(over / under if under else 0.0 for over, under in zip(numbers[::2], numbers[1::2], strict=True))
    return numbers
