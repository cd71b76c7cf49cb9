"""Light that shows nothing: an even or cloudy grey, or a lamp that is off."""

from dataclasses import replace

import cv2
import numpy as np

from embryofrag.phantom.scene import Scene, open_stream


def make_blank(scene: Scene) -> Scene:
    """The scene with an even or cloudy grey for its light: far out of focus, or nothing under the objective."""
    rng = open_stream(scene.seed, "well", 2)
    level = rng.uniform(0.06, 0.97)
    clouds = np.zeros(scene.kind.shape, np.float32)
    if rng.random() < 0.75:
        knots = rng.standard_normal(rng.integers(2, 9, 2)).astype(np.float32)
        clouds = cv2.resize(knots, scene.kind.shape[::-1], interpolation=cv2.INTER_CUBIC)
    cloudiness = np.float32(rng.choice([0.02, 0.08, 0.25]) * rng.random())
    light_HW = np.float32(level) * np.maximum(1 + cloudiness * clouds, 0)
    if rng.random() < 0.25:
        light_HW = _blur_place(scene, rng)
    return _with_noise(scene, light_HW, rng)


def make_black(scene: Scene) -> Scene:
    """The scene with its lamp off: black, or a faint trace of stray light."""
    rng = open_stream(scene.seed, "well", 2)
    stray = np.float32(rng.choice([0.0, 0.0, 0.03, 0.08]) * rng.random())
    light_HW = np.float32(rng.uniform(0.018, 0.04)) + stray * _blur_place(scene, rng)
    return _with_noise(scene, light_HW, rng, least=0.04)


def _blur_place(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """The place itself, far out of focus."""
    small = cv2.resize(np.minimum(scene.light_HW, 1.2), None, fx=0.125, fy=0.125, interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), rng.uniform(2.0, 8.0))
    return cv2.resize(soft, scene.kind.shape[::-1], interpolation=cv2.INTER_CUBIC)


def _with_noise(scene: Scene, light_HW: np.ndarray, rng: np.random.Generator, *, least: float = 0.008) -> Scene:
    """The scene under that light, its noise somewhere between little and much."""
    # no picture without noise that survives 8 bits and JPEG: two black ones would be the same picture
    look = replace(scene.look, noise=np.exp(rng.uniform(np.log(least), np.log(0.08))))
    return replace(scene, look=look, light_HW=light_HW.astype(np.float32))
