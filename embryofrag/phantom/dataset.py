"""Data sets of independent drawn frames: images, masks and a manifest."""

import csv
import math
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from embryofrag.errors import EmbryofragError, UsageError
from embryofrag.phantom.element import check_elements
from embryofrag.phantom.frame import MAX_CELLS, PhantomFrame, draw_frame
from embryofrag.phantom.instrument import INSTRUMENTS, get_instrument
from embryofrag.phantom.out_of_scope import OUT_OF_SCOPE, draw_out_of_scope
from embryofrag.phantom.two_embryos import draw_two_embryos

MANIFEST_COLUMNS = (
    "image",
    "fragment_mask",
    "embryo_mask",
    "ratio",
    "grade",
    "stage",
    "num_cells",
    "patient",
    "slide",
    "well",
    "instrument",
    "seed",
    "um_per_px",
)

_WELLS_PER_PATIENT = 6

LATE_CELLS = 8
"""So many cells and more are late."""


def grade_letter(ratio: float) -> str:
    """Grade of the scheme `regdeeplab`: A [0, .10) B [.10, .25) C [.25, .50] D (.50, 1]; empty where ratio is nan.

    >>> [grade_letter(r) for r in (0.0, 0.10, 0.25, 0.50, 0.51, math.nan)]
    ['A', 'B', 'C', 'C', 'D', '']
    """
    if math.isnan(ratio):
        return ""
    return "A" if ratio < 0.10 else "B" if ratio < 0.25 else "C" if ratio <= 0.50 else "D"


def format_ratio(ratio: float) -> str:
    """Six decimals, empty where there is no embryo.

    >>> format_ratio(0.25), format_ratio(math.nan)
    ('0.250000', '')
    """
    return "" if math.isnan(ratio) else f"{ratio:.6f}"


def make_empty_folder(out: Path) -> None:
    """Creates the folder, or takes an empty one.

    Raises:
        EmbryofragError: It holds something, or is no folder.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise EmbryofragError(f"{out} is not an empty folder: name a new one with --out.")
    out.mkdir(parents=True, exist_ok=True)


def write_png(path: Path, image: np.ndarray) -> None:
    """Writes a (H, W) grey or (H, W, 3) RGB uint8 image, or a (H, W) bool mask as 0/255."""
    if image.dtype == bool:
        image = image.astype(np.uint8) * 255
    ordered = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    path.write_bytes(cv2.imencode(".png", ordered)[1].tobytes())


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What a data set holds beside cleavage-stage embryos, and what it leaves out of them."""

    out_of_scope_share: float = 0.0
    """Share of frames of `out_of_scope_kinds`, in turn, 0..1; their ratio and grade stay blank."""
    out_of_scope_kinds: tuple[str, ...] = OUT_OF_SCOPE
    """Of `OUT_OF_SCOPE`."""
    late_share: float = 0.0
    """Share of frames of 8 to 16 cells, 0..1, beside those that chance gives."""
    two_embryo_share: float = 0.0
    """Share of frames of two embryos, 0..1."""
    without: frozenset[str] = frozenset()
    """Names of `ELEMENTS`."""


CLEAVAGE_ONLY = Mix()
"""One cleavage-stage embryo in every frame."""


def write_frames(
    out: Path,
    count: int,
    seed: int,
    instruments: Sequence[str] = tuple(INSTRUMENTS),
    mix: Mix = CLEAVAGE_ONLY,
    num_workers: int = 1,
) -> Path:
    """Writes `count` independent frames with masks and a manifest.

    Args:
        out: A new or empty folder.
        count: Number of frames.
        seed: Decides all of them; frame i of a seed is the same whatever the count and the workers.
        instruments: Taken in turn.
        mix: Shares of what is not one cleavage-stage embryo.
        num_workers: Processes that draw.

    Returns:
        Path of `manifest.csv`; the paths in it are relative to its folder.

    Raises:
        EmbryofragError: The folder holds something.
        UsageError: No such instrument or element, or the shares add up to more than 1.
    """
    for name in instruments:
        get_instrument(name)
    check_elements(mix.without)
    if mix.out_of_scope_share + mix.two_embryo_share + mix.late_share > 1:
        raise UsageError("The shares of what is not left to chance add up to more than 1: lower one.")
    make_empty_folder(out)
    manifest = out / "manifest.csv"
    write_one = partial(_write_frame, out, seed, tuple(instruments), mix)
    with manifest.open("w", newline="", encoding="utf-8") as file, ExitStack() as stack:
        writer = csv.DictWriter(file, MANIFEST_COLUMNS, lineterminator="\n")
        writer.writeheader()
        if num_workers == 1:
            writer.writerows(map(write_one, range(count)))
        else:
            # a forked process would inherit locks of threads it does not have
            pool = ProcessPoolExecutor(num_workers, get_context("spawn"), cv2.setNumThreads, (1,))
            writer.writerows(stack.enter_context(pool).map(write_one, range(count), chunksize=8))
    return manifest


def _draw_frame(seed: int, instruments: Sequence[str], mix: Mix, index: int) -> PhantomFrame:
    """Frame `index` of a seed."""
    rng = np.random.default_rng([seed, index])
    frame_seed, kind = int(rng.integers(2**31)), rng.random()
    turn, place = divmod(index, len(instruments))
    instrument = instruments[place]
    if kind < mix.out_of_scope_share:
        kinds = mix.out_of_scope_kinds
        return draw_out_of_scope(frame_seed, kind=kinds[turn % len(kinds)], instrument=instrument)
    if kind < mix.out_of_scope_share + mix.two_embryo_share:
        return draw_two_embryos(frame_seed, instrument=instrument, without=mix.without)
    late = kind < mix.out_of_scope_share + mix.two_embryo_share + mix.late_share
    num_cells = int(rng.integers(LATE_CELLS, MAX_CELLS + 1)) if late else None
    return draw_frame(frame_seed, instrument=instrument, num_cells=num_cells, without=mix.without)


def _write_frame(out: Path, seed: int, instruments: Sequence[str], mix: Mix, index: int) -> dict[str, str | int]:
    """Draws one frame, writes its three files and returns its manifest row."""
    frame = _draw_frame(seed, instruments, mix, index)
    name = f"{index:06d}"
    files = {"image": f"{name}.png", "fragment_mask": f"{name}_fragment.png", "embryo_mask": f"{name}_embryo.png"}
    for column, pixels in zip(files, (frame.image, frame.fragment_mask, frame.embryo_mask), strict=True):
        write_png(out / files[column], pixels)
    patient = index // _WELLS_PER_PATIENT
    return files | {
        "ratio": format_ratio(frame.ratio),
        "grade": grade_letter(frame.ratio),
        "stage": frame.stage,
        "num_cells": frame.num_cells,
        "patient": f"phantom-{patient:05d}",
        "slide": f"S{90000 + patient}",
        "well": index % _WELLS_PER_PATIENT + 1,
        "instrument": frame.instrument,
        "seed": frame.seed,
        "um_per_px": f"{frame.um_per_px:.4f}",
    }
