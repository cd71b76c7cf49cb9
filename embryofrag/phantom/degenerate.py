"""A drawn degenerate embryo or oocyte: a dark, shrunken, coarsely granular mass."""

from dataclasses import replace

import numpy as np

from embryofrag.phantom.debris import paint_debris
from embryofrag.phantom.mass import draw_lobes, trace_mass
from embryofrag.phantom.optics import cell_style, paint_body
from embryofrag.phantom.scene import Scene, open_stream
from embryofrag.phantom.texture import crop_grain
from embryofrag.phantom.zona import paint_zona


def paint_degenerate(field_HW: np.ndarray, scene: Scene) -> None:
    """Paints zona, mass and debris, in place."""
    look, zona = scene.look, scene.zona
    rng = open_stream(scene.seed, "cells")
    paint_zona(field_HW, zona, look, open_stream(scene.seed, "zona", 1))
    reach = rng.uniform(0.3, 0.72)
    lobes = draw_lobes(rng, zona.inner, int(rng.integers(3, 9)), reach, reach * rng.uniform(0.4, 0.7))
    drift_px = zona.radius_px * (0.95 - reach) * rng.uniform(-0.7, 0.7, 2)
    lobes = [replace(lobe, x_px=lobe.x_px + drift_px[0], y_px=lobe.y_px + drift_px[1]) for lobe in lobes]
    mass = trace_mass(lobes, zona.inner, field_HW.shape, notch=rng.uniform(0.2, 1.0))
    if mass is None:
        return
    style = cell_style(look, rng)
    dark = replace(style, tone=rng.uniform(-0.6, -0.15), relief=style.relief * rng.uniform(0.2, 0.8), opacity=0.95)
    paint_body(field_HW, mass, dark, look, rng, rng.normal(0, 10))
    coarse = crop_grain(rng, mass.depth_px.shape, rng.uniform(0.6, 2.4) / look.um_per_px, look.light)
    inside = np.clip(mass.depth_px * np.float32(0.5), 0, 1)
    field_HW[mass.window] += coarse * inside * np.float32(rng.uniform(0.08, 0.3))
    paint_debris(field_HW, zona, look, open_stream(scene.seed, "debris"))
