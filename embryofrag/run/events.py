"""What a run tells while it goes; the command line shows it as progress or as JSON lines."""

from collections.abc import Callable
from dataclasses import dataclass

from embryofrag.run.results import Item


@dataclass(frozen=True, kw_only=True)
class Scanned:
    """The archive is listed and compared with the ledger."""

    num_found: int
    num_work: int
    num_unchanged: int
    scan_s: float


@dataclass(frozen=True, kw_only=True)
class Warned:
    """Something a person should know that does not stop the run."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Finished:
    """One file has its row."""

    item: Item


Event = Scanned | Warned | Finished
Notify = Callable[[Event], None]
