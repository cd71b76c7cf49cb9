"""A drawn blastocyst: early, expanded, hatching or collapsed."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from embryofrag.phantom.body import Body, draw_body, trace_body
from embryofrag.phantom.debris import paint_debris
from embryofrag.phantom.instrument import Look, Range
from embryofrag.phantom.optics import cell_style, find_margin_px, paint_body
from embryofrag.phantom.scene import Scene, open_stream
from embryofrag.phantom.texture import crop_grain
from embryofrag.phantom.tiling import spread_sites
from embryofrag.phantom.trophectoderm import paint_trophectoderm
from embryofrag.phantom.zona import paint_zona


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What blastocysts of one form have in common."""

    share: float
    radius_um: Range
    """Inner radius of the zona."""
    thickness_um: Range
    fill: Range
    """Radius of the embryo over the inner radius of the zona."""
    num_cells: tuple[int, int]
    """Cells of the wall, least and most."""


FORMS = {
    "early": Form(share=0.35, radius_um=(55, 72), thickness_um=(8, 20), fill=(0.9, 1.0), num_cells=(14, 34)),
    "expanded": Form(share=0.38, radius_um=(66, 110), thickness_um=(3, 9), fill=(0.97, 1.0), num_cells=(24, 80)),
    "hatching": Form(share=0.15, radius_um=(58, 78), thickness_um=(3, 9), fill=(0.85, 1.0), num_cells=(24, 60)),
    "collapsed": Form(share=0.12, radius_um=(62, 95), thickness_um=(3, 10), fill=(0.55, 0.82), num_cells=(16, 40)),
}
"""Every form by name."""


def draw_form(rng: np.random.Generator) -> str:
    """A form, by its share."""
    shares = [form.share for form in FORMS.values()]
    return str(rng.choice(list(FORMS), p=np.array(shares) / sum(shares)))


def paint_blastocyst(field_HW: np.ndarray, scene: Scene, form_name: str) -> None:
    """Paints zona, wall, cavity, inner cell mass and debris, in place; the zona of the scene is the form's."""
    form, look, zona = FORMS[form_name], scene.look, scene.zona
    rng = open_stream(scene.seed, "cells")
    paint_zona(field_HW, zona, look, open_stream(scene.seed, "zona", 1))
    ball = replace(zona.inner, radius_px=zona.radius_px * rng.uniform(*form.fill))
    focus = float(np.clip(rng.normal(0, 0.45), -0.9, 0.9))
    num_cells = int(rng.integers(*form.num_cells))
    if form_name in ("early", "collapsed"):
        _paint_round_cells(field_HW, ball, look, rng, num_cells, focus)
    else:
        paint_trophectoderm(field_HW, ball, look, rng, num_cells=num_cells, focus=focus)
    if form_name == "hatching":
        lobe = _draw_lobe(rng, ball)
        paint_trophectoderm(field_HW, lobe, look, rng, num_cells=num_cells, focus=focus)
    if rng.random() < 0.85:
        _paint_inner_cell_mass(field_HW, ball, look, rng, focus)
    paint_debris(field_HW, zona, look, open_stream(scene.seed, "debris"))


def _draw_lobe(rng: np.random.Generator, ball: Body) -> Body:
    """The part that has left the zona."""
    angle_rad, radius_px = rng.uniform(0, 2 * np.pi), ball.radius_px * rng.uniform(0.35, 0.9)
    away_px = ball.radius_px + radius_px * rng.uniform(0.1, 0.7)
    centre = (ball.x_px + away_px * np.cos(angle_rad), ball.y_px + away_px * np.sin(angle_rad))
    return draw_body(rng, centre, radius_px, stretch=0.08, wobble=0.02)


def _paint_round_cells(
    field_HW: np.ndarray, ball: Body, look: Look, rng: np.random.Generator, num_cells: int, focus: float
) -> None:
    """A wall whose cells still bulge, most of them seen at the rim, around a cavity that opens between them."""
    style = cell_style(look, rng)
    whole = trace_body(ball, field_HW.shape, margin_px=find_margin_px(style.edge_px, 0, halo=True))
    if whole is None:
        return
    paint_body(field_HW, whole, replace(style, tone=style.tone * 0.5, grain=style.grain * 0.3), look, rng)
    within_HW = np.full(field_HW.shape, -1000, np.float32)
    within_HW[whole.window] = whole.depth_px
    strength, cavity = rng.uniform(0.8, 1.4), rng.uniform(0.15, 0.65)
    radius = 1.25 / np.sqrt(num_cells)
    sites = spread_sites(rng, num_cells)
    for x, y, z in sites[np.argsort(sites[:, 2])]:
        if abs(z) > 0.55 and rng.random() < cavity:
            continue
        size = radius * np.exp(rng.normal(0, 0.2))
        centre = (ball.x_px + x * (1 - 0.8 * size) * ball.radius_px, ball.y_px + y * (1 - 0.8 * size) * ball.radius_px)
        cell = draw_body(rng, centre, size * ball.radius_px, stretch=0.3, wobble=0.03, z_um=25 * z)
        # flattened against the zona
        cell = replace(cell, angle_rad=float(np.arctan2(y, x) + np.pi / 2 + rng.normal(0, 0.3)))
        style = cell_style(look, rng)
        margin_px = find_margin_px(style.edge_px, 25 * (z - focus))
        patch = trace_body(cell, field_HW.shape, margin_px=margin_px, within_HW=within_HW)
        if patch is None:
            continue
        style = replace(style, relief=style.relief * strength, grain=style.grain * strength, halo=0.0)
        paint_body(field_HW, patch, style, look, rng, 25 * focus)


def _paint_inner_cell_mass(
    field_HW: np.ndarray, ball: Body, look: Look, rng: np.random.Generator, focus: float
) -> None:
    """A clump of small granular cells whose borders are lost, against the wall, in place."""
    angle_rad, away = rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 0.72)
    spread = np.array([rng.uniform(0.1, 0.22), rng.uniform(0.18, 0.38)])
    turn = np.array([[np.cos(angle_rad), -np.sin(angle_rad)], [np.sin(angle_rad), np.cos(angle_rad)]])
    within_HW = np.full(field_HW.shape, -1000, np.float32)
    whole = trace_body(ball, field_HW.shape, margin_px=2)
    if whole is None:
        return
    within_HW[whole.window] = whole.depth_px
    cover = np.zeros(field_HW.shape, np.float32)
    lost, coarse = rng.uniform(0.0, 0.9), rng.uniform(0.8, 1.8)
    radius_px = rng.uniform(6, 11) / look.um_per_px
    # as many as cover the clump about twice
    num_cells = int(np.clip(8 * spread.prod() * (ball.radius_px / radius_px) ** 2, 8, 80))
    for _ in range(num_cells):
        x, y = turn @ (np.array([away, 0]) + spread * np.clip(rng.standard_normal(2), -1.7, 1.7))
        centre = (ball.x_px + x * ball.radius_px, ball.y_px + y * ball.radius_px)
        cell = draw_body(rng, centre, radius_px * np.exp(rng.normal(0, 0.25)), stretch=0.2, wobble=0.04)
        style = cell_style(look, rng)
        margin_px = find_margin_px(style.edge_px, 20 * focus)
        patch = trace_body(cell, field_HW.shape, margin_px=margin_px, within_HW=within_HW)
        if patch is None:
            continue
        style = replace(style, edge=style.edge * lost, grain=style.grain * coarse, halo=0.0)
        paint_body(field_HW, patch, style, look, rng, 20 * focus)
        cover[patch.window] = np.maximum(cover[patch.window], patch.inside)
    soft = cv2.GaussianBlur(cover[whole.window], (0, 0), 1.2 / look.um_per_px)
    grain = crop_grain(rng, soft.shape, rng.uniform(0.5, 1.3) / look.um_per_px, look.light)
    field_HW[whole.window] += soft * grain * np.float32(look.grain * rng.uniform(0.5, 1.9))
