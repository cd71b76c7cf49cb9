"""A drawn morula: cells compacted into one mass whose inner borders are faint or gone."""

from dataclasses import replace

import numpy as np

from embryofrag.phantom.body import draw_body, trace_body
from embryofrag.phantom.debris import paint_debris
from embryofrag.phantom.mass import draw_lobes, trace_mass
from embryofrag.phantom.optics import cell_style, find_margin_px, paint_body
from embryofrag.phantom.scene import Scene, open_stream
from embryofrag.phantom.tiling import paint_tiling
from embryofrag.phantom.zona import paint_zona


def paint_morula(field_HW: np.ndarray, scene: Scene) -> None:
    """Paints zona, mass, what is left of the cells' borders, cells left out, and debris, in place."""
    look, zona = scene.look, scene.zona
    rng = open_stream(scene.seed, "cells")
    paint_zona(field_HW, zona, look, open_stream(scene.seed, "zona", 1))
    reach, num_lobes = rng.uniform(0.62, 0.97), int(rng.integers(6, 13))
    lobes = draw_lobes(rng, zona.inner, num_lobes, reach, reach * rng.uniform(0.36, 0.55))
    mass = trace_mass(lobes, zona.inner, field_HW.shape, notch=rng.random())
    if mass is None:
        return
    focus_um = rng.normal(0, 10)
    style = cell_style(look, rng)
    granular = rng.uniform(0.7, 1.3)
    paint_body(field_HW, mass, replace(style, tone=style.tone * 1.2, grain=style.grain * granular), look, rng, focus_um)
    # the cells of a compacted mass bulge out of it a little
    bulges_HW = np.zeros(field_HW.shape, np.float32)
    ball = trace_body(replace(zona.inner, radius_px=reach * zona.radius_px), field_HW.shape)
    num_cells, strength = int(rng.integers(10, 32)), rng.uniform(0.4, 1.3)
    focus = float(np.clip(rng.normal(0.3, 0.4), -0.9, 0.9))
    paint_tiling(bulges_HW, ball, look, rng, num_cells=num_cells, strength=strength, focus=focus)
    field_HW[mass.window] += bulges_HW[mass.window] * np.clip(mass.depth_px, 0, 1)
    within_HW = np.full(field_HW.shape, -1000, np.float32)
    within_HW[mass.window] = mass.depth_px
    faint = rng.uniform(0.0, 0.8)
    for _ in range(rng.integers(3, 15)):
        _paint_cell(field_HW, scene, rng, within_HW, reach, faint * rng.uniform(0.2, 1.0), focus_um)
    if rng.random() < 0.3:
        outside_HW = np.full(field_HW.shape, -1000, np.float32)
        whole = trace_body(zona.inner, field_HW.shape)
        outside_HW[whole.window] = whole.depth_px
        for _ in range(rng.integers(1, 4)):
            _paint_cell(field_HW, scene, rng, outside_HW, 1.25, 0.9, focus_um)
    paint_debris(field_HW, zona, look, open_stream(scene.seed, "debris"))


def _paint_cell(
    field_HW: np.ndarray,
    scene: Scene,
    rng: np.random.Generator,
    within_HW: np.ndarray,
    reach: float,
    strength: float,
    focus_um: float,
) -> None:
    """One cell somewhere in a body; `strength` 0 leaves nothing of it to be seen, 1 all."""
    zona, look = scene.zona, scene.look
    angle_rad, away_px = rng.uniform(0, 2 * np.pi), 0.75 * reach * np.sqrt(rng.random()) * zona.radius_px
    centre = (zona.x_px + away_px * np.cos(angle_rad), zona.y_px + away_px * np.sin(angle_rad))
    cell = draw_body(rng, centre, zona.radius_px * rng.uniform(0.17, 0.3), stretch=0.15, wobble=0.03)
    style = cell_style(look, rng)
    margin_px = find_margin_px(style.edge_px, focus_um)
    patch = trace_body(cell, field_HW.shape, margin_px=margin_px, within_HW=within_HW)
    if patch is None:
        return
    style = replace(
        style,
        tone=style.tone * strength,
        relief=style.relief * strength,
        edge=style.edge * strength,
        grain=style.grain * strength,
        opacity=style.opacity * strength,
        halo=0.0,
    )
    paint_body(field_HW, patch, style, look, rng, focus_um)
