"""The worker process: loads the engines once, grades the frames that come down its pipe.

It is a process of its own because image files can crash or hang a decoder in ways no exception shows; the supervisor
(run.supervisor) restarts it. Threads do the work inside it (run.pipeline).
"""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

from embryofrag.errors import EmbryofragError
from embryofrag.records import Frame
from embryofrag.run.job import Job


@dataclass(frozen=True)
class Ready:
    """The engines are loaded and checked."""

    warnings: tuple[str, ...] = ()
    """What they had to say."""


@dataclass(frozen=True)
class Done:
    """Every frame sent has come back."""

    engines_s: float
    """Seconds spent inside the engines."""


@dataclass(frozen=True)
class Fatal:
    """The run cannot go on; the message is for the user."""

    message: str
    exit_code: int


def worker_main(connection: Connection, job: Job, seen: dict[str, str]) -> None:
    """Grade frames from `connection` until None comes; sends Ready, an Item a frame in order, and Done or Fatal."""
    # Ctrl-C reaches the whole process group; the supervisor decides what then happens to this process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _serve(connection, job, seen)
    except EmbryofragError as error:
        connection.send(Fatal(str(error), error.exit_code))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the supervisor is gone, and nobody wants the rest


def _serve(connection: Connection, job: Job, seen: dict[str, str]) -> None:
    import cv2

    from embryofrag.engine.select import load_pair
    from embryofrag.run.pipeline import grade_frames

    cv2.setNumThreads(1)  # the pipeline's threads are the parallelism
    with heard_warnings() as warnings:
        engines = load_pair(job.choice, job.settings.num_threads)
    connection.send(Ready(tuple(warnings)))
    clock: dict[str, float] = {"engines_s": 0.0}
    for item in grade_frames(_received(connection), engines, job, seen, clock):
        connection.send(item)
    engines.close()
    connection.send(Done(clock["engines_s"]))


def _received(connection: Connection) -> Iterator[Frame]:
    while (frame := connection.recv()) is not None:
        yield frame


@contextmanager
def heard_warnings() -> Iterator[list[str]]:
    """Collect what the package warns of, in place of printing it: the supervisor's process decides how it is shown."""
    texts: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: texts.append(record.getMessage())
    logger = logging.getLogger("embryofrag")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield texts
    finally:
        logger.propagate = True
        logger.removeHandler(handler)
