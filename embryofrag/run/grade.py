"""Grade an archive: scan, plan, supervise, record, tell."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from embryofrag.archive import scan_archive
from embryofrag.archive.names import natural_path_key
from embryofrag.engine.pair import EngineChoice
from embryofrag.errors import EXIT_ITEMS_FAILED, EXIT_OK
from embryofrag.records import TROUBLE, Outcome
from embryofrag.run.atomic import sweep_partials
from embryofrag.run.events import Finished, Notify, Scanned, Warned
from embryofrag.run.filesystem import network_kind
from embryofrag.run.job import Job
from embryofrag.run.ledger import Ledger, open_ledger
from embryofrag.run.lock import hold_lock
from embryofrag.run.outputs import Outputs, check_output, make_output
from embryofrag.run.plan import Plan, plan_run, set_outside_window
from embryofrag.run.results import Item
from embryofrag.run.runjson import write_run_json
from embryofrag.run.settings import RunSettings, result_key
from embryofrag.run.supervisor import Clock, Supervisor
from embryofrag.run.tables import write_tables

COMMIT_ITEMS = 64
COMMIT_S = 2.0
"""Rows are committed after so many or after so long, whichever comes first; a kill loses no more than that."""


@dataclass(frozen=True, kw_only=True)
class Timings:
    """Seconds of one run."""

    scan_s: float
    """Listing the archive and comparing it with the ledger."""
    grade_s: float
    """From then to the last row."""
    start_s: float
    """The part of grade_s in which workers start and engines are loaded and probed."""
    engines_s: float
    """The part of grade_s inside the engines."""
    total_s: float


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """What a run did."""

    outputs: Outputs
    run_number: int
    num_found: int
    counts: dict[Outcome, int]
    """What the run did with each file found, `unchanged` among them; adds up to num_found."""
    standing: dict[Outcome, int]
    """Standing outcome of every file found; adds up to num_found."""
    num_read: int
    """Frames read in this run."""
    timings: Timings

    @property
    def exit_code(self) -> int:
        """3 where this run met trouble with a file, else 0."""
        return EXIT_ITEMS_FAILED if any(self.counts.get(outcome) for outcome in TROUBLE) else EXIT_OK


def grade_archive(archive: Path, out: Path, choice: EngineChoice, settings: RunSettings, notify: Notify) -> RunReport:
    """Grade every frame of an archive that the output does not already hold.

    Args:
        archive: folder to read; never written to.
        out: folder to write, outside the archive; made if missing.
        choice: model and engines.
        settings: everything else that was asked for.
        notify: told of each event as it happens.

    Raises:
        EmbryofragError: the run cannot start or go on; what is in `out` is whole, and the same call goes on from there.
    """
    begun_s = time.perf_counter()
    check_output(out, archive)
    scan = set_outside_window(scan_archive(archive, settings.scan), settings.hpi_window)
    outputs = make_output(out)
    if kind := network_kind(out):
        notify(
            Warned(text=f"{out} lies on {kind}, where the ledger is slow and may be damaged; a local --out is safer")
        )
    with hold_lock(out), open_ledger(out) as ledger:
        sweep_partials(out)
        found = [*scan.frames, *scan.set_aside]
        run_number = ledger.begin_run(sorted((file.source for file in found), key=natural_path_key))
        key = result_key(settings, choice)
        plan = plan_run(scan, ledger.item, key, settings, outputs, run_number)
        scan_s = time.perf_counter() - begun_s
        notify(Scanned(num_found=len(found), num_work=len(plan.work), num_unchanged=plan.num_unchanged, scan_s=scan_s))
        counts = Counter({Outcome.UNCHANGED: plan.num_unchanged} if plan.num_unchanged else {})
        clock = Clock()
        job = Job(choice=choice, settings=settings, outputs=outputs, result_key=key)
        counts += _record_all(ledger, job, plan, clock, notify)
        graded_s = time.perf_counter() - begun_s
        write_tables(ledger, outputs, settings)
        report = RunReport(
            outputs=outputs,
            run_number=run_number,
            num_found=len(found),
            counts=dict(counts),
            standing=ledger.outcome_counts(),
            num_read=len(plan.work),
            timings=Timings(
                scan_s=scan_s,
                start_s=clock.start_s,
                engines_s=clock.engines_s,
                grade_s=graded_s - scan_s,
                total_s=time.perf_counter() - begun_s,
            ),
        )
        write_run_json(report, archive, choice, settings)
    return report


def _record_all(ledger: Ledger, job: Job, plan: Plan, clock: Clock, notify: Notify) -> Counter[Outcome]:
    """Write the rows that need no pixels, then those of the work as it comes; counts what the files ended as."""
    recorder = Recorder(ledger, job, pending={frame.source for frame in plan.work})
    supervisor = Supervisor(job, recorder.standing_digests, clock, warn=lambda text: notify(Warned(text=text)))
    recorder.add_all(plan.touched)
    recorder.add_all(plan.set_aside)
    recorder.commit()
    counts = Counter(item.outcome for item in plan.set_aside)
    for item in plan.set_aside:
        notify(Finished(item=item))
    try:
        for item in supervisor.grade(plan.work):
            recorder.add(item)
            counts[item.outcome] += 1
            notify(Finished(item=item))
    finally:
        recorder.commit()  # what is done is done, also when the run is interrupted
    return counts


class Recorder:
    """Collects rows and commits them together, after their pictures are durable."""

    def __init__(self, ledger: Ledger, job: Job, pending: set[str]):
        self._ledger = ledger
        self._job = job
        self._pending = pending
        self._items: list[Item] = []
        self._committed_s = time.monotonic()

    def add_all(self, items: Iterable[Item]) -> None:
        for item in items:
            self.add(item)

    def add(self, item: Item) -> None:
        """Take one row; commit when enough have come or enough time has passed."""
        self._items.append(item)
        self._pending.discard(item.source)
        if len(self._items) >= COMMIT_ITEMS or time.monotonic() - self._committed_s > COMMIT_S:
            self.commit()

    def standing_digests(self) -> dict[str, str]:
        """sha256 -> source of the frames that stand now; a file still to be read again vouches for nothing."""
        self.commit()
        digests = self._ledger.digests(self._job.result_key)
        return {sha256: source for sha256, source in digests if source not in self._pending}

    def commit(self) -> None:
        """Make pictures, then rows durable; pictures that no row stands for any more go first."""
        for item in self._items:
            before = self._ledger.item(item.source)
            if before is not None and before.outcome is Outcome.GRADED and _pictures_of(before) != _pictures_of(item):
                self._job.outputs.drop_pictures(before)
        self._job.outputs.sync(self._items)
        self._ledger.record(self._items)
        self._items.clear()
        self._committed_s = time.monotonic()


def _pictures_of(item: Item) -> tuple[str, str | None] | None:
    return (item.embryo, item.frame) if item.outcome is Outcome.GRADED else None
