"""One drawn embryo over time: the same well, zona and look at several hours and focal planes."""

from dataclasses import dataclass

import numpy as np

from embryofrag.phantom.frame import MAX_RATIO, PhantomFrame, draw_frame, draw_ratio

_CLEAVAGE_HPI = ((2, 26.0), (3, 36.0), (4, 38.0), (5, 49.0), (6, 52.0), (7, 55.0), (8, 57.0))
"""Number of cells and the usual hour at which it is reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhantomEmbryo:
    """What does not change from frame to frame."""

    seed: int
    instrument: str
    well: int
    lag: float
    """Factor on all cleavage hours, 1 is the usual pace."""
    final_ratio: float
    """Fragmentation reached by 60 hpi; it begins at the first cleavage."""
    empty: bool = False
    """A well without an embryo."""

    def num_cells(self, hpi: float) -> int:
        """Cells at that hour; 0 in an empty well.

        >>> PhantomEmbryo(seed=1, instrument="embryoscope", well=1, lag=1.0, final_ratio=0.2).num_cells(44)
        4
        """
        return 0 if self.empty else max([1] + [cells for cells, hour in _CLEAVAGE_HPI if hpi >= hour * self.lag])

    def ratio(self, hpi: float) -> float:
        """Fragmentation to draw at that hour: none before the first cleavage, two thirds at it, then slowly rising.

        >>> PhantomEmbryo(seed=1, instrument="embryoscope", well=1, lag=1.0, final_ratio=0.3).ratio(60)
        0.3
        """
        first, last = 26.0 * self.lag, 60.0
        if hpi < first:
            return 0.0
        grown = min(1.0, (hpi - first) / max(last - first, 1.0))
        return self.final_ratio * (2 + grown) / 3


def draw_embryo(seed: int, *, instrument: str = "embryoscope", well: int = 1, empty: bool = False) -> PhantomEmbryo:
    """A random embryo, determined by its seed."""
    rng = np.random.default_rng([seed, 1000])
    return PhantomEmbryo(
        seed=seed,
        instrument=instrument,
        well=well,
        lag=float(rng.uniform(0.92, 1.1)),
        final_ratio=min(MAX_RATIO, draw_ratio(rng)),
        empty=empty,
    )


def draw_embryo_frame(embryo: PhantomEmbryo, hpi: float, focal_um: float = 0.0) -> PhantomFrame:
    """The embryo at one hour (hpi) in one focal plane, well and hour burned in where the instrument does so.

    Frames of one hour share their masks, whatever their plane.
    """
    return draw_frame(
        embryo.seed,
        instrument=embryo.instrument,
        ratio=embryo.ratio(hpi),
        num_cells=embryo.num_cells(hpi),
        well=embryo.well,
        hpi=hpi,
        focal_um=focal_um,
    )
