"""Names of files and folders, made sortable, printable and safe. Pure functions on text."""

import hashlib
import os
import re
from functools import lru_cache

MAX_KEY_BYTES = 119
"""Longest key in bytes: leaves room for a suffix below the 255 bytes a file name may have."""

_DIGITS = re.compile(r"([0-9]+)")
_HASH_DIGITS = 12


@lru_cache(maxsize=65536)
def natural_key(text: str) -> tuple[str | int, ...]:
    """Sort key that reads numbers as numbers.

    >>> sorted(["RUN10", "RUN2", "RUN1"], key=natural_key)
    ['RUN1', 'RUN2', 'RUN10']
    """
    return tuple(int(part) if index % 2 else part.lower() for index, part in enumerate(_DIGITS.split(text)))


def natural_path_key(source: str) -> tuple:
    """Sort key of a path with POSIX separators: part by part, the suffix of the file name last.

    >>> sorted(["a/x (1).jpg", "a/x.jpg", "a/b/y.jpg"], key=natural_path_key)
    ['a/b/y.jpg', 'a/x.jpg', 'a/x (1).jpg']
    """
    *folders, name = source.split("/")
    stem, suffix = os.path.splitext(name)
    return (*map(natural_key, folders), natural_key(stem)), natural_key(suffix), source


def printable(text: str) -> str:
    r"""Text for a table or a terminal: bytes that are no UTF-8, control and format characters as ``\xNN``.

    A backslash is escaped too, so different names stay different.

    >>> printable("a\nb")
    'a\\x0ab'
    """
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(
        char if char.isprintable() and char != "\\" else "".join(f"\\x{byte:02x}" for byte in _bytes(char))
        for char in text
    )


def safe_key(parts: tuple[str, ...]) -> str:
    """Key made of path parts: only ``A-Z a-z 0-9 . _ -``, a different key for every different path.

    Parts are joined by two underscores. Any other byte becomes ``_xNN``, and so does an underscore that could be
    taken for a separator or an escape, and a dot or hyphen at the ends. A key over `MAX_KEY_BYTES` is cut and ends
    in a hash of the whole.

    >>> safe_key(("patient 7", "dish_1"))
    'patient_x207__dish_1'
    """
    key = "__".join(map(_escape_part, parts))
    if key[:1] in {".", "-"}:
        key = f"_x{ord(key[0]):02x}{key[1:]}"
    if key[-1:] == ".":
        key = key[:-1] + "_x2e"
    return key if len(key) <= MAX_KEY_BYTES else with_hash(key, "/".join(parts))


def with_hash(key: str, source: str) -> str:
    """The key, cut where needed, with a short hash of ``source`` behind it: tells equal names of two files apart."""
    tail = "-" + hashlib.sha256(_bytes(source)).hexdigest()[:_HASH_DIGITS]
    return key[: MAX_KEY_BYTES - len(tail)] + tail


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _escape_part(part: str) -> str:
    if not re.search(r"[^A-Za-z0-9.-]", part):
        return part
    escaped = re.sub(rb"[^A-Za-z0-9._-]", lambda byte: b"_x%02x" % byte[0][0], _bytes(part).replace(b"_", b"\0"))
    text = escaped.decode("ascii").replace("_x00", "\0")
    # an underscore stays one only between two characters that stay, and not where it would read as an escape
    text = re.sub(r"(?<=[A-Za-z0-9.-])\0(?=[A-Za-z0-9.-])(?!x[0-9a-f]{2})", "_", text)
    return text.replace("\0", "_x5f")
