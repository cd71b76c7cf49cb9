"""Which of the files found need work, and which the ledger already holds."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from embryofrag.archive import Scan
from embryofrag.engine.digest import sha256_of_file
from embryofrag.records import Frame, Outcome, SetAside
from embryofrag.run.outputs import Outputs
from embryofrag.run.results import Item
from embryofrag.run.settings import RunSettings


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run has to do."""

    work: tuple[Frame, ...]
    """Frames to read and grade, in scan order."""
    set_aside: tuple[Item, ...]
    """New rows of files that the scan set aside."""
    touched: tuple[Item, ...]
    """Rows of unchanged frames whose mtime alone moved (their bytes were compared)."""
    num_unchanged: int
    """Files that the ledger holds as they are. work + set_aside + num_unchanged = files found."""


def set_outside_window(scan: Scan, hpi_window: tuple[float, float] | None) -> Scan:
    """Set the frames aside whose hours are known and lie outside [start, end] hpi."""
    if hpi_window is None:
        return scan
    start, end = hpi_window
    inside, outside = [], []
    for frame in scan.frames:
        (inside if frame.hpi is None or start <= frame.hpi <= end else outside).append(frame)
    aside = tuple(
        SetAside(
            source=frame.source,
            size_bytes=frame.size_bytes,
            mtime_ns=frame.mtime_ns,
            embryo=frame.embryo,
            outcome=Outcome.OUTSIDE_WINDOW,
            reason=f"{frame.hpi:.1f} h is outside {start:g}-{end:g} h",
        )
        for frame in outside
    )
    return replace(scan, frames=tuple(inside), set_aside=scan.set_aside + aside)


def plan_run(
    scan: Scan, known: Callable[[str], Item | None], key: str, settings: RunSettings, outputs: Outputs, run_number: int
) -> Plan:
    """Compare what was found with what the ledger holds.

    Args:
        scan: what was found.
        known: the ledger's item of a source, or None.
        key: hash of what decides results (`settings.result_key`).
        settings: the run's settings.
        outputs: where masks lie; a graded frame whose mask is gone is graded again.
        run_number: counts the runs on this output, so that the audit moves on from run to run.
    """
    standing: set[str] = set()
    repeats: dict[str, str] = {}  # source of a duplicate or conflict -> the file it was compared with
    touched: list[Item] = []
    for frame in scan.frames:
        item = known(frame.source)
        if item is None or not _still_stands(item, frame, key, settings, outputs):
            continue
        moved = item.mtime_ns != frame.mtime_ns
        if (moved or _is_rechecked(item, settings, run_number)) and file_sha256(Path(frame.path)) != item.sha256:
            continue
        standing.add(frame.source)
        if item.duplicate_of:
            repeats[frame.source] = item.duplicate_of
        if moved:
            touched.append(replace(item, mtime_ns=frame.mtime_ns))
    standing -= {source for source, original in repeats.items() if original not in standing}
    fresh_aside = tuple(item for item in map(_aside_item, scan.set_aside) if _is_news(item, known(item.source)))
    return Plan(
        work=tuple(frame for frame in scan.frames if frame.source not in standing),
        set_aside=fresh_aside,
        touched=tuple(item for item in touched if item.source in standing),
        num_unchanged=len(standing) + len(scan.set_aside) - len(fresh_aside),
    )


def file_sha256(path: Path) -> str | None:
    """Hex digest of the file's bytes; None where it cannot be read now (reading it as a picture then says why)."""
    try:
        return sha256_of_file(path)
    except OSError:
        return None


def _still_stands(item: Item, frame: Frame, key: str, settings: RunSettings, outputs: Outputs) -> bool:
    """Whether the row holds as far as names, size, settings and written pictures tell."""
    if item.outcome is Outcome.FAILED or item.sha256 is None:
        return False
    same_file = item.size_bytes == frame.size_bytes and item.result_key == key
    # a run list that arrives later changes the hours of a frame without changing its file
    same_identity = (item.embryo, item.frame, item.run, item.hpi) == (frame.embryo, frame.frame, frame.run, frame.hpi)
    return same_file and same_identity and outputs.has_pictures(item, settings)


def _is_rechecked(item: Item, settings: RunSettings, run_number: int) -> bool:
    """Whether to read a file again that looks unchanged: always by `hash`, else an equal share of files each run."""
    if settings.recheck == "hash":
        return True
    if not settings.audit_share:
        return False
    num_turns = round(1 / settings.audit_share)
    return int(item.sha256[:8], 16) % num_turns == run_number % num_turns


def _aside_item(found: SetAside) -> Item:
    return Item(
        source=found.source,
        size_bytes=found.size_bytes,
        mtime_ns=found.mtime_ns,
        embryo=found.embryo,
        outcome=found.outcome,
        reason=found.reason,
    )


def _is_news(item: Item, known: Item | None) -> bool:
    """Whether a file set aside is news; a failure is news in every run that meets it."""
    return item.outcome is Outcome.FAILED or item != known
