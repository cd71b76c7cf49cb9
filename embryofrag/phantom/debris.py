"""What lies outside the zona and is never labelled: cumulus clumps that look like fragments, blurred dust."""

from dataclasses import replace

import cv2
import numpy as np

from embryofrag.phantom.body import draw_body, trace_body
from embryofrag.phantom.instrument import Look
from embryofrag.phantom.optics import Style, paint_body
from embryofrag.phantom.texture import crop_grain
from embryofrag.phantom.zona import Zona


def paint_debris(field_HW: np.ndarray, zona: Zona, look: Look, rng: np.random.Generator) -> None:
    """Paints clumps on the outer part of the zona and beyond, small specks on it, and dust, in place."""
    if rng.random() < 0.7:
        for _ in range(rng.integers(1, 6)):
            _paint_clump(field_HW, zona, look, rng)
    for _ in range(rng.poisson(5)):
        _paint_speck(field_HW, zona, look, rng)


def _paint_clump(field_HW: np.ndarray, zona: Zona, look: Look, rng: np.random.Generator) -> None:
    """One clump of 3 to 25 bodies with coarse refraction over it; one in four lies out of focus."""
    px_per_um = 1 / zona.um_per_px
    angle_rad = rng.uniform(0, 2 * np.pi)
    distance_px = zona.radius_px + zona.thickness_px * rng.uniform(0.55, 1.7)
    centre = np.array([zona.x_px + distance_px * np.cos(angle_rad), zona.y_px + distance_px * np.sin(angle_rad)])
    spread_px = rng.uniform(2, 11, 2) * px_per_um
    window = _window(field_HW.shape, centre, 4 * spread_px.max() + 8 * px_per_um)
    if field_HW[window].size == 0:
        return
    layer = np.zeros(field_HW[window].shape, np.float32)
    cover = np.zeros(layer.shape, np.float32)
    strength = rng.uniform(0.6, 1.3)
    style = _clump_style(rng, look, strength)
    turn = np.array([[np.cos(angle_rad), -np.sin(angle_rad)], [np.sin(angle_rad), np.cos(angle_rad)]])
    origin = np.array([window[1].start, window[0].start])
    radius_um = rng.uniform(1.2, 4.5)
    for _ in range(rng.integers(3, 26)):
        point = centre + turn @ rng.normal(0, spread_px)
        radius_px = max(1.0, radius_um * np.exp(rng.normal(0, 0.35)) * px_per_um)
        if np.hypot(*(point - [zona.x_px, zona.y_px])) < zona.radius_px * 1.05 + radius_px:
            continue
        body = draw_body(rng, tuple(point - origin), radius_px, stretch=0.3, wobble=0.07)
        patch = trace_body(body, layer.shape)
        if patch is None:
            continue
        paint_body(layer, patch, replace(style, tone=style.tone + rng.normal(0, 0.06)), look, rng)
        cover[patch.window] = np.maximum(cover[patch.window], patch.inside)
    soft = cv2.GaussianBlur(cover, (0, 0), 0.8 * px_per_um + 0.3)
    coarse = crop_grain(rng, layer.shape, rng.uniform(0.5, 1.2) * px_per_um, look.light)
    layer += soft * coarse * np.float32((0.1 + look.relief) * strength * rng.uniform(0.2, 0.8))
    if rng.random() < 0.25:
        layer = cv2.GaussianBlur(layer, (0, 0), rng.uniform(1, 3) * px_per_um)
    field_HW[window] += layer


def _clump_style(rng: np.random.Generator, look: Look, strength: float) -> Style:
    bright = rng.random() < 0.35
    return Style(
        tone=rng.uniform(0.0, 0.18) if bright else rng.normal(-0.12, 0.12),
        relief=look.relief * strength,
        edge=min(0.6, look.edge * strength * rng.uniform(0.2, 0.7)),
        edge_px=max(0.7, 0.85 * look.edge_um / look.um_per_px),
        opacity=rng.uniform(0.4, 0.9),
    )


def _paint_speck(field_HW: np.ndarray, zona: Zona, look: Look, rng: np.random.Generator) -> None:
    """A small dot in the zona's band or a blurred dust grain anywhere outside it."""
    dust = rng.random() < 0.3
    angle_rad = rng.uniform(0, 2 * np.pi)
    far = rng.uniform(1.1, 2.6) if dust else rng.uniform(0.1, 1.3)
    distance_px = zona.radius_px + zona.thickness_px * far + 2
    radius_px = max(0.9, rng.uniform(1, 4) / zona.um_per_px if dust else rng.uniform(0.4, 1.3) / zona.um_per_px)
    centre = (zona.x_px + distance_px * np.cos(angle_rad), zona.y_px + distance_px * np.sin(angle_rad))
    patch = trace_body(draw_body(rng, centre, radius_px, stretch=0.3), field_HW.shape)
    if patch is None:
        return
    style = Style(
        tone=rng.normal(-0.1, 0.12) * (1.0 if dust else 0.6),
        relief=look.relief * (0.2 if dust else 0.6),
        edge=0.0 if dust else look.edge * rng.uniform(0.1, 0.5),
        edge_px=radius_px * 0.8 if dust else 0.8,
        opacity=0.3,
    )
    paint_body(field_HW, patch, style, look, rng)


def _window(shape: tuple[int, int], centre_px: np.ndarray, reach_px: float) -> tuple[slice, slice]:
    x, y = centre_px
    return (
        slice(int(np.clip(y - reach_px, 0, shape[0])), int(np.clip(y + reach_px, 0, shape[0]))),
        slice(int(np.clip(x - reach_px, 0, shape[1])), int(np.clip(x + reach_px, 0, shape[1]))),
    )
