"""The files of an archive: one walk over the folders, no file opened."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from embryofrag.archive.names import natural_path_key, printable
from embryofrag.errors import EmbryofragError
from embryofrag.records import Outcome, SetAside

JUNK_NAMES = frozenset({".ds_store", "thumbs.db", "desktop.ini", "@eadir"})
JUNK_PREFIXES = ("._", "~$")
"""Left by desktops, office programs and file servers: passed over without a row."""

OUTPUT_MARKS = frozenset({"ledger.sqlite", "run.json"})
"""A folder that holds both is an output folder of this program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One regular file below the root."""

    parts: tuple[str, ...]
    """Raw names below the root, the file's own last (surrogateescape for undecodable bytes)."""
    path: str
    source: str
    """Printable path below the root."""
    size_bytes: int
    mtime_ns: int

    @property
    def folders(self) -> tuple[str, ...]:
        return self.parts[:-1]

    @property
    def name(self) -> str:
        return self.parts[-1]

    @property
    def stem(self) -> str:
        return os.path.splitext(self.parts[-1])[0]

    @property
    def suffix(self) -> str:
        """Suffix in lower case, with its dot."""
        return os.path.splitext(self.parts[-1])[1].lower()

    def set_aside(self, outcome: Outcome, reason: str, embryo: str = "") -> SetAside:
        return SetAside(
            source=self.source,
            size_bytes=self.size_bytes,
            mtime_ns=self.mtime_ns,
            embryo=embryo,
            outcome=outcome,
            reason=reason,
        )


def walk_archive(root: Path) -> tuple[list[Found], list[SetAside]]:
    """Find every regular file below ``root`` in natural order.

    Symbolic links are not followed. A link, an output folder of this program, a special file and a folder that
    cannot be listed each become one row; junk (`JUNK_NAMES`, `JUNK_PREFIXES`) becomes none.

    Raises:
        EmbryofragError: the root is missing, no folder, unreadable, or itself an output folder.
    """
    top = os.path.abspath(root)
    found: list[Found] = []
    aside: list[SetAside] = []
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(os.path.join(top, *folder)) as listing:
                entries = [entry for entry in listing if not _is_junk(entry.name)]
        except OSError as error:
            if not folder:
                raise EmbryofragError(_root_trouble(root, error)) from error
            aside.append(_folder_row(folder, Outcome.FAILED, f"the folder cannot be listed: {error.strerror}"))
            continue
        if {entry.name for entry in entries} >= OUTPUT_MARKS:
            if not folder:
                raise EmbryofragError(
                    f"{printable(str(root))} is an embryofrag output folder; give the archive instead"
                )
            aside.append(_folder_row(folder, Outcome.UNSUPPORTED, "an embryofrag output folder"))
            continue
        for item in _sort_entries(folder, entries):
            match item:
                case Found():
                    found.append(item)
                case SetAside():
                    aside.append(item)
                case tuple():
                    waiting.append(item)
    found.sort(key=lambda file: natural_path_key(file.source))
    return found, aside


def _sort_entries(folder: tuple[str, ...], entries: list[os.DirEntry]) -> Iterator[Found | SetAside | tuple[str, ...]]:
    """Each entry as a file, a row, or the parts of a folder still to walk."""
    for entry in entries:
        parts = (*folder, entry.name)
        source = printable("/".join(parts))
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError as error:
            yield SetAside(
                source=source,
                size_bytes=0,
                mtime_ns=0,
                embryo="",
                outcome=Outcome.FAILED,
                reason=f"no status: {error.strerror}",
            )
            continue
        file = Found(
            parts=parts, path=entry.path, source=source, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns
        )
        if stat.S_ISREG(status.st_mode):
            yield file
        elif stat.S_ISDIR(status.st_mode):
            yield parts
        elif stat.S_ISLNK(status.st_mode):
            yield file.set_aside(Outcome.UNSUPPORTED, "symbolic link, not followed")
        else:
            yield file.set_aside(Outcome.UNSUPPORTED, "not a regular file")


def _is_junk(name: str) -> bool:
    return name.lower() in JUNK_NAMES or name.startswith(JUNK_PREFIXES)


def _folder_row(folder: tuple[str, ...], outcome: Outcome, reason: str) -> SetAside:
    return SetAside(
        source=printable("/".join(folder)) + "/", size_bytes=0, mtime_ns=0, embryo="", outcome=outcome, reason=reason
    )


def _root_trouble(root: Path, error: OSError) -> str:
    shown = printable(str(root))
    match error:
        case FileNotFoundError():
            return f"there is no folder {shown}; check the path"
        case NotADirectoryError():
            return f"{shown} is a file; give the folder that holds it"
        case _:
            return f"the archive {shown} cannot be listed ({error.strerror}); check its permissions and its mount"
