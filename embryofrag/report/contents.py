"""What workbook and page both show: named sections, each of one or more tables with their definitions."""

from dataclasses import dataclass

import pandas as pd

from embryofrag.report.control import ControlChart
from embryofrag.report.source import Results


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table and the words that it cannot be read without."""

    name: str
    """Its word in file names and JSON, unique in the report, such as ``grades``."""
    title: str
    note: str
    """Definitions and denominators, shown with the numbers."""
    data: pd.DataFrame
    """Shares and ratios 0..1; a missing value is unknown or does not apply."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """A whole report before it is drawn."""

    results: Results
    sections: dict[str, tuple[Table, ...]]
    """By name, in order: about, summary, embryos, frames, control, agreement, bias, calibration, drift, failures,
    provenance."""
    charts: tuple[ControlChart, ...]
