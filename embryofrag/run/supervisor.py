"""Keeps a worker process at work, and finds the file that ends it.

The frames that a dead worker held are halved and tried again, each half in a fresh worker, until single files are left;
a file that ends a worker alone is `failed`, and every other one is graded. After a hang (which costs a time-out each
time) the held frames are tried one by one at once.
"""

import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from embryofrag.errors import EmbryofragError
from embryofrag.records import Frame, Outcome
from embryofrag.run.job import Job, frame_item
from embryofrag.run.results import Item
from embryofrag.run.worker import Done, Fatal, Ready, worker_main

MAX_LOSSES_IN_A_ROW = 10
"""So many files that end the worker with none graded between them are the engine's fault, not theirs."""


START_S = 600.0
"""A worker that has not loaded its engines by then never will; large engines on slow disks take minutes."""


class WorkerEnded(Exception):
    """The worker died or hung while it held frames."""

    def __init__(self, cause: str, *, hung: bool = False):
        super().__init__(cause)
        self.cause = cause
        self.hung = hung


@dataclass
class Clock:
    """Seconds of a run's workers, summed over restarts."""

    start_s: float = 0.0
    """From the start of the process to loaded and probed engines."""
    engines_s: float = 0.0
    """Inside the engines; workers that died have taken theirs with them."""
    num_workers: int = 0


class Worker:
    """One child process and its pipe."""

    def __init__(self, target: Callable[[Connection, Job, dict[str, str]], None], job: Job, seen: dict[str, str]):
        context = multiprocessing.get_context("spawn")  # CUDA and OpenVINO must never be forked
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=target, args=(theirs, job, seen), daemon=True)
        self._process.start()
        theirs.close()  # so that its end shows as EOF here

    def send(self, frame: Frame | None) -> None:
        try:
            self._connection.send(frame)
        except (BrokenPipeError, ConnectionResetError):
            raise WorkerEnded(self._cause()) from None

    def receive(self, patience_s: float) -> Ready | Item | Done:
        """The next message, waiting for `patience_s` at most.

        Raises:
            WorkerEnded: it died or was silent for too long.
            EmbryofragError: it says that the run cannot go on.
        """
        try:
            if not self._connection.poll(patience_s):
                raise WorkerEnded(f"no frame finished within {patience_s:g} s", hung=True)
            message = self._connection.recv()
        except (EOFError, ConnectionResetError):
            raise WorkerEnded(self._cause()) from None
        if isinstance(message, Fatal):
            error = EmbryofragError(message.message)
            error.exit_code = message.exit_code
            raise error
        return message

    def stop(self) -> None:
        """End the process if it still runs."""
        self._connection.close()
        self._process.kill()
        self._process.join()

    def _cause(self) -> str:
        self._process.join(timeout=10)
        code = self._process.exitcode
        if code is not None and code < 0:
            return f"signal {signal.Signals(-code).name}"
        return f"exit code {code}"


@dataclass
class Supervisor:
    """Grades frames in worker processes, one at a time; an item comes out for every frame, in order within a worker."""

    job: Job
    seen: Callable[[], dict[str, str]]
    """Makes sha256 -> source of the frames that already stand, anew for each worker."""
    clock: Clock
    target: Callable[[Connection, Job, dict[str, str]], None] = worker_main
    """What runs in the worker process."""
    warn: Callable[[str], None] = lambda text: None
    """Told what the engines warn of when they are loaded, each text once."""
    _told: set[str] = field(default_factory=set, init=False)

    def grade(self, frames: Iterable[Frame]) -> Iterator[Item]:
        """Grade every frame.

        Raises:
            EmbryofragError: the engines cannot be loaded, the output cannot be written, or every file ends the worker.
        """
        losses_in_a_row = 0
        for item in self._grade_all(deque(frames)):
            losses_in_a_row = losses_in_a_row + 1 if _is_loss(item) else 0
            yield item
            if losses_in_a_row == MAX_LOSSES_IN_A_ROW:
                raise EmbryofragError(
                    f"the last {MAX_LOSSES_IN_A_ROW} files each ended the worker ({item.reason}); check the engines "
                    "with `embryofrag engines check` and the machine's free memory"
                )

    def _grade_all(self, waiting: deque[Frame]) -> Iterator[Item]:
        while waiting:
            held: deque[Frame] = deque()
            try:
                yield from self._stream(waiting, held)
            except WorkerEnded as ended:
                yield from self._isolate(list(held), ended)

    def _stream(self, waiting: deque[Frame], held: deque[Frame]) -> Iterator[Item]:
        """Feed one fresh worker; `held` are the frames it has and has not answered."""
        begun_s = time.perf_counter()
        worker = Worker(self.target, self.job, self.seen())
        patience_s = self.job.settings.hang_s
        try:
            self._tell(_await_ready(worker).warnings)
            self.clock.start_s += time.perf_counter() - begun_s
            self.clock.num_workers += 1
            while waiting or held:
                while waiting and len(held) < self.job.num_held:
                    worker.send(waiting[0])
                    held.append(waiting.popleft())
                    if not waiting:
                        worker.send(None)
                item = worker.receive(patience_s)
                held.popleft()
                yield item
            self.clock.engines_s += worker.receive(patience_s).engines_s
        finally:
            worker.stop()

    def _tell(self, texts: Iterable[str]) -> None:
        for text in texts:
            if text not in self._told:
                self._told.add(text)
                self.warn(text)

    def _isolate(self, suspects: list[Frame], ended: WorkerEnded) -> Iterator[Item]:
        """Try the frames that a dead worker held in smaller parts."""
        for part in _parts(suspects, ended):
            held: deque[Frame] = deque()
            waiting = deque(part)
            try:
                yield from self._stream(waiting, held)
            except WorkerEnded as again:
                if len(part) == 1:
                    yield self._lost(part[0], again)
                else:
                    yield from self._isolate([*held, *waiting], again)

    def _lost(self, frame: Frame, ended: WorkerEnded) -> Item:
        return frame_item(frame, self.job, outcome=Outcome.FAILED, reason=f"{_LOSS} ({ended.cause})")


_LOSS = "ended the worker"


def _await_ready(worker: Worker) -> Ready:
    try:
        return worker.receive(START_S)
    except WorkerEnded as ended:
        raise EmbryofragError(
            f"the engines could not be started ({ended.cause}); check free memory and `embryofrag engines check`"
        ) from ended


def _is_loss(item: Item) -> bool:
    return item.outcome is Outcome.FAILED and item.reason.startswith(_LOSS)


def _parts(suspects: list[Frame], ended: WorkerEnded) -> list[list[Frame]]:
    if ended.hung or len(suspects) == 1:
        return [[frame] for frame in suspects]
    middle = len(suspects) // 2
    return [suspects[:middle], suspects[middle:]]
