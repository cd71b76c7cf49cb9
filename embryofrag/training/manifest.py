"""The manifest: a CSV that says which image has which labels, checked as a whole before anything is learnt from it.

| column                          | holds                                                                        |
|---------------------------------|------------------------------------------------------------------------------|
| image                           | the frame                                                                    |
| fragment_mask, embryo_mask      | 8-bit PNG of 0 and 255, of the image's size                                  |
| labelme                         | LabelMe JSON with polygons ``cell`` and ``fragment``, instead of both masks  |
| ratio                           | 0..1, where it is known better than from the masks, or without masks         |
| grade                           | a grade of the scheme in use                                                 |
| patient, slide, well            | whose embryo it is: rows of one patient never end in two parts of a split    |
| stage                           | free text such as ``4-cell``                                                 |

Paths are relative to the manifest, blank cells mean none, other columns are ignored. A row with masks is *paired*;
one without is *ratio-only* if it states a ratio, else *grade-only*.
"""

import csv
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

from embryofrag.errors import EmbryofragError, ItemError
from embryofrag.grading.ratio import measure_masks
from embryofrag.grading.schemes import Scheme
from embryofrag.records import Outcome
from embryofrag.training.labelled import LabelledFrame, read_labelled
from embryofrag.training.row import Row

COLUMNS = (
    *("image", "fragment_mask", "embryo_mask", "labelme", "ratio", "grade"),
    *("patient", "slide", "well", "stage"),
)
MAX_OUTSIDE_SHARE = 0.5
"""Largest share of a fragment mask that may lie outside the embryo mask; more means swapped or foreign masks."""

_NUM_READERS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why one line of a manifest cannot be used."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


class ManifestError(EmbryofragError):
    """A manifest with bad rows; the message lists each with its line and reason."""

    def __init__(self, path: Path, problems: tuple[Problem, ...]):
        listed = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"{path} cannot be trained on or evaluated until these lines are mended or removed:{listed}")
        self.path = path
        self.problems = problems


def read_manifest(path: Path, scheme: Scheme) -> tuple[Row, ...]:
    """Read and check a whole manifest, files included.

    Args:
        path: the CSV file, UTF-8.
        scheme: whose grades it states.

    Returns:
        Its rows, in order, with the ratio of paired rows measured where it was blank.

    Raises:
        ManifestError: At least one row is bad.
        EmbryofragError: The manifest itself cannot be read.
    """
    rows, problems = _examine(path, scheme)
    if problems:
        raise ManifestError(path, problems)
    return rows


def check_manifest(path: Path, scheme: Scheme) -> tuple[Problem, ...]:
    """Return all that is wrong with a manifest, by line; empty where `read_manifest` will take it.

    Raises:
        EmbryofragError: The manifest itself cannot be read.
    """
    return _examine(path, scheme)[1]


def _examine(path: Path, scheme: Scheme) -> tuple[tuple[Row, ...], tuple[Problem, ...]]:
    stated, problems = [], []
    for step in _read_rows(path, scheme):
        (stated if isinstance(step, Row) else problems).append(step)
    problems += _find_ambiguous_patients(stated)
    rows, line_of_pixels = [], {}
    with ThreadPoolExecutor(_NUM_READERS) as pool:
        for row, seen in zip(stated, pool.map(_look_at, stated), strict=True):
            if isinstance(seen, Problem):
                problems.append(seen)
                continue
            digest, ratio = seen
            first_line = line_of_pixels.setdefault(digest, row.line)
            if first_line != row.line:
                problems.append(Problem(line=row.line, reason=f"{row.name} is the same picture as line {first_line}"))
            rows.append(replace(row, ratio=ratio))
    return tuple(rows), tuple(sorted(problems, key=lambda problem: problem.line))


def _read_rows(path: Path, scheme: Scheme) -> Iterator[Row | Problem]:
    """Every line as its cells state it; no other file is opened."""
    try:
        lines = csv.reader(StringIO(path.read_bytes().decode("utf-8-sig"), newline=""), strict=True)
    except OSError as error:
        raise EmbryofragError(f"{path} cannot be read ({error.strerror}): name a manifest CSV.") from error
    except UnicodeDecodeError as error:
        raise EmbryofragError(f"{path} is not UTF-8 text: save it as CSV UTF-8.") from error
    num_rows = 0
    try:
        header = [column.strip() for column in next(lines, [])]
        if reason := _find_header_trouble(header):
            yield Problem(line=1, reason=reason)
            return
        for cells in lines:
            if any(cell.strip() for cell in cells):
                num_rows += 1
                yield _state_row(lines.line_num, header, cells, path.parent, scheme)
    except csv.Error as error:
        yield Problem(line=lines.line_num, reason=f"not readable as CSV: {error}")
        return
    if not num_rows:
        yield Problem(line=1, reason="no row follows the header")


def _find_header_trouble(header: list[str]) -> str | None:
    if "image" not in header:
        separated = "; its columns are separated by semicolons, not commas" if any(";" in c for c in header) else ""
        return f"the header has no column 'image'{separated}"
    twice = sorted({column for column in header if column in COLUMNS and header.count(column) > 1})
    return f"the header names the column {twice[0]!r} twice" if twice else None


def _state_row(line: int, header: list[str], cells: list[str], folder: Path, scheme: Scheme) -> Row | Problem:
    if len(cells) > len(header):
        return Problem(line=line, reason=f"has {len(cells)} cells, the header {len(header)}")
    cell = dict.fromkeys(COLUMNS, "") | {column: text.strip() for column, text in zip(header, cells, strict=False)}
    if reason := _find_cell_trouble(cell, scheme):
        return Problem(line=line, reason=reason)
    return Row(
        line=line,
        image=folder / cell["image"],
        name=cell["image"],
        fragment_mask=_join(folder, cell["fragment_mask"]),
        embryo_mask=_join(folder, cell["embryo_mask"]),
        labelme=_join(folder, cell["labelme"]),
        ratio=float(cell["ratio"]) if cell["ratio"] else None,
        grade=cell["grade"] or None,
        patient=cell["patient"],
        slide=cell["slide"],
        # exports write the same well as 1 and as 01
        well=str(int(cell["well"])) if cell["well"].isdecimal() else cell["well"],
        stage=cell["stage"],
    )


def _find_cell_trouble(cell: dict[str, str], scheme: Scheme) -> str | None:
    masks = [column for column in ("fragment_mask", "embryo_mask") if cell[column]]
    if not cell["image"]:
        return "names no image"
    if len(masks) == 1:
        return f"has a {masks[0]} alone; a paired row needs both masks or a LabelMe file"
    if masks and cell["labelme"]:
        return "has masks and a LabelMe file; keep one of them"
    if not masks and not (cell["labelme"] or cell["ratio"] or cell["grade"]):
        return "has neither masks nor ratio nor grade"
    if cell["ratio"] and not _is_ratio(cell["ratio"]):
        return f"the ratio {cell['ratio']!r} is no number in 0..1"
    if cell["grade"] and cell["grade"] not in scheme.grades:
        return f"the grade {cell['grade']!r} is none of {', '.join(scheme.grades)} (scheme {scheme.name})"
    return "has a well without its slide" if cell["well"] and not cell["slide"] else None


def _is_ratio(text: str) -> bool:
    """Whether a text is a number in 0..1.

    >>> [_is_ratio(text) for text in ("0", "0.25", "25", "0,25", "nan")]
    [True, True, False, False, False]
    """
    try:
        return 0.0 <= float(text) <= 1.0
    except ValueError:
        return False


def _join(folder: Path, text: str) -> Path | None:
    return folder / text if text else None


def _find_ambiguous_patients(rows: list[Row]) -> Iterator[Problem]:
    """Rows of one slide and well must agree on the patient, or a split could part them."""
    first_of: dict[tuple[str, str], Row] = {}
    for row in rows:
        first = first_of.setdefault((row.slide, row.well), row)
        if row.slide and row.patient != first.patient:
            reason = f"its patient is {row.patient!r}, but line {first.line} of the same slide and well has"
            yield Problem(line=row.line, reason=f"{reason} {first.patient!r}")


def _look_at(row: Row) -> tuple[bytes, float | None] | Problem:
    """Digest of the picture, and the ratio that holds for the row."""
    try:
        frame = read_labelled(row)
        ratio = _settle_ratio(row, frame)
    except ItemError as error:
        return Problem(line=row.line, reason=error.reason)
    digest = hashlib.sha256(repr(frame.image.shape).encode())
    digest.update(frame.image)
    return digest.digest(), ratio


def _settle_ratio(row: Row, frame: LabelledFrame) -> float | None:
    """The ratio given, else the masks'; None for a grade-only row and for an empty well."""
    if frame.fragment is None:
        return row.ratio
    areas = measure_masks(frame.fragment, frame.embryo)
    outside_px = frame.fragment.sum() - areas.fragment_area_px
    if outside_px > MAX_OUTSIDE_SHARE * frame.fragment.sum():
        raise ItemError(Outcome.CONFLICT, "most of its fragment mask lies outside its embryo mask")
    return areas.ratio_mask if row.ratio is None else row.ratio
