"""What an empty well or field may hold: cumulus, bubbles, scratches, a bare zona."""

from dataclasses import replace

import cv2
import numpy as np

from embryofrag.phantom.body import draw_body, trace_body
from embryofrag.phantom.debris import paint_debris
from embryofrag.phantom.optics import Style, find_margin_px, paint_body
from embryofrag.phantom.scene import Scene, open_stream
from embryofrag.phantom.zona import Zona, paint_zona


def paint_leftovers(field_HW: np.ndarray, scene: Scene) -> None:
    """Paints none, some or all of them, in place."""
    rng = open_stream(scene.seed, "debris")
    if rng.random() < 0.25:
        paint_zona(field_HW, scene.zona, scene.look, open_stream(scene.seed, "zona", 1))
    if rng.random() < 0.6:
        for _ in range(rng.integers(1, 5)):
            paint_debris(field_HW, _place_cumulus(rng, scene), scene.look, rng)
    if rng.random() < 0.3:
        for _ in range(rng.integers(1, 6)):
            _paint_bubble(field_HW, scene, rng)
    if rng.random() < 0.3:
        for _ in range(rng.integers(1, 6)):
            _paint_scratch(field_HW, scene, rng)


def _point_near(rng: np.random.Generator, scene: Scene) -> tuple[float, float]:
    """A point somewhere in the well, or in the field where there is no well."""
    reach_px = 1.2 * scene.zona.outer_radius_px
    return scene.zona.x_px + rng.uniform(-reach_px, reach_px), scene.zona.y_px + rng.uniform(-reach_px, reach_px)


def _place_cumulus(rng: np.random.Generator, scene: Scene) -> Zona:
    """A spot for debris to gather around, as it would around a zona."""
    spot = draw_body(rng, _point_near(rng, scene), rng.uniform(1, 5) / scene.look.um_per_px)
    return Zona(inner=spot, thickness_um=rng.uniform(8, 40), um_per_px=scene.look.um_per_px)


def _paint_bubble(field_HW: np.ndarray, scene: Scene, rng: np.random.Generator) -> None:
    """An air bubble or oil droplet: smooth, thickly outlined, bright in the middle."""
    look = scene.look
    radius_px = np.exp(rng.uniform(np.log(2), np.log(45))) / look.um_per_px
    body = draw_body(rng, _point_near(rng, scene), radius_px, stretch=0.02, wobble=0.002)
    edge_px = max(1.0, radius_px * rng.uniform(0.04, 0.25))
    patch = trace_body(body, field_HW.shape, margin_px=find_margin_px(edge_px, 0))
    if patch is None:
        return
    style = Style(
        tone=rng.uniform(-0.1, 0.15),
        relief=look.relief * rng.uniform(-1.5, 1.5),
        edge=rng.uniform(0.2, 0.9),
        edge_px=edge_px,
        opacity=rng.uniform(0.2, 0.9),
    )
    paint_body(field_HW, patch, style, look, rng)
    glint = replace(body, radius_px=radius_px * rng.uniform(0.1, 0.4))
    bright = trace_body(glint, field_HW.shape, margin_px=find_margin_px(edge_px, 0))
    if bright is not None:
        paint_body(field_HW, bright, Style(tone=rng.uniform(0.0, 0.6), edge_px=edge_px, opacity=0.3), look, rng)


def _paint_scratch(field_HW: np.ndarray, scene: Scene, rng: np.random.Generator) -> None:
    """A bent line in the plastic: dark beside bright, sharp or out of focus."""
    height, width = field_HW.shape
    start = rng.uniform(0, (width, height))
    heading_rad, length_px = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.9) * width
    along = np.linspace(0, 1, 12)[:, None]
    forward = np.array([np.cos(heading_rad), np.sin(heading_rad)])
    sideways = np.array([-forward[1], forward[0]]) * rng.normal(0, 0.12) * length_px
    points = start + along * length_px * forward + along**2 * sideways
    blur_px = max(0.6, np.exp(rng.uniform(np.log(0.4), np.log(4))) / scene.look.um_per_px)
    for shift_px, sign in ((0.0, -1), (1.4 * blur_px, 1)):
        line = np.zeros(field_HW.shape, np.float32)
        shifted = np.round((points + shift_px * np.array(scene.look.light)) * 16).astype(np.int32)
        cv2.polylines(line, [shifted], False, 1.0, 1, cv2.LINE_AA, 4)
        soft = cv2.GaussianBlur(line, (0, 0), blur_px)
        field_HW += soft * np.float32(sign * rng.uniform(0.15, 0.6) * 2 * blur_px)
