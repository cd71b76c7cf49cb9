"""Files that appear whole or not at all.

A file is written under a temporary name in its own folder, synced, and renamed; a kill at any point leaves
either the old file, or the new one, plus at most a temporary file that the next run sweeps.
"""

import os
from collections.abc import Iterator
from pathlib import Path

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


def write_atomic(path: Path, content: bytes) -> None:
    """Write `content` to `path`, durable and whole. The folder entry itself is made durable by `sync_folder`.

    Raises:
        OutputError: the folder cannot be written; `path` is as it was before.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL_SUFFIX}")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise output_error(path, error) from error


def write_if_other(path: Path, content: bytes) -> bool:
    """Write `content` unless the file already holds exactly that; tells whether it wrote."""
    try:
        if path.stat().st_size == len(content) and path.read_bytes() == content:
            return False
    except FileNotFoundError:
        pass
    write_atomic(path, content)
    return True


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
