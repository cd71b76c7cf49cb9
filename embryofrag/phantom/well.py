"""The light behind the embryo: an incubator's well with its rim, or the even field of a bench microscope."""

from dataclasses import dataclass

import cv2
import numpy as np

from embryofrag.phantom.instrument import Instrument, Look
from embryofrag.phantom.texture import crop_grain


@dataclass(frozen=True, slots=True, kw_only=True)
class Well:
    """A round well in the frame."""

    x_px: float
    y_px: float
    radius_px: float


def draw_well(rng: np.random.Generator, instrument: Instrument, um_per_px: float) -> Well:
    """A well of 240 to 272 um diameter near the middle of the frame."""
    height, width = instrument.shape
    return Well(
        x_px=width * rng.uniform(0.46, 0.54),
        y_px=height * rng.uniform(0.46, 0.54),
        radius_px=rng.uniform(120, 136) / um_per_px,
    )


def light_well(rng: np.random.Generator, well: Well, instrument: Instrument, look: Look) -> np.ndarray:
    """Light through the well: even inside, a bright rim on one side, dark or ringed outside.

    The well is a dip in the dish, so its rim shines on the side where a body is dark.

    Returns:
        (H, W) float32, 1 is full scale; the saturated rim may exceed it.
    """
    height, width = instrument.shape
    # everything here is smooth over several pixels: half the resolution, a quarter of the time
    dx = np.arange(0, width + 1, 2, dtype=np.float32)[None] - np.float32(well.x_px)
    dy = np.arange(0, height + 1, 2, dtype=np.float32)[:, None] - np.float32(well.y_px)
    rho = np.sqrt(dx * dx + dy * dy)
    turn_rad = np.arctan2(-look.light[1], -look.light[0]) + rng.normal(0, 0.35)
    lit = (dx * np.float32(np.cos(turn_rad)) + dy * np.float32(np.sin(turn_rad))) / (rho + 1)
    shining = 1 / (1 + np.exp((np.float32(rng.uniform(*instrument.rim_lit_from)) - lit) / np.float32(0.2)))
    out_um = (rho - np.float32(well.radius_px)) * np.float32(look.um_per_px)
    tilt = rng.uniform(-0.06, 0.06, 2) / well.radius_px
    inside = 1 + np.float32(tilt[0]) * dx + np.float32(tilt[1]) * dy
    inside += (
        np.float32(rng.uniform(0.0, 0.2)) * shining * np.exp(np.minimum(out_um, 0) / np.float32(rng.uniform(6, 14)))
    )
    outside = shining * np.float32(rng.uniform(0.4, 1.0)) * _draw_rings(rng, rho, look)
    open_share = 1 / (1 + np.exp(np.clip(out_um / np.float32(rng.uniform(1.0, 2.2)), -20, 20)))
    background = np.float32(look.medium_level) * (inside * open_share + outside * (1 - open_share))
    rim_um = rng.uniform(*instrument.rim_width_um)
    profile = np.exp(
        -((np.abs(out_um - np.float32(0.5 * rim_um)) / np.float32(rim_um)) ** np.float32(rng.uniform(1.8, 4)))
    )
    background += np.float32(rng.uniform(*instrument.rim_level)) * shining * profile
    full = cv2.resize(background, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    return full[:height, :width]


def _draw_rings(rng: np.random.Generator, rho_px: np.ndarray, look: Look) -> np.ndarray:
    """Faint concentric rings and streaks in the plastic around the well, mean 1."""
    spacing_px = rng.uniform(4, 9) / look.um_per_px
    knots_px = np.arange(0, 1500, spacing_px)
    heights = rng.standard_normal(len(knots_px)) * rng.uniform(0.04, 0.16)
    profile = np.interp(np.arange(1400), knots_px, heights).astype(np.float32)
    profile = cv2.GaussianBlur(profile[None], (0, 0), 0.25 * spacing_px)[0]
    streaks = crop_grain(rng, rho_px.shape, 2.4, look.light) * np.float32(rng.uniform(0.0, 0.06))
    return 1 + profile[rho_px.astype(np.int32)] + streaks


def light_bench(rng: np.random.Generator, instrument: Instrument, look: Look) -> np.ndarray:
    """The even field of a bench microscope with a slight gradient and cloudiness, (H, W) float32."""
    height, width = instrument.shape
    across = np.linspace(-1, 1, width, dtype=np.float32)[None] * np.float32(rng.uniform(-0.15, 0.15))
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * np.float32(rng.uniform(-0.15, 0.15))
    clouds = crop_grain(rng, instrument.shape, 19.0, look.light) * np.float32(rng.uniform(0, 0.015))
    return np.float32(look.medium_level) * (1 + across + down + clouds)
