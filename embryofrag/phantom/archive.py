"""A drawn archive: a folder tree as an EmbryoScope export lays it out, and its truth beside it.

    <out>/archive/<ID>/<ID>_WELL01/<ID>_WELL01_RUN0132.JPG        plane 0
    <out>/archive/<ID>/<ID>_WELL01/F-15/<ID>_WELL01_RUN0132.JPG   other planes, same names
    <out>/truth.csv                                               one row a file
    <out>/truth/<ID>_WELL01_RUN0132_fragment.png                  masks, where asked for

Dates and numbers are fictional. Slide and instrument numbers start with 9.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from embryofrag.errors import UsageError
from embryofrag.phantom.camera import encode_jpeg
from embryofrag.phantom.dataset import format_ratio, grade_letter, make_empty_folder, write_png
from embryofrag.phantom.embryo import PhantomEmbryo, draw_embryo, draw_embryo_frame
from embryofrag.phantom.exif import PX_PER_INCH, build_exif, insert_exif

TRUTH_COLUMNS = (
    "source",
    "ratio",
    "grade",
    "stage",
    "num_cells",
    "hpi",
    "focal_um",
    "embryo",
    "well",
    "run",
    "acquired_at",
    "um_per_px",
    "instrument",
    "seed",
)

_KIND_LETTER = {"embryoscope": "D", "embryoscope_plus": "P"}
_WELLS_PER_SLIDE = {"embryoscope": 12, "embryoscope_plus": 16}
_FIRST_HPI, _LAST_HPI = 27.0, 68.5
_RUN_MINUTES = 10
_START_HPI = 2.0
"""Hour of the first run."""
_JPEG_QUALITY = 95


@dataclass(frozen=True, slots=True, kw_only=True)
class Slide:
    """One dish: its name in the export and its clock."""

    name: str
    inseminated_at: datetime


def draw_slide(rng: np.random.Generator, instrument: str) -> Slide:
    """A slide with fictional date and numbers."""
    inseminated_at = datetime(2024, 1, 1, 9) + timedelta(
        days=int(rng.integers(0, 330)), minutes=int(rng.integers(0, 300))
    )
    started_at = inseminated_at + timedelta(hours=_START_HPI)
    slide, number = rng.integers(90001, 99999), rng.integers(9001, 9999)
    return Slide(
        name=f"D{started_at:%Y.%m.%d}_S{slide:05d}_I{number:04d}_{_KIND_LETTER[instrument]}",
        inseminated_at=inseminated_at,
    )


def list_runs(num_frames: int, *, gap: bool) -> list[int]:
    """Run numbers of evenly spaced frames over the cleavage window; with `gap`, one from the middle is missing.

    >>> list_runs(3, gap=False)
    [151, 275, 400]
    >>> list_runs(3, gap=True)
    [151, 234, 400]
    """
    steps = num_frames + gap
    runs = [round((hpi - _START_HPI) * 60 / _RUN_MINUTES) + 1 for hpi in np.linspace(_FIRST_HPI, _LAST_HPI, steps)]
    if gap:
        del runs[steps // 2]
    return runs


def write_archive(
    out: Path,
    *,
    seed: int,
    num_embryos: int = 4,
    frames_per_embryo: int = 6,
    focal_planes_um: Sequence[int] = (0,),
    instrument: str = "embryoscope",
    truth_masks: bool = False,
) -> list[Path]:
    """Writes an archive of drawn embryos, and one empty well per archive behind them.

    The first embryo of each slide lacks one run in the middle. Each well's folder holds the list of its runs' hours.

    Args:
        out: A new or empty folder; the archive is its folder `archive`.
        seed: Decides everything.
        num_embryos: Wells with an embryo.
        frames_per_embryo: Hours, spread evenly over 27 to 68.5 hpi.
        focal_planes_um: Planes of each hour, whole um.
        instrument: `embryoscope` or `embryoscope_plus`.
        truth_masks: Also writes the masks of each hour to `truth/`.

    Returns:
        The image files of the archive, in the order of `truth.csv`.

    Raises:
        EmbryofragError: The folder holds something.
        UsageError: The instrument exports no archive of this kind.
    """
    if instrument not in _KIND_LETTER:
        raise UsageError(f"No archive is drawn for {instrument!r}: choose one of {', '.join(_KIND_LETTER)}.")
    make_empty_folder(out)
    written = []
    with (out / "truth.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, TRUTH_COLUMNS, lineterminator="\n")
        writer.writeheader()
        for slide, embryo in _draw_wells(seed, num_embryos, instrument):
            runs = list_runs(frames_per_embryo, gap=embryo.well == 1)
            _write_run_times(out, slide, embryo, runs)
            for run in runs:
                for row in _write_run(out, slide, embryo, run, focal_planes_um, truth_masks):
                    writer.writerow(row)
                    written.append(out / "archive" / row["source"])
    return written


def _draw_wells(seed: int, num_embryos: int, instrument: str) -> Iterator[tuple[Slide, PhantomEmbryo]]:
    """Each embryo with its slide, then the empty well."""
    per_slide = _WELLS_PER_SLIDE[instrument]
    for index in range(num_embryos + 1):
        slide = draw_slide(np.random.default_rng([seed, index // per_slide]), instrument)
        embryo_seed = int(np.random.default_rng([seed, index, 1]).integers(2**31))
        yield (
            slide,
            draw_embryo(embryo_seed, instrument=instrument, well=index % per_slide + 1, empty=index == num_embryos),
        )


def _run_hpi(run: int) -> float:
    """Hour of a run.

    >>> _run_hpi(151)
    27.0
    """
    return _START_HPI + (run - 1) * _RUN_MINUTES / 60


def _write_run_times(out: Path, slide: Slide, embryo: PhantomEmbryo, runs: Sequence[int]) -> None:
    """Writes the run list of a well as the incubator's server gives it: hours to a tenth."""
    name = f"{slide.name}_WELL{embryo.well:02d}"
    times = {"ImageRuns": [{"Run": run, "Time": round(_run_hpi(run), 1)} for run in runs]}
    path = out / "archive" / slide.name / name / f"{name}_imageruns.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(times), encoding="utf-8")


def _write_run(
    out: Path, slide: Slide, embryo: PhantomEmbryo, run: int, focal_planes_um: Sequence[int], truth_masks: bool
) -> Iterator[dict[str, str | int]]:
    """Writes all planes of one run and yields their rows of `truth.csv`."""
    hpi = _run_hpi(run)
    acquired_at = slide.inseminated_at + timedelta(hours=hpi)
    name = f"{slide.name}_WELL{embryo.well:02d}"
    for focal_um in focal_planes_um:
        frame = draw_embryo_frame(embryo, hpi, focal_um)
        plane = Path() if focal_um == 0 else Path(f"F{focal_um}")
        source = Path(slide.name, name, plane, f"{name}_RUN{run:03d}.JPG")
        exif = build_exif(embryo.instrument, acquired_at, focal_um)
        over, under = PX_PER_INCH[embryo.instrument]
        path = out / "archive" / source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(insert_exif(encode_jpeg(frame.image, _JPEG_QUALITY), exif, over / under))
        if truth_masks and focal_um == focal_planes_um[0]:
            (out / "truth").mkdir(exist_ok=True)
            write_png(out / "truth" / f"{name}_RUN{run:03d}_fragment.png", frame.fragment_mask)
            write_png(out / "truth" / f"{name}_RUN{run:03d}_embryo.png", frame.embryo_mask)
        yield {
            "source": source.as_posix(),
            "ratio": format_ratio(frame.ratio),
            "grade": grade_letter(frame.ratio),
            "stage": frame.stage,
            "num_cells": frame.num_cells,
            "hpi": f"{hpi:.3f}",
            "focal_um": focal_um,
            "embryo": name,
            "well": embryo.well,
            "run": run,
            "acquired_at": f"{acquired_at:%Y-%m-%dT%H:%M:%S}",
            "um_per_px": f"{frame.um_per_px:.4f}",
            "instrument": embryo.instrument,
            "seed": embryo.seed,
        }
