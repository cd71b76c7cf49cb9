"""Files that appear whole or not at all.

A file is written under a temporary name in its own folder, synced, and renamed; a kill at any point leaves
either the old file, or the new one, plus at most a temporary file that the next run sweeps.
"""

import filecmp
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from embryofrag.errors import EmbryofragError

PARTIAL_SUFFIX = ".embryofrag-partial"
"""Ending of temporary names; nothing else in an output folder may end so."""


class OutputError(EmbryofragError):
    """The output folder or the ledger cannot be written: the run stops."""


def output_error(path: Path, error: OSError) -> OutputError:
    """One sentence for trouble with the output, with the remedy."""
    return OutputError(
        f"could not write {path}: {error.strerror or error}; mend that (free space, permission, mount) "
        "and run the same command again: it goes on where this run stopped"
    )


@contextmanager
def open_atomic(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path`, durable and whole, when the block ends without an exception.

    A file that would come out as it already is stays untouched. The folder entry is made durable by `sync_folder`.

    Raises:
        OutputError: the folder cannot be written; `path` is as it was before.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL_SUFFIX}")
    try:
        try:
            with open(partial, "wb") as file:
                yield file
                file.flush()
                if not _holds_same(path, partial):
                    os.fsync(file.fileno())
                    os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(path, error) from error


def write_atomic(path: Path, content: bytes) -> None:
    """Write `content` to `path` by `open_atomic`."""
    with open_atomic(path) as file:
        file.write(content)


def _holds_same(path: Path, partial: Path) -> bool:
    return path.is_file() and filecmp.cmp(path, partial, shallow=False)


def sync_folder(folder: Path) -> None:
    """Make the renames in a folder durable (a rename alone may be lost with the power)."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise output_error(folder, error) from error


def make_folder(folder: Path) -> None:
    """Create a folder and its parents.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error


def sweep_partials(root: Path) -> int:
    """Remove what a killed run left under temporary names; returns how many."""
    swept = 0
    for partial in _partials(root):
        partial.unlink(missing_ok=True)
        swept += 1
    return swept


def _partials(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        for name in names:
            if name.endswith(PARTIAL_SUFFIX):
                yield Path(folder, name)
