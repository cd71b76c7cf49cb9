"""The locator of a model that looks at the embryo alone: where it comes from, and where it sees embryos.

When frames are graded, the locator finds the embryo on the whole frame and the other modules see a window around it.
Training cuts that window by the labels; the locator is asked where no label says where the embryo is.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from embryofrag.archive import blank_overlay
from embryofrag.engine.contract import LOCATOR, Engine
from embryofrag.engine.eager import EagerEngine
from embryofrag.engine.model import ModelInfo, read_model, verified_file, weights_file
from embryofrag.errors import EmbryofragError, ItemError
from embryofrag.imaging.letterbox import letterbox
from embryofrag.imaging.masks import EMBRYO, find_circle
from embryofrag.imaging.window import Window, window_around
from embryofrag.training.labelled import read_labelled
from embryofrag.training.row import Row

SIDE_SHARES = (0.35, 1.0)
"""Least and greatest side of a window drawn by chance, as shares of the frame's shorter side."""


@dataclass(frozen=True, kw_only=True)
class Locator:
    """A network that finds the embryo on whole frames."""

    model: ModelInfo
    module: str
    """The model's locator, or module A of a model for whole frames."""
    threshold: float
    """Probability from which on a pixel belongs to the embryo."""

    @property
    def network(self) -> dict:
        """``NetworkConfig.to_dict()``."""
        return dict(self.model.network_of(self.module))

    @property
    def weights(self) -> Path:
        """The safetensors file, compared with its sha256."""
        return verified_file(self.model, weights_file(self.module))

    def load(self) -> Engine:
        """Return the network, ready to run."""
        return EagerEngine(self.model, self.module, engine_id="locator")


def open_locator(model_dir: Path) -> Locator:
    """Return the locator of a model that has one, else the module A of a model for whole frames.

    Raises:
        EmbryofragError: The model cannot be read.
    """
    model = read_model(model_dir)
    if model.crop is not None:
        return Locator(model=model, module=LOCATOR, threshold=model.crop.threshold)
    return Locator(model=model, module="a", threshold=model.mask_threshold)


def place_rows(rows: Iterable[Row], locator: Locator, *, diameter_share: float, seed: int) -> tuple[Row, ...]:
    """Give every row that has no labelled embryo a window: where the locator sees an embryo, else one by chance.

    What the locator takes for an embryo is what the other modules will have to refuse, and a window by chance shows
    them what else a frame may hold.

    Args:
        rows: As `read_manifest` returns them.
        locator: Looks at the rows without masks, and at those whose masks are empty.
        diameter_share: Diameter of the embryo over the side of its window.
        seed: Of the windows by chance.

    Raises:
        EmbryofragError: A file of a row can no longer be read.
    """
    engine = locator.load()
    placed = []
    for row in rows:
        has_embryo = row.kind == "paired" and row.ratio is not None
        window = None if has_embryo else _find_window(row, engine, locator.threshold, diameter_share, seed)
        placed.append(replace(row, window=window))
    engine.close()
    return tuple(placed)


def _find_window(row: Row, engine: Engine, threshold: float, diameter_share: float, seed: int) -> Window:
    try:
        image = blank_overlay(read_labelled(row).image)
    except ItemError as error:
        raise EmbryofragError(
            f"line {row.line} of the manifest: {error.reason}; mend the file or remove the line, then start again"
        ) from error
    canvas_SSC, box = letterbox(image, engine.input_px)
    circle = find_circle(engine.run(canvas_SSC[None])[0, EMBRYO], box, threshold)
    if circle is not None:
        return window_around(circle, diameter_share)
    return draw_window(np.random.default_rng([seed, row.line]), image.shape[0], image.shape[1])


def draw_window(rng: np.random.Generator, height_px: int, width_px: int) -> Window:
    """Return a square by chance that lies in the frame.

    >>> draw_window(np.random.default_rng(0), 300, 400)
    Window(top_px=36, left_px=46, side_px=229)
    """
    side_px = max(1, round(rng.uniform(*SIDE_SHARES) * min(height_px, width_px)))
    return Window(
        top_px=int(rng.integers(0, height_px - side_px + 1)),
        left_px=int(rng.integers(0, width_px - side_px + 1)),
        side_px=side_px,
    )
