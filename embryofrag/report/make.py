"""The whole report on disk."""

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from embryofrag import __version__
from embryofrag.errors import UsageError
from embryofrag.report.baseline import write_baseline
from embryofrag.report.choices import DELIMITERS, ReportChoices
from embryofrag.report.contents import Contents
from embryofrag.report.csv_files import write_csv_files
from embryofrag.report.gallery import write_gallery
from embryofrag.report.json_file import REPORT_SCHEMA, contents_json
from embryofrag.report.overrides import add_overrides
from embryofrag.report.page import write_page
from embryofrag.report.pictures import Album
from embryofrag.report.sections import make_contents
from embryofrag.report.source import Results, read_results
from embryofrag.report.workbook import write_workbook
from embryofrag.run.atomic import make_folder, sync_folder, write_atomic

FOLDER_NAME = "report"
WORKBOOK_NAME, PAGE_NAME, JSON_NAME = "report.xlsx", "report.html", "report.json"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was written."""

    folder: Path
    contents: Contents
    document: bytes
    """The numbers as JSON."""


def make_report(out: Path, folder: Path | None, choices: ReportChoices, notify: Callable[[str], None]) -> Report:
    """Write workbook, page, pictures, CSV files and JSON of a finished run.

    Args:
        out: Output folder of the run; only read.
        folder: Where the report goes; None: `report` below `out`.
        choices: What was asked for.
        notify: Told what is being done.

    Raises:
        EmbryofragError: the results cannot be read or the report not written; what is there is whole.
        UsageError: an option does not fit the results.
    """
    folder = folder or out / FOLDER_NAME
    notify("reading the ledger")
    results = _read(out, choices)
    notify("computing")
    made = _made(choices)
    contents, baseline = make_contents(results, choices, made)
    if choices.freeze_baseline is not None:
        if baseline is None:
            raise UsageError("there is no baseline to freeze: name its dates by --baseline START END")
        write_atomic(choices.freeze_baseline, write_baseline(baseline))
    make_folder(folder)
    notify("drawing pictures")
    album = Album(results)
    gallery = write_gallery(results, album, folder, choices.overlays)
    notify(f"writing {WORKBOOK_NAME}")
    write_workbook(contents, album, folder / WORKBOOK_NAME)
    notify(f"writing {PAGE_NAME}")
    write_page(contents, album, gallery, folder / PAGE_NAME)
    notify("writing tables")
    tables = [table for tables in contents.sections.values() for table in tables]
    write_csv_files(tables, folder, DELIMITERS[choices.delimiter])
    document = contents_json(contents, made)
    write_atomic(folder / JSON_NAME, document)
    sync_folder(folder)
    return Report(folder=folder, contents=contents, document=document)


def _read(out: Path, choices: ReportChoices) -> Results:
    results = read_results(
        out, since=choices.since, until=choices.until, scheme=choices.scheme, context=choices.context
    )
    if choices.overrides is None:
        return results
    embryos = add_overrides(results.embryos, choices.overrides, results.grading.grade_scheme)
    return dataclasses.replace(results, embryos=embryos)


def _made(choices: ReportChoices) -> dict[str, object]:
    """How the report is made; files that people gave are told apart by their hashes."""
    files = ("context", "human", "overrides", "baseline_file")
    given = {name: path for name in files if (path := getattr(choices, name)) is not None and path.is_file()}
    return {
        "embryofrag": __version__,
        "report_schema": REPORT_SCHEMA,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "options": choices.to_dict(),
        "sha256": {
            name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in given.items() if path.is_file()
        },
    }
