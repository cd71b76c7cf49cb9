"""A drawn data set of the paper's size: frames with masks, frames with a grade alone, and further ones to score on."""

import csv
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from embryofrag.grading.schemes import SCHEMES, grade_ratio
from embryofrag.phantom import PhantomFrame, draw_frame
from embryofrag.phantom.dataset import write_png
from embryofrag.training.manifest import COLUMNS, read_manifest
from embryofrag.training.split import Split, split_rows, write_split

NUM_PAIRED, NUM_GRADE_ONLY = 318, 1549
"""Frames of the paper's data set."""
STAGES = {"T2": 2, "T4": 4}
"""Cells at each stage; every drawn embryo is seen at both."""
WELLS_PER_SLIDE = 12
CROP_SHARE = (1.35, 1.6)
"""Side of the picture as a share of the embryo's larger extent: fragments need pixels."""
CROP_SHIFT_SHARE = 0.05
INSTRUMENT = "embryoscope"
SCHEME = SCHEMES["regdeeplab"]
VAL_SHARE = 0.15
PARTS = ("paired", "grade_only", "test")


def draw_dataset(folder: Path, *, scale: float, test_frames: int) -> None:
    """Draw the frames and ``all.csv`` and ``paired.csv``, which name all of them and those with masks."""
    building = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    counts = (round(NUM_PAIRED * scale), round(NUM_GRADE_ONLY * scale), test_frames)
    rows = [row for part, count in zip(PARTS, counts, strict=True) for row in draw_part(building, part, count)]
    write_rows(building / "all.csv", rows)
    write_rows(building / "paired.csv", (row for row in rows if "ratio" in row))
    building.rename(folder)


def draw_part(folder: Path, part: str, count: int) -> Iterator[dict[str, str]]:
    """Draw the frames of one part, two of each embryo; yields their rows of the manifest."""
    for index in range(count):
        embryo, place = divmod(index, len(STAGES))
        stage = list(STAGES)[place]
        rng = np.random.default_rng([PARTS.index(part), embryo])
        frame = draw_frame(int(rng.integers(2**31)), instrument=INSTRUMENT, num_cells=STAGES[stage])
        window = choose_window(frame, np.random.default_rng([PARTS.index(part), embryo, place]))
        slide, well = divmod(embryo, WELLS_PER_SLIDE)
        row = {"image": f"{part}-{index:05d}.png", "stage": stage, "slide": f"{part}-{slide}", "well": str(well + 1)}
        write_png(folder / row["image"], frame.image[window])
        row["grade"] = grade_ratio(frame.ratio, SCHEME)
        if part != "grade_only":
            row |= {"ratio": f"{frame.ratio:.6f}"}
            for column, mask in (("fragment_mask", frame.fragment_mask), ("embryo_mask", frame.embryo_mask)):
                row[column] = f"{part}-{index:05d}-{column}.png"
                write_png(folder / row[column], mask[window])
        yield row


def choose_window(frame: PhantomFrame, rng: np.random.Generator) -> tuple[slice, slice]:
    """Return a square around the embryo, of random size and somewhat off centre, within the frame."""
    ends = [(np.flatnonzero(frame.embryo_mask.any(axis=axis))[[0, -1]]) for axis in (1, 0)]
    extent_px = max(last - first + 1 for first, last in ends)
    side_px = min(round(extent_px * rng.uniform(*CROP_SHARE)), *frame.embryo_mask.shape)
    window = []
    for (first, last), length_px in zip(ends, frame.embryo_mask.shape, strict=True):
        centre_px = (first + last) / 2 + rng.uniform(-1, 1) * CROP_SHIFT_SHARE * side_px
        start = int(np.clip(round(centre_px - side_px / 2), 0, length_px - side_px))
        window.append(slice(start, start + side_px))
    return tuple(window)


def write_rows(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Write a manifest."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def split_frames(frames: Path, seed: int) -> Split:
    """Return the split of a seed: the same test frames for all, the rest split by embryo; written beside the frames."""
    rows = read_manifest(frames / "all.csv", SCHEME)
    is_test = [row.slide.startswith(f"{PARTS[2]}-") for row in rows]
    rest = split_rows(tuple(row for row, held in zip(rows, is_test, strict=True) if not held), seed, VAL_SHARE, 0.0)
    split = replace(rest, test=tuple(row for row, held in zip(rows, is_test, strict=True) if held))
    if not split_file(frames, seed).exists():  # another process may be reading it
        write_split(split_file(frames, seed), split)
    return split


def split_file(frames: Path, seed: int) -> Path:
    """Where the split of a seed lies."""
    return frames / f"split-{seed}.csv"
