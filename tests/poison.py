"""A worker whose reader crashes or hangs on files that say so in their name. Imported by the worker process."""

import os
import signal
import time

from embryofrag.run import pipeline
from embryofrag.run.worker import worker_main

_read = pipeline.read_picture


def _read_or_die(frame, limits):
    if "segfault" in frame.source:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "abort" in frame.source:
        os.abort()
    if "hang" in frame.source:
        time.sleep(3600)
    if "bug" in frame.source:
        raise ZeroDivisionError("a bug in a decoder")
    return _read(frame, limits)


def poisoned_worker(connection, job, seen):
    """`worker_main` with the reader above."""
    pipeline.read_picture = _read_or_die
    worker_main(connection, job, seen)
