"""The frames an engine is quantised with, and the labelled ones it is then judged on."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from embryofrag.archive import ReadLimits, blank_overlay, read_picture, scan_archive
from embryofrag.engine.accuracy import LabelledFrame
from embryofrag.errors import EmbryofragError, ItemError
from embryofrag.phantom import INSTRUMENTS, draw_frame

NUM_CALIBRATION_FRAMES = 256
NUM_JUDGED_FRAMES = 200
_CALIBRATION_SEED, _JUDGED_SEED = 41_000_000, 42_000_000
"""First seeds of the drawn frames: no frame is in both sets, nor in the probe."""


def calibration_images(folder: Path | None) -> list[np.ndarray]:
    """Return up to `NUM_CALIBRATION_FRAMES` frames, uint8 (H, W) or (H, W, 3), overlay blanked.

    Args:
        folder: An archive, of which frames spread evenly are taken; files that cannot be read are passed over.
            None: drawn frames.

    Raises:
        EmbryofragError: the folder holds no image that can be read.
    """
    if folder is None:
        return [frame.image for frame in _drawn_frames(_CALIBRATION_SEED, NUM_CALIBRATION_FRAMES)]
    frames = scan_archive(folder).frames
    places = np.unique(np.linspace(0, len(frames) - 1, NUM_CALIBRATION_FRAMES).round().astype(int))
    images = []
    for place in places:
        try:
            images.append(blank_overlay(read_picture(frames[place], ReadLimits()).image))
        except ItemError:
            continue  # a run says what is wrong with it
    if not images:
        raise EmbryofragError(f"{folder} holds no image that can be read: name another folder with --calibration")
    return images


def judged_frames() -> list[LabelledFrame]:
    """Return the `NUM_JUDGED_FRAMES` labelled frames that decide about a quantised engine."""
    return list(_drawn_frames(_JUDGED_SEED, NUM_JUDGED_FRAMES))


def _drawn_frames(first_seed: int, count: int) -> Iterator[LabelledFrame]:
    """Cleavage-stage embryos of all instruments in turn."""
    instruments = list(INSTRUMENTS)
    for index in range(count):
        frame = draw_frame(first_seed + index, instrument=instruments[index % len(instruments)])
        yield LabelledFrame(
            image=blank_overlay(frame.image), fragment_mask=frame.fragment_mask, embryo_mask=frame.embryo_mask
        )
