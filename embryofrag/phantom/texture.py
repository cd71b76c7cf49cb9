"""Noise tiles: made once per process, then only cropped.

Hoffman contrast shows the slope of the optical thickness along one direction, so granular cytoplasm looks like the
directional derivative of smooth noise. A derivative can be steered: with the two tiles gx and gy of one scale, the
texture under light direction (lx, ly) is lx gx + ly gy.
"""

from functools import cache

import cv2
import numpy as np

TILE_PX = 1024
"""Side of a tile; no patch may be larger."""

SIGMAS_PX = (0.6, 0.85, 1.2, 1.7, 2.4, 3.4, 4.8, 6.8, 9.6, 13.6, 19.2)
"""Scales that are kept; a scale asked for is rounded to the nearest one."""

_TILE_SEED = 20240229


def nearest_sigma_px(sigma_px: float) -> float:
    """The kept scale nearest to the one asked for.

    >>> nearest_sigma_px(1.0)
    0.85
    """
    return min(SIGMAS_PX, key=lambda kept: abs(kept - sigma_px))


@cache
def slope_tiles(sigma_px: float) -> tuple[np.ndarray, np.ndarray]:
    """x and y derivative of Gaussian-smoothed white noise: two (TILE, TILE) float32, mean 0, standard deviation 1."""
    rng = np.random.default_rng([_TILE_SEED, round(sigma_px * 100)])
    smooth = cv2.GaussianBlur(rng.standard_normal((TILE_PX + 2, TILE_PX + 2), dtype=np.float32), (0, 0), sigma_px)
    slope_x = smooth[1:-1, 2:] - smooth[1:-1, :-2]
    slope_y = smooth[2:, 1:-1] - smooth[:-2, 1:-1]
    return slope_x / slope_x.std(), slope_y / slope_y.std()


@cache
def white_tile() -> np.ndarray:
    """White Gaussian noise, (TILE, TILE) float32, mean 0, standard deviation 1."""
    return np.random.default_rng(_TILE_SEED).standard_normal((TILE_PX, TILE_PX), dtype=np.float32)


def _corner(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[slice, slice]:
    top, left = rng.integers(0, (TILE_PX - shape[0] + 1, TILE_PX - shape[1] + 1))
    return slice(top, top + shape[0]), slice(left, left + shape[1])


def crop_grain(
    rng: np.random.Generator, shape: tuple[int, int], sigma_px: float, light: tuple[float, float]
) -> np.ndarray:
    """A crop of grain lit from one direction.

    Args:
        rng: Chooses the crop.
        shape: (H, W), each at most TILE_PX.
        sigma_px: Size of the grains, rounded to a kept scale.
        light: Unit vector (x, y).

    Returns:
        (H, W) float32, mean 0, standard deviation about 1.
    """
    slope_x, slope_y = slope_tiles(nearest_sigma_px(sigma_px))
    crop = _corner(rng, shape)
    return np.float32(light[0]) * slope_x[crop] + np.float32(light[1]) * slope_y[crop]


def crop_white(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """A read-only crop of white noise, (H, W) float32, standard deviation 1; each side at most TILE_PX."""
    return white_tile()[_corner(rng, shape)]
