"""Noise tiles: made once per process, then only cropped.

Hoffman contrast shows the slope of the optical thickness along one direction, so granular cytoplasm looks like the
directional derivative of smooth noise. A derivative can be steered: with the two tiles gx and gy of one scale, the
texture under light direction (lx, ly) is lx gx + ly gy.
"""

from functools import cache

import cv2
import numpy as np

SLOPE_TILE_PX = 800
"""Side of a grain tile; no lit patch may be larger, so no frame either."""

WHITE_TILE_PX = 1024
"""Side of the white noise tile; no frame may be larger."""

SIGMAS_PX = (0.6, 0.85, 1.2, 1.7, 2.4, 3.4, 6.8, 13.6)
"""Scales that are kept; a scale asked for is rounded to the nearest one."""

_COARSEST_PX = 20.0
_OCTAVE_WEIGHT = 0.9
"""Each octave is nearly as strong as the next finer one, as measured on the cytoplasm of real frames."""

_ALONG, _ACROSS = 0.9, 0.436
"""Weights of the lit slope and of an unrelated slope across it, without which grain looks like crumpled paper."""

_TILE_SEED = 20240229


def nearest_sigma_px(sigma_px: float) -> float:
    """The kept scale nearest to the one asked for.

    >>> nearest_sigma_px(1.0)
    0.85
    """
    return min(SIGMAS_PX, key=lambda kept: abs(kept - sigma_px))


@cache
def slope_tiles(sigma_px: float, coarse: bool) -> tuple[np.ndarray, np.ndarray]:
    """x and y derivative of noise that has structure from one scale up.

    Returns:
        Two (SLOPE_TILE, SLOPE_TILE) float32, mean 0, standard deviation 1.
    """
    slopes = np.zeros((2, SLOPE_TILE_PX, SLOPE_TILE_PX), np.float32)
    weight = 1.0
    rng = np.random.default_rng([_TILE_SEED, round(sigma_px * 100)])
    coarsest_px = _COARSEST_PX if coarse else 3 * sigma_px
    while sigma_px < coarsest_px:
        noise = rng.standard_normal((SLOPE_TILE_PX + 2, SLOPE_TILE_PX + 2), dtype=np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), sigma_px)
        octave = np.stack([smooth[1:-1, 2:] - smooth[1:-1, :-2], smooth[2:, 1:-1] - smooth[:-2, 1:-1]])
        slopes += octave * np.float32(weight / octave.std())
        weight *= _OCTAVE_WEIGHT
        sigma_px *= 2
    return slopes[0] / slopes[0].std(), slopes[1] / slopes[1].std()


@cache
def white_tile() -> np.ndarray:
    """White Gaussian noise, (WHITE_TILE, WHITE_TILE) float32, standard deviation 1."""
    return np.random.default_rng(_TILE_SEED).standard_normal((WHITE_TILE_PX, WHITE_TILE_PX), dtype=np.float32)


def _corner(rng: np.random.Generator, shape: tuple[int, int], tile_px: int) -> tuple[slice, slice]:
    top, left = rng.integers(0, (tile_px - shape[0] + 1, tile_px - shape[1] + 1))
    return slice(top, top + shape[0]), slice(left, left + shape[1])


def crop_grain(
    rng: np.random.Generator,
    shape: tuple[int, int],
    sigma_px: float,
    light: tuple[float, float],
    *,
    coarse: bool = True,
) -> np.ndarray:
    """A crop of grain lit from one direction.

    Args:
        rng: Chooses the crop.
        shape: (H, W), each at most SLOPE_TILE_PX.
        sigma_px: Size of the finest grains, rounded to a kept scale.
        light: Unit vector (x, y).
        coarse: With all coarser scales too, as cytoplasm has them; else two scales only.

    Returns:
        (H, W) float32, mean 0, standard deviation about 1.
    """
    slope_x, slope_y = slope_tiles(nearest_sigma_px(sigma_px), coarse)
    along, across = _corner(rng, shape, SLOPE_TILE_PX), _corner(rng, shape, SLOPE_TILE_PX)
    x, y = light
    lit = cv2.addWeighted(slope_x[along], _ALONG * x, slope_y[along], _ALONG * y, 0)
    aside = cv2.addWeighted(slope_x[across], _ACROSS * y, slope_y[across], -_ACROSS * x, 0)
    return cv2.add(lit, aside, dst=lit)


def crop_white(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """A read-only crop of white noise, (H, W) float32, standard deviation 1; each side at most WHITE_TILE_PX."""
    return white_tile()[_corner(rng, shape, WHITE_TILE_PX)]
