"""What a layout reads off a file's name and folders."""

import re
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache

from embryofrag.archive.names import safe_key, with_hash
from embryofrag.archive.options import ScanOptions
from embryofrag.archive.walk import Found
from embryofrag.errors import ItemError
from embryofrag.records import Outcome

_PLANE = re.compile(r"(?:^|[_\s-])F(?P<plane>[+-]?[0-9]{1,3})(?=[_\s-]|$)", re.I)
_PLANE_FOLDER = re.compile(r"F(?P<plane>[+-]?[0-9]{1,3})", re.I)
_DATASET_FOLDER = re.compile(r"embryo_dataset(?:_F(?P<plane>[+-]?[0-9]{1,3}))?", re.I)
_HOURS = re.compile(r"(?:^|[_\s-])(?P<hours>[0-9]{1,3}(?:\.[0-9]{1,3})?)h(?:pi)?(?=[_\s-]|$)", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One picture's place: which embryo, which moment, which plane."""

    embryo: str
    frame: str
    slide: str | None = None
    well: int | None = None
    run: int | None = None
    focal_um: float | None = None
    hpi: float | None = None
    moment: Hashable = None
    """What, with embryo and plane, makes this the same picture as another file's; None where the name is silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a layout may know beside the one file."""

    options: ScanOptions
    series: Counter[tuple[tuple[str, ...], str]]
    """Number of images by folder (without a focal-plane folder) and by stem without its last number."""
    folders: frozenset[tuple[str, ...]]
    """Folders that hold images (without a focal-plane folder)."""


Layout = Callable[[Found, Surroundings], Identity | None]
"""Explains an image, or returns None where its name is not of this kind.

Raises:
    ItemError: conflict, where name and folder contradict each other; unparsed.
"""


def plane_in_text(text: str) -> float | None:
    """Focal plane in um of an ``F-15`` standing between separators.

    >>> plane_in_text("20230304-17097-3-F15-157")
    15.0
    """
    found = _PLANE.search(text)
    return float(found["plane"]) if found else None


def split_plane(text: str) -> tuple[str, float, str] | None:
    """Text before the plane, the plane in um, and the text after it.

    >>> split_plane("dish7_F-15_003")
    ('dish7', -15.0, '003')
    """
    found = _PLANE.search(text)
    if found is None:
        return None
    return text[: found.start()], float(found["plane"]), text[found.end() :].lstrip("_- ")


@lru_cache(maxsize=4096)
def plane_of_folder(folder: str) -> float | None:
    """Focal plane in um that a folder stands for: ``F-15``, ``embryo_dataset_F15``; ``embryo_dataset`` is plane 0."""
    if found := _PLANE_FOLDER.fullmatch(folder):
        return float(found["plane"])
    if found := _DATASET_FOLDER.fullmatch(folder):
        return float(found["plane"] or 0)
    return None


def plane_of_folders(folders: tuple[str, ...]) -> float | None:
    """Focal plane in um of the innermost folder that names one."""
    return next((plane for folder in reversed(folders) if (plane := plane_of_folder(folder)) is not None), None)


def without_plane_folder(folders: tuple[str, ...]) -> tuple[str, ...]:
    """The folders without a last one that only names a plane (``F-15``)."""
    return folders[:-1] if folders and _PLANE_FOLDER.fullmatch(folders[-1]) else folders


def split_hours(text: str) -> tuple[str, float | None]:
    """Text without its hours post insemination, and the hours.

    >>> split_hours("dish7_37.9h")
    ('dish7', 37.9)
    """
    found = _HOURS.search(text)
    if found is None:
        return text, None
    return text[: found.start()] + text[found.end() :], float(found["hours"])


def split_number(stem: str) -> tuple[str, int | None]:
    """Stem without the number it ends in (and the separator before), and the number.

    Where the stem gives hours, these tell the frames of an embryo apart and any number is part of its name.

    >>> split_number("dish7_t_016"), split_number("2cells"), split_number("dish7_37.9h")
    (('dish7_t', 16), ('2cells', None), ('dish7', None))
    """
    text, hours = split_hours(stem)
    found = re.fullmatch(r"(.*?)[0-9]+", text, re.S) if hours is None else None
    return (found[1].rstrip("_-. "), int(text[found.end(1) :])) if found else (text, None)


def agree(what: str, by_name: float | str | None, by_folder: float | str | None):
    """The one value that name and folder give.

    Raises:
        ItemError: conflict, with both values.
    """
    if by_name is not None and by_folder is not None and by_name != by_folder:
        raise ItemError(Outcome.CONFLICT, f"{what}: the folder says {_show(by_folder)}, the name says {_show(by_name)}")
    return by_folder if by_name is None else by_name


def plane_suffix(focal_um: float | None) -> str:
    """Ending of a frame's name: ``_F-15``, or nothing where the plane is unknown."""
    return "" if focal_um is None else f"_F{focal_um:g}"


def key_below(folders: tuple[str, ...], name: str, around: Surroundings) -> str:
    """Key of an embryo that is no folder of its own but files in one, kept apart from a folder of that very name."""
    path = (*folders, name)
    return with_hash(safe_key(path), "/".join(path)) if path in around.folders else safe_key(path)


def _show(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"
