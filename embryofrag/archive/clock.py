"""Hours post insemination from the small time files that lie beside frames.

Two kinds are read: ``<name>_timeElapsed.csv`` (header ``frame_index,time``, hours) and ``<name>_imageruns.json``
(``{"ImageRuns": [{"Run": 1, "Time": 0.3}]}``, hours). Both are joined to frames by RUN number, never by position.
"""

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from embryofrag.archive.layouts.embryoscope import embryo_key, parse_id
from embryofrag.archive.layouts.identity import Identity
from embryofrag.archive.walk import Found
from embryofrag.errors import ItemError
from embryofrag.records import Outcome, SetAside

ELAPSED_FOLDER = "embryo_dataset_time_elapsed"
ELAPSED_ENDING = "_timeelapsed.csv"
RUNS_ENDING = "_imageruns.json"
MAX_SIDECAR_BYTES = 8 * 1024 * 1024
MAX_HPI = 1000.0


def is_time_file(found: Found) -> bool:
    return found.name.lower().endswith((ELAPSED_ENDING, RUNS_ENDING))


@dataclass(slots=True)
class Clock:
    """The time files of one archive, and which of them were of use."""

    root_name: str
    times: dict[tuple[tuple[str, ...], str], tuple[Found, dict[int, float]]] = field(default_factory=dict)
    broken: list[SetAside] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    _nearest: dict[tuple[tuple[str, ...], str], tuple[Found, dict[int, float]] | None] = field(default_factory=dict)

    def hpi(self, found: Found, identity: Identity) -> float | None:
        """Hours post insemination of one frame by the nearest time file of its embryo or folder, else None."""
        if identity.run is None:
            return None
        place = (found.folders, identity.embryo)
        if place not in self._nearest:
            self._nearest[place] = self._find(*place)
        nearest = self._nearest[place]
        if nearest is None or identity.run not in nearest[1]:
            return None
        self.used.add(nearest[0].source)
        return nearest[1][identity.run]

    def rows(self) -> Iterator[SetAside]:
        """One row a time file."""
        yield from self.broken
        for file, _ in self.times.values():
            is_used = file.source in self.used
            reason = "times read for hpi" if is_used else "times for hpi, but no frame found goes with them"
            yield file.set_aside(Outcome.UNSUPPORTED, reason)

    def _find(self, folders: tuple[str, ...], embryo: str) -> tuple[Found, dict[int, float]] | None:
        owners = (embryo, *reversed(folders), self.root_name)
        for depth in range(len(folders), -1, -1):
            beside = folders[:depth]
            for folder in (beside, (*beside, ELAPSED_FOLDER)):
                for owner in owners:
                    if (folder, owner.lower()) in self.times:
                        return self.times[folder, owner.lower()]
        return None


def read_clock(files: Iterable[Found], root_name: str) -> Clock:
    """Read the archive's time files; a broken one becomes a row of its own and gives no times."""
    clock = Clock(root_name=root_name)
    for found in files:
        try:
            times = parse_times(found.name, _read_small(found))
        except ItemError as error:
            clock.broken.append(found.set_aside(error.outcome, error.reason))
            continue
        place = (found.folders, _owner(found.name))
        if place in clock.times:
            clock.broken.append(found.set_aside(Outcome.UNSUPPORTED, "a second time file for the same frames"))
        else:
            clock.times[place] = (found, times)
    return clock


def parse_times(name: str, data: bytes) -> dict[int, float]:
    """Hours by RUN number out of a time file's bytes.

    Raises:
        ItemError: damaged, where the file is not what its name says.
    """
    try:
        text = data.decode("utf-8-sig")
        pairs = _elapsed_pairs(text) if name.lower().endswith(ELAPSED_ENDING) else _image_runs_pairs(text)
        times: dict[int, float] = {}
        for run, hours in pairs:
            if not 0 <= hours <= MAX_HPI or math.isnan(hours):
                raise ValueError(f"{hours} h is no time after insemination")
            if times.setdefault(run, hours) != hours:
                raise ValueError(f"run {run} has two times")
    except (ValueError, TypeError, KeyError, csv.Error, RecursionError, OverflowError) as error:
        raise ItemError(Outcome.DAMAGED, f"the time file cannot be read: {_words(error)}") from error
    return times


def _elapsed_pairs(text: str) -> Iterator[tuple[int, float]]:
    rows = csv.DictReader(io.StringIO(text), strict=True)
    if rows.fieldnames is None or not {"frame_index", "time"} <= set(rows.fieldnames):
        raise ValueError("no header frame_index,time")
    for row in rows:
        yield int(row["frame_index"]), float(row["time"])


def _image_runs_pairs(text: str) -> Iterator[tuple[int, float]]:
    content = json.loads(text)
    if not isinstance(content, dict) or not isinstance(content.get("ImageRuns"), list):
        raise ValueError("no list ImageRuns")
    for entry in content["ImageRuns"]:
        yield int(entry["Run"]), float(entry["Time"])


def _read_small(found: Found) -> bytes:
    if found.size_bytes > MAX_SIDECAR_BYTES:
        raise ItemError(Outcome.DAMAGED, f"a time file of {found.size_bytes} bytes is not read")
    try:
        with open(found.path, "rb") as file:
            return file.read(MAX_SIDECAR_BYTES)
    except OSError as error:
        raise ItemError(Outcome.FAILED, f"the time file cannot be opened: {error.strerror}") from error


def _owner(name: str) -> str:
    """Whose times they are: an embryo's key where the name gives one, else the name, in lower case."""
    owner = name[: -len(ELAPSED_ENDING)] if name.lower().endswith(ELAPSED_ENDING) else name[: -len(RUNS_ENDING)]
    named = parse_id(owner)
    return (embryo_key(named.slide, named.well) if named and named.well is not None else owner).lower()


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:120]
