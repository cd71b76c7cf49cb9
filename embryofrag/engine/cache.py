"""Compiled graphs kept from one start to the next, outside of the model folder and of the archive.

OpenVINO can keep such files by itself (``CACHE_DIR``), but it names them after the graph without its weights, does not
notice every damaged one, and overwrites them in place under a process that may be reading. Here an entry is named
after all that went into it, carries its checksum, and appears under its name whole or not at all.
"""

import hashlib
import logging
import os
from functools import cache
from pathlib import Path

CACHE_VARIABLE = "EMBRYOFRAG_ENGINE_CACHE"
"""Environment variable: another folder, or `OFF`."""
OFF = "off"
_DIGEST_BYTES = hashlib.sha256().digest_size


def cache_folder() -> Path | None:
    """Return where compiled graphs are kept: ``$XDG_CACHE_HOME/embryofrag/openvino`` or what `CACHE_VARIABLE` names.

    The folder need not exist. None: keeping them is switched off.
    """
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return None if named == OFF else Path(named)
    # the standard has relative paths ignored
    root = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (root if root.is_absolute() else Path("~/.cache").expanduser()) / "embryofrag" / "openvino"


def read_entry(folder: Path, key: str) -> bytes | None:
    """Return what was kept under a key; None where nothing can be read, or not what was written."""
    try:
        entry = memoryview(_entry_path(folder, key).read_bytes())
    except OSError:
        return None  # where more than the entry is missing, writing it will say so
    content = entry[_DIGEST_BYTES:]
    return bytes(content) if hashlib.sha256(content).digest() == entry[:_DIGEST_BYTES] else None


def write_entry(folder: Path, key: str, content: bytes) -> None:
    """Keep something under a key, whole or not at all; where the folder cannot be written, say so once and go on."""
    unfinished = folder / f".{key}.{os.getpid()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_bytes(hashlib.sha256(content).digest() + content)
            unfinished.replace(_entry_path(folder, key))
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        _say_once(folder, error.strerror)


def _entry_path(folder: Path, key: str) -> Path:
    return folder / f"{key}.compiled"


@cache
def _say_once(folder: Path, reason: str) -> None:
    logging.getLogger(__name__).warning(
        "engines are compiled anew at every start, as %s cannot be used (%s): name another folder, or `%s`, in %s",
        folder,
        reason,
        OFF,
        CACHE_VARIABLE,
    )
