"""The frames of a run as every baseline looks at them: on the canvas that the networks get."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from embryofrag.archive import blank_overlay
from embryofrag.errors import EmbryofragError, ItemError
from embryofrag.imaging.letterbox import Letterbox, letterbox
from embryofrag.training.labelled import read_labelled
from embryofrag.training.row import Row
from embryofrag.training.split import Split

Masks = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Canvas:
    """One frame, letterboxed."""

    row: Row
    image_SSC: np.ndarray
    """uint8 (S, S, 3) RGB."""
    box: Letterbox
    """Where the frame sits on it."""
    truth: Masks | None
    """Fragment and embryo mask in the frame's own pixels; None for a grade-only row."""

    @property
    def grey(self) -> np.ndarray:
        """The frame without padding, in grey: uint8 (h, w)."""
        return self.image_SSC[self.box.content].mean(axis=2).round().astype(np.uint8)


def read_canvases(rows: tuple[Row, ...], input_px: int) -> Iterator[Canvas]:
    """Read rows in their order.

    Raises:
        EmbryofragError: A file of a row can no longer be read.
    """
    for row in rows:
        try:
            frame = read_labelled(row)
        except ItemError as error:
            raise EmbryofragError(
                f"line {row.line} of the manifest: {error.reason}; mend the file or remove the line, then start again"
            ) from error
        image_SSC, box = letterbox(blank_overlay(frame.image), input_px)
        truth = None if frame.fragment is None else (frame.fragment, frame.embryo)
        yield Canvas(row=row, image_SSC=image_SSC, box=box, truth=truth)


def scored_rows(split: Split) -> tuple[Row, ...]:
    """Return the rows to score: the test rows, or the validation rows where there are none."""
    return split.test or split.val
