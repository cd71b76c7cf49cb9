"""Train, validation and test parts that share no patient.

Whole groups (`Row.group`) are dealt out, never frames or focal planes: frames of one embryo look alike, and a
network tested on them would be tested on what it has learnt.
"""

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embryofrag.errors import EmbryofragError, UsageError
from embryofrag.grading.schemes import SCHEMES, grade_ratio
from embryofrag.training.row import Row

PARTS = ("train", "val", "test")
_HEADER = ["group", "part"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The rows of each part, in the manifest's order."""

    train: tuple[Row, ...]
    val: tuple[Row, ...]
    test: tuple[Row, ...]


def split_rows(rows: tuple[Row, ...], seed: int, val_share: float = 0.15, test_share: float = 0.15) -> Split:
    """Deal groups out so that every part comes near its share of the rows and of each grade.

    Groups are taken largest first, equal ones in an order the seed decides, and each goes to the part that then
    lies closest to its shares (sum of squares over the grades and the rows as a whole). Every part with a share gets
    a group as long as there are enough: train first, then validation, then test.

    Args:
        rows: of one manifest.
        seed: 0 or more.
        val_share: Share of the rows for early stopping, 0..1.
        test_share: Share of the rows that training never sees, 0..1.

    Raises:
        UsageError: The shares leave nothing to train on.
    """
    shares = {"train": 1.0 - val_share - test_share, "val": val_share, "test": test_share}
    if not (val_share >= 0.0 and test_share >= 0.0 and shares["train"] > 1e-9):
        raise UsageError(f"shares of {val_share} and {test_share} leave no training rows; they must add up to below 1")
    groups, counts_GS = _count_strata(rows)
    targets_PS = np.outer([shares[part] for part in PARTS], np.ones(counts_GS.shape[1]))
    dealt_PS = np.zeros_like(targets_PS)
    wanted = [index for index, part in enumerate(PARTS) if shares[part] > 0]
    order = np.random.default_rng(seed).permutation(len(groups))
    order = order[np.argsort(-counts_GS[order, -1], kind="stable")]
    part_of: dict[str, str] = {}
    for num_dealt, index in enumerate(order):
        empty = [part for part in wanted if not dealt_PS[part].any()]
        open_parts = empty if len(order) - num_dealt <= len(empty) else wanted
        share_S = counts_GS[index] / counts_GS.sum(axis=0)
        cost_P = ((dealt_PS + share_S - targets_PS) ** 2 - (dealt_PS - targets_PS) ** 2).sum(axis=1)
        part = min(open_parts, key=lambda part: cost_P[part])
        dealt_PS[part] += share_S
        part_of[groups[index]] = PARTS[part]
    return _collect(rows, part_of)


def write_split(path: Path, split: Split) -> None:
    """Write which group is in which part, as CSV with the columns ``group`` and ``part``."""
    part_of = {row.group: part for part in PARTS for row in getattr(split, part)}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([_HEADER, *sorted(part_of.items())])


def read_split(path: Path, rows: tuple[Row, ...]) -> Split:
    """Apply a written split to rows.

    Groups that no row belongs to are passed over, so a part of the data set can be read with its split.

    Raises:
        EmbryofragError: Not a split, a group in two parts, or a row whose group is in no part.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = [line for line in csv.reader(file) if line]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise EmbryofragError(f"{path} cannot be read ({error}): name the split.csv that a training wrote.") from error
    if not lines or lines[0] != _HEADER or any(len(line) != 2 or line[1] not in PARTS for line in lines[1:]):
        raise EmbryofragError(f"{path} is no split: its columns must be group and part, its parts {', '.join(PARTS)}.")
    part_of: dict[str, str] = {}
    for group, part in lines[1:]:
        if part_of.setdefault(group, part) != part:
            raise EmbryofragError(f"{path} has {group!r} in {part_of[group]} and in {part}: keep one of the two lines.")
    for row in rows:
        if row.group not in part_of:
            raise EmbryofragError(
                f"{path} does not say where {row.group!r} (line {row.line} of the manifest) belongs: "
                "add its line, or split the rows anew."
            )
    return _collect(rows, part_of)


def _collect(rows: tuple[Row, ...], part_of: dict[str, str]) -> Split:
    return Split(**{part: tuple(row for row in rows if part_of[row.group] == part) for part in PARTS})


def _count_strata(rows: tuple[Row, ...]) -> tuple[list[str], np.ndarray]:
    """Groups in order of appearance, and the rows each holds: int (groups, strata + 1), the last column all of them."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        counts[row.group][_stratum(row)] += 1
    strata = sorted({stratum for group in counts.values() for stratum in group})
    counts_GS = np.array([[group[s] for s in strata] + [sum(group.values())] for group in counts.values()], int)
    return list(counts), counts_GS.reshape(len(counts), len(strata) + 1)


def _stratum(row: Row) -> str:
    if row.grade is None and row.ratio is not None:
        return grade_ratio(row.ratio, SCHEMES["regdeeplab"])
    return row.grade or ""
