"""The instruments a phantom can come from, and the look of one frame drawn around their ranges.

Grey levels are 0..1 of full scale; contrasts are relative to the light behind the embryo. Level and size ranges of the
two incubators were set by eye and by histogram beside public EmbryoScope and EmbryoScope+ frames.
"""

from dataclasses import dataclass

import numpy as np

from embryofrag.errors import UsageError

Range = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """What is common to all frames of one instrument."""

    shape: tuple[int, int]
    """(H, W) of a frame in pixels."""
    um_per_px: Range
    """Equal ends where the instrument has one pixel size."""
    has_well: bool
    """A round well with a bright rim; else an even field."""
    has_colour: bool
    medium_level: Range
    rim_level: Range
    """Brightness of the well's rim on its lit side; above 1 saturates."""
    rim_width_um: Range
    rim_lit_from: Range
    """Cosine of the azimuth to the light from which the rim shines: -1 all around, 1 nowhere."""
    relief: Range
    edge: Range
    cell_tone: Range
    grain: Range
    blur_um: Range
    noise: Range
    overlay_chance: float
    """Share of frames with burned-in well and hour, where the caller names neither."""
    scale_bar_chance: float


INSTRUMENTS = {
    "embryoscope": Instrument(
        shape=(500, 500),
        um_per_px=(0.5814, 0.5814),
        has_well=True,
        has_colour=False,
        medium_level=(0.19, 0.38),
        rim_level=(0.45, 1.3),
        rim_width_um=(2.5, 7),
        rim_lit_from=(-0.3, 0.4),
        relief=(0.22, 0.60),
        edge=(0.30, 0.65),
        cell_tone=(-0.20, 0.02),
        grain=(0.06, 0.16),
        blur_um=(0.2, 0.4),
        noise=(0.006, 0.016),
        overlay_chance=0.5,
        scale_bar_chance=0.0,
    ),
    "embryoscope_plus": Instrument(
        shape=(800, 800),
        um_per_px=(0.3436, 0.3436),
        has_well=True,
        has_colour=False,
        medium_level=(0.52, 0.76),
        rim_level=(0.7, 1.6),
        rim_width_um=(4, 11),
        rim_lit_from=(-0.8, 0.0),
        relief=(0.12, 0.32),
        edge=(0.30, 0.65),
        cell_tone=(-0.28, -0.08),
        grain=(0.06, 0.14),
        blur_um=(0.14, 0.34),
        noise=(0.008, 0.020),
        overlay_chance=1.0,
        scale_bar_chance=0.0,
    ),
    "bench": Instrument(
        shape=(480, 720),
        um_per_px=(0.34, 0.80),
        has_well=False,
        has_colour=True,
        medium_level=(0.45, 0.80),
        rim_level=(0.0, 0.0),
        rim_width_um=(1, 1),
        rim_lit_from=(0, 0),
        relief=(0.08, 0.42),
        edge=(0.25, 0.70),
        cell_tone=(-0.30, 0.02),
        grain=(0.03, 0.13),
        blur_um=(0.2, 0.60),
        noise=(0.004, 0.018),
        overlay_chance=0.0,
        scale_bar_chance=0.4,
    ),
}
"""Every instrument by name."""


def get_instrument(name: str) -> Instrument:
    """The instrument of that name.

    Raises:
        UsageError: There is none.
    """
    if name not in INSTRUMENTS:
        raise UsageError(f"No instrument is called {name!r}: choose one of {', '.join(INSTRUMENTS)}.")
    return INSTRUMENTS[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How one embryo looks in one instrument: the same over its frames."""

    um_per_px: float
    light: tuple[float, float]
    """Unit vector (x, y) towards the bright side of every body."""
    medium_level: float
    relief: float
    """Contrast of the broad shading from the dark to the bright side."""
    one_sided: float
    """How much weaker the dark outline is on the bright side; above 1 it is bright there."""
    edge: float
    edge_um: float
    cell_tone: float
    grain: float
    grain_um: float
    opacity: float
    """How much of what lies below a cell is hidden, 0..1."""
    halo: float
    blur_um: float
    noise: float
    focus_um: float
    """Height of the plane in focus in a frame that claims focal plane 0."""


def draw_look(rng: np.random.Generator, instrument: Instrument) -> Look:
    """A look from the middle of the instrument's ranges to their ends."""
    light_rad = rng.normal(np.pi / 2, 0.8) if rng.random() < 0.6 else rng.uniform(0, 2 * np.pi)
    defocused = rng.random() < 0.06
    return Look(
        um_per_px=rng.uniform(*instrument.um_per_px),
        light=(float(np.cos(light_rad)), float(np.sin(light_rad))),
        medium_level=rng.uniform(*instrument.medium_level),
        relief=rng.uniform(*instrument.relief),
        one_sided=rng.uniform(0.3, 1.3),
        edge=rng.uniform(*instrument.edge),
        edge_um=rng.uniform(0.6, 1.1),
        cell_tone=rng.uniform(*instrument.cell_tone),
        grain=rng.uniform(*instrument.grain),
        grain_um=rng.uniform(0.22, 0.45),
        opacity=rng.uniform(0.25, 0.85),
        halo=rng.uniform(0.0, 0.18),
        blur_um=rng.uniform(*instrument.blur_um),
        noise=rng.uniform(*instrument.noise),
        focus_um=rng.normal(0, 28 if defocused else 5),
    )
