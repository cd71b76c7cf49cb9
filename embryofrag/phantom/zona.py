"""The zona pellucida: its inner outline bounds the embryo, its band is granular."""

from dataclasses import dataclass

import cv2
import numpy as np

from embryofrag.phantom.body import Body, trace_body
from embryofrag.phantom.instrument import Look
from embryofrag.phantom.texture import crop_grain

_STEPS_PER_PX = 4

_GAP_UM = 1.0
"""Cells and fragments stay this far inside the inner outline, so their outlines show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Zona:
    """Where the embryo is and how large."""

    inner: Body
    """The inner outline."""
    thickness_um: float
    um_per_px: float

    @property
    def x_px(self) -> float:
        return self.inner.x_px

    @property
    def y_px(self) -> float:
        return self.inner.y_px

    @property
    def radius_px(self) -> float:
        """Inner radius."""
        return self.inner.radius_px

    @property
    def thickness_px(self) -> float:
        return self.thickness_um / self.um_per_px

    @property
    def outer_radius_px(self) -> float:
        return self.radius_px + self.thickness_px


def trace_inside(zona: Zona, shape: tuple[int, int]) -> np.ndarray:
    """Depth inside the inner outline in pixels, (H, W) float32; -1000 far away."""
    depth_HW = np.full(shape, -1000, np.float32)
    patch = trace_body(zona.inner, shape, margin_px=6.0)
    depth_HW[patch.window] = patch.depth_px - np.float32(_GAP_UM / zona.um_per_px)
    return depth_HW


def paint_zona(field_HW: np.ndarray, zona: Zona, look: Look, rng: np.random.Generator) -> None:
    """Paints band, both outlines and the matter that clings to the inner one, in place.

    Args:
        field_HW: (H, W) float32 contrast.
        zona: Geometry.
        look: Light and grain of the frame.
        rng: Source of chance.
    """
    px_per_um = 1 / zona.um_per_px
    patch = trace_body(zona.inner, field_HW.shape, margin_px=1.7 * zona.thickness_px + 6 * px_per_um)
    out = -patch.depth_px
    u = patch.dx_px * np.float32(look.light[0] / zona.radius_px) + patch.dy_px * np.float32(
        look.light[1] / zona.radius_px
    )
    near_px = zona.radius_px * 0.5
    steps = ((np.clip(out, -near_px, None) + np.float32(near_px)) * np.float32(_STEPS_PER_PX)).astype(np.int32)
    out_px = np.arange(int(steps.max()) + 1, dtype=np.float32) / np.float32(_STEPS_PER_PX) - np.float32(near_px)
    substance, slope, line, ring = _profile(out_px, zona, look, rng)
    grain_px = look.grain_um / look.um_per_px
    grain = crop_grain(rng, out.shape, grain_px * rng.uniform(0.9, 1.5), look.light, coarse=False)
    tone, roughness = rng.uniform(-0.16, 0.03), look.grain * rng.uniform(0.12, 0.45)
    grain = grain * np.float32(roughness) + np.float32(tone)
    painted = field_HW[patch.window]
    painted += substance[steps] * grain + slope[steps] * u - line[steps]
    if rng.random() < 0.7:
        _paint_clinging_matter(painted, ring[steps], look, rng, px_per_um)


def _profile(
    out_px: np.ndarray, zona: Zona, look: Look, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Across the zona, at each distance outwards from the inner outline, (n,) float32 each.

    Returns:
        How much substance there is, how steep it is, how dark the inner outline is, how much clings to it.
    """
    px_per_um = 1 / zona.um_per_px
    thick = zona.thickness_px
    fade = max(1.5, thick * rng.uniform(0.08, 0.35))
    band = np.clip((thick - out_px) / fade + 0.5, 0, 1) * np.clip(out_px + 0.5, 0, 1)
    # the space between zona and cells is clearer than the zona, but not as clear as the medium
    space = np.clip(0.5 - out_px, 0, 1) * rng.uniform(0.1, 0.8)
    # slopes: the outer one falls away from the middle, the inner one towards it
    relief = look.relief * rng.uniform(0.2, 0.8)
    outer = np.exp(-np.square((out_px - thick) / (rng.uniform(2.5, 6) * px_per_um)))
    inner = np.exp(-np.square(out_px / max(0.8, look.edge_um * rng.uniform(0.8, 1.6) * px_per_um)))
    line = rng.uniform(0.0, 0.35) * look.edge * inner
    width_px, place_px = rng.uniform(1.2, 3.2) * px_per_um, rng.uniform(-2.0, 2.5) * px_per_um
    ring = np.exp(-np.square((out_px + place_px) / width_px))
    profiles = (band + space, relief * (outer - 0.5 * inner), line, ring)
    return tuple(profile.astype(np.float32) for profile in profiles)


def _paint_clinging_matter(
    painted: np.ndarray, ring: np.ndarray, look: Look, rng: np.random.Generator, px_per_um: float
) -> None:
    """Bright and dark specks along the inner outline, in some places more than in others."""
    knots = rng.normal(0.4, 0.8, (9, 9)).astype(np.float32)
    patchy = np.clip(cv2.resize(knots, ring.shape[::-1], interpolation=cv2.INTER_CUBIC), 0, 1.5)
    speck_px = rng.uniform(0.5, 1.1) * px_per_um
    specks = crop_grain(rng, ring.shape, speck_px, look.light)
    painted += ring * patchy * specks * np.float32(rng.uniform(0.06, 0.24) * (0.4 + 2 * look.relief))
