"""What a report was asked for."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from embryofrag.errors import UsageError
from embryofrag.report.control import Change
from embryofrag.report.periods import PERIODS

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}
"""What may separate the cells of the CSV for spreadsheets, by name."""
MIN_CASES = 10


@dataclass(frozen=True, kw_only=True)
class ReportChoices:
    """What a report was asked for."""

    since: date | None = None
    until: date | None = None
    by: str = "week"
    scheme: str | None = None
    context: Path | None = None
    human: Path | None = None
    overrides: Path | None = None
    baseline_span: tuple[date, date] | None = None
    baseline_file: Path | None = None
    freeze_baseline: Path | None = None
    changes: tuple[Change, ...] = ()
    min_n: int = MIN_CASES
    """Cases that a point of a control chart needs to be judged."""
    delimiter: str = "semicolon"
    overlays: str = "some"
    """Whose pictures are written, a key of `gallery.CHOICES`."""

    def __post_init__(self):
        if self.by not in PERIODS:
            raise UsageError(f"--by is one of {', '.join(PERIODS)}, not {self.by}")
        if self.delimiter not in DELIMITERS:
            raise UsageError(f"--delimiter is one of {', '.join(DELIMITERS)}, not {self.delimiter}")
        if self.min_n < 1:
            raise UsageError(f"--min-n is at least 1, not {self.min_n}")
        if self.since and self.until and self.since > self.until:
            raise UsageError(f"--since {self.since} lies after --until {self.until}")
        if self.baseline_span and self.baseline_span[0] > self.baseline_span[1]:
            raise UsageError(f"--baseline starts after it ends: {self.baseline_span[0]} {self.baseline_span[1]}")
        if self.baseline_span and self.baseline_file:
            raise UsageError("--baseline and --baseline-file exclude each other; give one of them")

    def to_dict(self) -> dict[str, str | int]:
        """What was asked for as text, for the provenance page; options that were not used are left out."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        values["baseline_span"] = self.baseline_span and " to ".join(map(str, self.baseline_span))
        values["changes"] = "; ".join(f"{change.day} {change.text}" for change in self.changes)
        return {name: str(value) for name, value in values.items() if value not in (None, "")}
