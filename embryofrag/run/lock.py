"""One run at a time on one output folder."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from embryofrag.errors import EmbryofragError
from embryofrag.run.atomic import output_error

LOCK_NAME = ".lock"


@contextmanager
def hold_lock(out: Path) -> Iterator[None]:
    """Hold the output folder's lock; the kernel drops it when the process ends, even by kill -9.

    Raises:
        EmbryofragError: another run holds it.
        OutputError: the lock file cannot be made.
    """
    path = out / LOCK_NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise output_error(path, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 200).decode("utf-8", "replace").strip() or "unknown"
            raise EmbryofragError(
                f"another run is writing to {out} ({holder}); wait until it has ended or choose another --out"
            ) from error
        _sign(descriptor)
        yield
    finally:
        os.close(descriptor)


def is_locked(out: Path) -> bool:
    """Whether a run is writing to an output folder now.

    Raises:
        EmbryofragError: its lock cannot be looked at.
    """
    try:
        with open(out / LOCK_NAME, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    except OSError as error:
        raise EmbryofragError(f"the lock of {out} cannot be looked at: {error.strerror or error}") from error
    return False


def _sign(descriptor: int) -> None:
    """Leave who holds the lock, for people; the lock itself is the flock."""
    os.ftruncate(descriptor, 0)
    holder = f"process {os.getpid()} on {socket.gethostname()} since {datetime.now():%Y-%m-%d %H:%M:%S}"
    os.pwrite(descriptor, holder.encode(), 0)
