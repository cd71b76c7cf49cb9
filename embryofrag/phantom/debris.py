"""What is never labelled: cumulus clumps that look like fragments, dust, sperm, bubbles, scratches in the dish."""

from dataclasses import replace

import cv2
import numpy as np

from embryofrag.phantom.body import draw_body, trace_body
from embryofrag.phantom.instrument import Look
from embryofrag.phantom.optics import Style, paint_body
from embryofrag.phantom.texture import crop_grain
from embryofrag.phantom.zona import Zona


def paint_debris(field_HW: np.ndarray, zona: Zona, look: Look, rng: np.random.Generator) -> None:
    """Paints clumps on the outer part of the zona and beyond, specks, sperm, dust, bubbles and scratches, in place."""
    if rng.random() < 0.7:
        for _ in range(rng.integers(1, 5)):
            _paint_clump(field_HW, zona, look, rng)
    for _ in range(rng.poisson(5)):
        _paint_speck(field_HW, zona, look, rng)
    if rng.random() < 0.18:
        for _ in range(rng.integers(1, 7)):
            _paint_sperm(field_HW, zona, look, rng)
    if rng.random() < 0.08:
        _paint_bubble(field_HW, zona, look, rng)
    if rng.random() < 0.15:
        for _ in range(rng.integers(1, 4)):
            _paint_scratch(field_HW, zona, look, rng)


def _paint_clump(field_HW: np.ndarray, zona: Zona, look: Look, rng: np.random.Generator) -> None:
    """One clump of 3 to 19 bodies with coarse refraction over it; one in four lies out of focus."""
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
    for _ in range(rng.integers(3, 20)):
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
        relief=min(0.8, look.relief * strength),
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


def _paint_sperm(field_HW: np.ndarray, zona: Zona, look: Look, rng: np.random.Generator) -> None:
    """A head of 5 x 3 um on or in the zona, with a thin curved tail outwards or along it."""
    px_per_um = 1 / zona.um_per_px
    turn_rad = rng.uniform(0, 2 * np.pi)
    reach_px = zona.radius_px + zona.thickness_px * rng.uniform(0.15, 1.2)
    x_px, y_px = zona.x_px + reach_px * np.cos(turn_rad), zona.y_px + reach_px * np.sin(turn_rad)
    heading_rad, bend = turn_rad + rng.normal(0, 0.9), rng.normal(0, 0.03, 2)
    along_um = np.arange(0, rng.uniform(25, 45), 2.0)
    course_rad = heading_rad + np.cumsum(bend[0] + bend[1] * np.sin(along_um / 6)) * 2
    steps_px = 2 * px_per_um * np.stack([np.cos(course_rad), np.sin(course_rad)], -1)
    _paint_line(field_HW, np.array([x_px, y_px]) + np.cumsum(steps_px, axis=0), rng.normal(0, 0.12), 0.4 * px_per_um)
    head = replace(
        draw_body(rng, (x_px, y_px), max(1.0, 1.9 * px_per_um)), aspect=rng.uniform(1.4, 1.9), angle_rad=heading_rad
    )
    patch = trace_body(head, field_HW.shape)
    if patch is not None:
        style = Style(tone=rng.normal(-0.05, 0.1), relief=look.relief, edge=0.5 * look.edge, edge_px=0.8, opacity=0.6)
        paint_body(field_HW, patch, style, look, rng)


def _paint_bubble(field_HW: np.ndarray, zona: Zona, look: Look, rng: np.random.Generator) -> None:
    """A clear disc of 8 to 40 um with a broad dark rim, beside the zona."""
    radius_px = rng.uniform(4, 20) / zona.um_per_px
    turn_rad = rng.uniform(0, 2 * np.pi)
    reach_px = zona.outer_radius_px + radius_px * rng.uniform(1.1, 3)
    centre = (zona.x_px + reach_px * np.cos(turn_rad), zona.y_px + reach_px * np.sin(turn_rad))
    edge_px = max(1.0, radius_px * rng.uniform(0.08, 0.2))
    patch = trace_body(
        draw_body(rng, centre, radius_px, stretch=0.02, wobble=0.003), field_HW.shape, margin_px=3 * edge_px
    )
    if patch is not None:
        style = Style(tone=rng.uniform(-0.05, 0.25), relief=look.relief, edge=rng.uniform(0.4, 0.8), edge_px=edge_px)
        paint_body(field_HW, patch, style, look, rng)


def _paint_scratch(field_HW: np.ndarray, zona: Zona, look: Look, rng: np.random.Generator) -> None:
    """A long thin line in the plastic, often out of focus, anywhere but across the embryo's middle."""
    turn_rad, bend_rad = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.15)
    distance_px = zona.radius_px * rng.uniform(0.9, 2.2)
    foot = np.array([zona.x_px + distance_px * np.cos(turn_rad), zona.y_px + distance_px * np.sin(turn_rad)])
    half_px = rng.uniform(15, 120) / zona.um_per_px
    along = np.linspace(-1, 1, 9)[:, None]
    across = np.array([-np.sin(turn_rad), np.cos(turn_rad)])
    points = foot + half_px * (along * across + bend_rad * along**2 * [np.cos(turn_rad), np.sin(turn_rad)])
    _paint_line(field_HW, points, rng.normal(0, 0.25), rng.uniform(0.2, 1.5) / zona.um_per_px)


def _paint_line(field_HW: np.ndarray, points_px: np.ndarray, tone: float, blur_px: float) -> None:
    """A thin soft curve through the points (n, 2), in place."""
    low, high = points_px.min(axis=0), points_px.max(axis=0)
    margin_px = 3 + 3 * blur_px
    (left, right), (top, bottom) = (
        np.clip([low[axis] - margin_px, high[axis] + margin_px], 0, field_HW.shape[1 - axis]).astype(int)
        for axis in (0, 1)
    )
    if right <= left or bottom <= top:
        return
    line = np.zeros((bottom - top, right - left), np.uint8)
    corners = np.round((points_px - [left, top]) * 16).astype(np.int32)
    cv2.polylines(line, [corners], False, 255, 1, cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(line.astype(np.float32), (0, 0), max(0.5, blur_px))
    field_HW[top:bottom, left:right] += soft * np.float32(tone / 255 * (1 + blur_px))


def _window(shape: tuple[int, int], centre_px: np.ndarray, reach_px: float) -> tuple[slice, slice]:
    x, y = centre_px
    return (
        slice(int(np.clip(y - reach_px, 0, shape[0])), int(np.clip(y + reach_px, 0, shape[0]))),
        slice(int(np.clip(x - reach_px, 0, shape[1])), int(np.clip(x + reach_px, 0, shape[1]))),
    )
