"""What a report is made of: the ledger and run.json of one output folder, read and never written."""

import json
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from embryofrag.archive.layouts.embryoscope import parse_id
from embryofrag.errors import EmbryofragError, UsageError
from embryofrag.grading.embryo import EmbryoSettings, Window
from embryofrag.grading.frame import GradingSettings
from embryofrag.grading.referral import ReferralSettings
from embryofrag.grading.schemes import SCHEMES
from embryofrag.records import SCHEMA_VERSION
from embryofrag.report.context import CONTEXT_COLUMNS, add_context
from embryofrag.report.embryos import summarise_embryos
from embryofrag.report.regrade import regrade_frames
from embryofrag.run.ledger import LEDGER_NAME
from embryofrag.run.lock import is_locked

RUN_NAME = "run.json"

_FRAME_FIELDS = (
    "embryo", "frame", "source", "slide", "well", "run", "hpi", "focal_um", "um_per_px", "outcome", "reason",
    "ratio_mask", "ratio_reg", "ratio_lo90", "ratio_hi90", "grade", "grade_probabilities", "scheme", "denominator",
    "fragment_area_px", "embryo_area_px", "num_fragments", "focus", "referred", "refer_reasons", "model", "engine_a",
    "engine_b", "sha256",
)  # fmt: skip
_COUNTS = ("well", "run", "fragment_area_px", "embryo_area_px", "num_fragments")
_MEASURES = ("hpi", "focal_um", "um_per_px", "ratio_mask", "ratio_reg", "ratio_lo90", "ratio_hi90", "focus")

_FILES_QUERY = "SELECT source, embryo, outcome, reason FROM found JOIN items USING (source) ORDER BY position"
_FRAMES_QUERY = f"""SELECT {", ".join(_FRAME_FIELDS)} FROM found JOIN items USING (source)
    JOIN (SELECT embryo, min(position) AS first FROM found JOIN items USING (source) GROUP BY embryo)
    USING (embryo) WHERE embryo != '' AND frame IS NOT NULL ORDER BY first, position"""


@dataclass(frozen=True, kw_only=True)
class Results:
    """Everything that the pages of a report are computed from."""

    root: Path
    """The output folder of the run."""
    frames: pd.DataFrame
    """One row a frame, embryo by embryo, in the order of the archive: the columns of `embryos/<embryo>.csv` but
    in_scope, and embryo, slide, well, reason, focus, sha256, and those of the context (`CONTEXT_COLUMNS`)."""
    embryos: pd.DataFrame
    """One row an embryo, in the same order: the columns of `embryos.csv` and those of the context."""
    files: pd.DataFrame
    """One row a file found: source, embryo, outcome, reason, date."""
    run: dict
    """run.json."""
    grading: GradingSettings
    """What the frames are graded by here: the run's settings, with the scheme that was asked for."""
    since: date | None = None
    until: date | None = None
    num_undated: int = 0
    """Embryos left out because their date is unknown; only where a period was asked for."""


def read_results(
    out: Path,
    *,
    since: date | None = None,
    until: date | None = None,
    scheme: str | None = None,
    context: Path | None = None,
) -> Results:
    """Read the results of a finished run.

    Args:
        out: Output folder of `embryofrag grade`.
        since: First date to keep, of `date`.
        until: Last date to keep.
        scheme: Grade the stored ratios by this scheme; None: as they were graded.
        context: CSV of what the ledger does not hold (patient, operator, date...); see `add_context`.

    Raises:
        EmbryofragError: it is no output folder, the run is empty, goes on or was killed, or the ledger cannot be read.
        UsageError: unknown scheme, a period without embryos, or a context that cannot be joined.
    """
    run = _read_run(out)
    files, frames, last_run = _read_ledger(out / LEDGER_NAME)
    if run.get("run_number") != last_run:
        raise EmbryofragError(
            f"the last run in {out} did not end; run the same `embryofrag grade` command again, then the report"
        )
    if files.empty:
        raise EmbryofragError(f"the last run in {out} found no files; grade an archive that holds some first")
    grading, windows = read_settings(run)
    if scheme is not None:
        grading, frames = _regrade(frames, grading, scheme)
    frames = add_context(_with_names(frames), context)
    embryos = summarise_embryos(frames, grading, windows)
    files = files.merge(embryos[["embryo", "date"]].drop_duplicates("embryo"), how="left", on="embryo")
    results = Results(root=out, frames=frames, embryos=embryos, files=files, run=run, grading=grading)
    return results if since is None and until is None else _keep_period(results, since, until)


def read_settings(run: Mapping) -> tuple[GradingSettings, EmbryoSettings]:
    """The settings that a run graded with, from its run.json.

    Raises:
        EmbryofragError: run.json is not one of this version.
    """
    try:
        grading, embryo = dict(run["settings"]["grading"]), dict(run["settings"]["embryo"])
        referral = ReferralSettings(**grading.pop("referral"))
        windows = tuple(Window(**window) for window in embryo.pop("windows"))
        return GradingSettings(**grading, referral=referral), EmbryoSettings(**embryo, windows=windows)
    except (KeyError, TypeError, ValueError) as error:
        raise EmbryofragError(
            f"the settings in {RUN_NAME} cannot be read ({type(error).__name__}: {error}); "
            "grade again with this version of embryofrag"
        ) from error


def _read_run(out: Path) -> dict:
    if not out.is_dir():
        raise EmbryofragError(f"there is no folder {out}; name the --out folder of `embryofrag grade`")
    if not (out / LEDGER_NAME).is_file():
        raise EmbryofragError(f"{out} holds no {LEDGER_NAME}; name the --out folder of `embryofrag grade`")
    if is_locked(out):
        raise EmbryofragError(f"a run is writing to {out}; wait until it has ended")
    try:
        return json.loads((out / RUN_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EmbryofragError(
            f"{out} holds no {RUN_NAME}: its run did not end; run the same `embryofrag grade` command again"
        ) from None
    except (OSError, ValueError) as error:
        raise EmbryofragError(f"{out / RUN_NAME} cannot be read ({error}); run `embryofrag grade` again") from error


def _read_ledger(path: Path) -> tuple[pd.DataFrame, pd.DataFrame, int | None]:
    """Files found, frames, and the number of the last run."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)) as connection:
            # the same few words stand in very many rows: one object each
            connection.text_factory = lambda text: sys.intern(text.decode())
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version != SCHEMA_VERSION:
                raise EmbryofragError(
                    f"{path} has schema {version} and this embryofrag reads schema {SCHEMA_VERSION}; "
                    "use the version that wrote it, or grade again into a new --out folder"
                )
            files = pd.DataFrame(connection.execute(_FILES_QUERY), columns=["source", "embryo", "outcome", "reason"])
            frames = pd.DataFrame(connection.execute(_FRAMES_QUERY), columns=list(_FRAME_FIELDS))
            last_run = connection.execute("SELECT max(number) FROM runs").fetchone()[0]
    except (sqlite3.Error, pd.errors.DatabaseError) as error:
        raise EmbryofragError(
            f"the ledger {path} cannot be read ({error}); run the same `embryofrag grade` command again, which mends "
            "what a killed run left"
        ) from error
    return files, _typed(frames), last_run


def _typed(frames: pd.DataFrame) -> pd.DataFrame:
    """Nullable whole numbers, floats with nan, text with a missing value, never a float for a number of things."""
    text = [name for name in _FRAME_FIELDS if name not in (*_COUNTS, *_MEASURES, "referred")]
    types = dict.fromkeys(_COUNTS, "Int64") | dict.fromkeys(_MEASURES, "float64") | dict.fromkeys(text, "str")
    return frames.astype(types | {"referred": "boolean"})


def _with_names(frames: pd.DataFrame) -> pd.DataFrame:
    """Add what an EmbryoScope slide's name says: the instrument, and the date on which the slide was started."""
    slides = {slide: parse_id(slide) for slide in frames["slide"].dropna().unique()}
    parts = {slide: slide.split("_") for slide, named in slides.items() if named is not None}
    instrument = frames["slide"].map({slide: part[2] for slide, part in parts.items()}).astype("str")
    started = frames["slide"].map({slide: part[0][1:].replace(".", "-") for slide, part in parts.items()})
    dates = pd.to_datetime(started.astype("str"), format="%Y-%m-%d", errors="coerce")
    return frames.assign(instrument=instrument, date=dates, patient=frames["slide"], operator=pd.NA).astype(
        {"operator": "str"}
    )


def _regrade(frames: pd.DataFrame, grading: GradingSettings, scheme: str) -> tuple[GradingSettings, pd.DataFrame]:
    if scheme not in SCHEMES:
        raise UsageError(f"--scheme is one of {', '.join(SCHEMES)}, not {scheme}")
    settings = {field.name: getattr(grading, field.name) for field in fields(grading)} | {"scheme": scheme}
    grading = GradingSettings(**settings)
    return grading, regrade_frames(frames, grading)


def _keep_period(results: Results, since: date | None, until: date | None) -> Results:
    first, last = pd.Timestamp(since or date.min), pd.Timestamp(until or date.max)
    kept = results.embryos[results.embryos["date"].between(first, last)]
    if kept.empty:
        raise UsageError(
            f"no embryo of {results.root} is dated between {since or 'the start'} and {until or 'the end'}; dates come "
            f"from EmbryoScope names or from --context (columns {', '.join(CONTEXT_COLUMNS)})"
        )
    return Results(
        root=results.root,
        frames=results.frames[results.frames["embryo"].isin(kept["embryo"])].reset_index(drop=True),
        embryos=kept.reset_index(drop=True),
        files=results.files[results.files["embryo"].isin(kept["embryo"])].reset_index(drop=True),
        run=results.run,
        grading=results.grading,
        since=since,
        until=until,
        num_undated=int(results.embryos["date"].isna().sum()),
    )
