"""The instruments a phantom can come from, and the look of one frame drawn around their ranges.

Grey levels are 0..1 of full scale; contrasts are relative to the light behind the embryo. Level and size ranges of the
two incubators were set by eye and by histogram beside public EmbryoScope and EmbryoScope+ frames.
"""

from dataclasses import dataclass, replace

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
    sharpen: Range = (0.0, 0.3)
    """What the camera adds of the picture's finest detail: above 0 outlines get a rim of the opposite tone."""
    pepper: Range = (0.0, 0.5)
    """How much single coarse granules stand out of the cytoplasm, in the embryos that have any."""
    crop_chance: float = 0.0
    """Share of square pictures that the embryo nearly fills or overfills."""


INSTRUMENTS = {
    "embryoscope": Instrument(
        shape=(500, 500),
        um_per_px=(0.5814, 0.5814),
        has_well=True,
        has_colour=False,
        medium_level=(0.19, 0.38),
        rim_level=(0.45, 1.3),
        rim_width_um=(2.5, 9),
        rim_lit_from=(-0.6, 0.5),
        relief=(0.30, 0.85),
        edge=(0.30, 0.65),
        cell_tone=(-0.20, 0.02),
        grain=(0.08, 0.26),
        blur_um=(0.2, 0.4),
        noise=(0.004, 0.012),
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
        rim_width_um=(3.5, 13),
        rim_lit_from=(-0.8, 0.0),
        relief=(0.15, 0.45),
        edge=(0.30, 0.65),
        cell_tone=(-0.28, -0.08),
        grain=(0.08, 0.22),
        blur_um=(0.14, 0.34),
        noise=(0.008, 0.020),
        overlay_chance=1.0,
        scale_bar_chance=0.0,
    ),
    "bench": Instrument(
        shape=(480, 720),
        um_per_px=(0.21, 0.85),
        has_well=False,
        has_colour=True,
        medium_level=(0.45, 0.80),
        rim_level=(0.0, 0.0),
        rim_width_um=(1, 1),
        rim_lit_from=(0, 0),
        relief=(0.05, 0.46),
        edge=(0.25, 0.75),
        cell_tone=(-0.30, 0.02),
        grain=(0.04, 0.22),
        blur_um=(0.12, 0.60),
        noise=(0.005, 0.024),
        overlay_chance=0.0,
        scale_bar_chance=0.3,
        sharpen=(0.0, 2.2),
        pepper=(0.2, 1.6),
        crop_chance=0.5,
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
    coarse_grain: bool
    """Clouds in the cytoplasm beside the fine grain."""
    pepper: float
    sharpen: float
    gamma: float = 1.0
    vignette: float = 0.0
    """Light lost in the corners, 0..1."""
    jpeg_quality: int = 92


_CROP_SIDES_PX = (230, 480)
_EMBRYO_UM = 60.0
"""Usual inner radius of the zona."""


def frame_instrument(rng: np.random.Generator, instrument: Instrument) -> Instrument:
    """The instrument with the shape and pixel size of one picture.

    On a wide picture the zona's inner radius is 15 to 38 % of the shorter side, on a square crop 25 to 60 %.
    """
    is_crop, side_px = rng.random() < instrument.crop_chance, int(rng.integers(*_CROP_SIDES_PX))
    low, high = instrument.um_per_px
    if low == high:
        return instrument
    shape = (side_px, side_px) if is_crop else instrument.shape
    share = rng.uniform(0.25, 0.60) if is_crop else np.exp(rng.uniform(np.log(0.15), np.log(0.38)))
    um_per_px = float(np.clip(_EMBRYO_UM / (share * min(shape)), low, high))
    return replace(instrument, shape=shape, um_per_px=(um_per_px, um_per_px))


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
        coarse_grain=rng.random() < 0.65,
        pepper=rng.uniform(*instrument.pepper) * (rng.random() < 0.45),
        sharpen=rng.uniform(*instrument.sharpen) * (rng.random() < 0.7),
        jpeg_quality=int(rng.integers(86, 97)),
    )


_VARIED_SHARE = 0.35
"""Chance of each property of a look to leave its instrument's usual range."""


def vary_look(rng: np.random.Generator, look: Look) -> Look:
    """The look with some of its properties far from the instrument's usual ones."""
    varied = {
        "medium_level": float(np.clip(look.medium_level * np.exp(rng.normal(0, 0.35)), 0.12, 0.93)),
        "relief": float(np.clip(look.relief * np.exp(rng.normal(0, 0.5)), 0.03, 0.9)),
        "one_sided": rng.uniform(0.0, 1.6),
        "edge": float(np.clip(look.edge * np.exp(rng.normal(0, 0.35)), 0.12, 0.85)),
        "edge_um": float(np.clip(look.edge_um * np.exp(rng.normal(0.2, 0.4)), 0.4, 2.2)),
        "cell_tone": look.cell_tone + rng.normal(0, 0.08),
        "grain": float(np.clip(look.grain * np.exp(rng.normal(0.1, 0.6)), 0.01, 0.35)),
        "grain_um": float(np.clip(look.grain_um * np.exp(rng.normal(0.3, 0.45)), 0.2, 1.4)),
        "pepper": rng.uniform(0, 2.0),
        "opacity": rng.uniform(0.15, 0.95),
        "halo": rng.uniform(0.0, 0.4),
        "blur_um": float(np.clip(look.blur_um * np.exp(rng.normal(0.25, 0.5)), 0.1, 1.6)),
        "noise": float(np.clip(look.noise * np.exp(rng.normal(0.2, 0.6)), 0.002, 0.06)),
        "sharpen": rng.uniform(0, 1.8),
        "gamma": float(np.exp(rng.normal(0, 0.25))),
        "vignette": rng.uniform(0, 0.5),
        "jpeg_quality": int(rng.integers(68, 90)),
    }
    chosen = rng.random(len(varied)) < _VARIED_SHARE
    return replace(look, **{name: value for (name, value), take in zip(varied.items(), chosen, strict=True) if take})
