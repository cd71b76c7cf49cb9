"""The ledger as CSV: files.csv, embryos/<embryo>.csv, embryos.csv.

Machine dialect: UTF-8 without BOM, comma, \\n, point decimals, blank where unknown. The tables hold standing outcomes,
so a rerun that changes nothing leaves them byte for byte as they are.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from embryofrag.grading.embryo import WINDOW_COLUMNS, EmbryoFrame, summarise_embryo
from embryofrag.records import Outcome
from embryofrag.run.atomic import make_folder, open_atomic, output_error, sync_folder
from embryofrag.run.ledger import Ledger
from embryofrag.run.outputs import Outputs
from embryofrag.run.results import Item
from embryofrag.run.settings import RunSettings

FILE_COLUMNS = ("source", "embryo", "outcome", "reason")
FRAME_COLUMNS = (
    "frame", "source", "run", "hpi", "focal_um", "um_per_px", "outcome", "ratio_mask", "ratio_reg", "grade", "scheme",
    "denominator", "fragment_area_px", "embryo_area_px", "num_fragments", "referred", "refer_reasons", "model",
    "engine_a", "engine_b", "ratio_lo90", "ratio_hi90", "grade_probabilities", "in_scope",
)  # fmt: skip
EMBRYO_COLUMNS = (
    "embryo", "slide", "well", "num_frames", "num_graded", "num_no_embryo", "num_referred", "hpi_first", "hpi_last",
    "ratio_median", "ratio_iqr", "ratio_min", "ratio_max", "ratio_last", "ratio_mask_median", "grade", "scheme",
    "denominator", "referred", "refer_reasons", "model", "engine_a", "engine_b",
)  # fmt: skip
"""Followed by WINDOW_COLUMNS once for each time window, after its name."""

_DECIMALS = {"hpi": 2, "hpi_first": 2, "hpi_last": 2, "focal_um": 1, "um_per_px": 4}
_RATIO_DECIMALS = 4


def write_tables(ledger: Ledger, outputs: Outputs, settings: RunSettings) -> None:
    """Write every table from the ledger; a table that would not change is left alone.

    Raises:
        OutputError: a table cannot be written; it is then as it was.
    """
    files = (_cells(item, FILE_COLUMNS) for item in ledger.found_items())
    _write_csv(outputs.files_csv, FILE_COLUMNS, files)
    make_folder(outputs.embryo_tables)
    current = {outputs.files_csv.name}
    summaries = []
    for embryo, group in groupby(ledger.found_by_embryo(), key=attrgetter("embryo")):
        items = list(group)
        path = outputs.embryo_tables / f"{embryo}.csv"
        current.add(path.name)
        _write_csv(path, FRAME_COLUMNS, (_cells(item, FRAME_COLUMNS) for item in items))
        summaries.append(_embryo_cells(embryo, items, settings))
    columns = [*EMBRYO_COLUMNS, *(f"{w.name}_{c}" for w in settings.embryo.windows for c in WINDOW_COLUMNS)]
    _write_csv(outputs.embryos_csv, columns, summaries)
    _drop_stale_tables(outputs, current)
    sync_folder(outputs.embryo_tables)
    sync_folder(outputs.root)


def _drop_stale_tables(outputs: Outputs, current: set[str]) -> None:
    """Remove the tables of embryos that the archive no longer holds (their rows stay in the ledger)."""
    for path in outputs.embryo_tables.glob("*.csv"):
        if path.name not in current:
            try:
                path.unlink()
            except OSError as error:
                raise output_error(path, error) from error


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with open_atomic(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
        text.detach()


def _cells(item: Item, columns: Sequence[str]) -> list[str]:
    return [cell(name, getattr(item, name)) for name in columns]


def cell(name: str, value: object) -> str:
    """One value as text, by its column.

    >>> cell("hpi", 33.0), cell("ratio_reg", 0.12345), cell("referred", True), cell("well", None)
    ('33.00', '0.1235', 'true', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.{_DECIMALS.get(name, _RATIO_DECIMALS)}f}"
    return str(value)


def _embryo_cells(embryo: str, items: Sequence[Item], settings: RunSettings) -> list[str]:
    """One embryo's row; files set aside (other planes, other hours) are no frames of it."""
    frames = [item for item in items if item.frame is not None]
    summary = summarise_embryo([_embryo_frame(item) for item in frames], settings.grading, settings.embryo)
    first = frames[0] if frames else items[0]
    graded = next((item for item in frames if item.outcome is Outcome.GRADED), first)
    hours = [item.hpi for item in frames if item.hpi is not None]
    values = summary.cells() | {
        "embryo": embryo,
        "slide": first.slide,
        "well": first.well,
        "num_no_embryo": sum(item.outcome is Outcome.NO_EMBRYO for item in frames),
        "hpi_first": min(hours, default=None),
        "hpi_last": max(hours, default=None),
        "denominator": settings.grading.denominator,
        "model": graded.model,
        "engine_a": graded.engine_a,
        "engine_b": graded.engine_b,
    }
    cells = [cell(name, values[name]) for name in EMBRYO_COLUMNS]
    for spread in summary.windows.values():
        cells += [cell(name, value) for name, value in spread.cells().items()]
    return cells


def _embryo_frame(item: Item) -> EmbryoFrame:
    return EmbryoFrame(
        hpi=item.hpi,
        run=item.run,
        ratio_reg=item.ratio_reg,
        ratio_mask=item.ratio_mask,
        referred=bool(item.referred),
    )
