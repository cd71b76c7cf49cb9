"""One transparent body as Hoffman modulation contrast shows it.

The field that is painted on holds contrast relative to the light behind the embryo: 0 is clear medium, -1 black.
"""

from dataclasses import dataclass

import numpy as np

from embryofrag.phantom.body import Patch
from embryofrag.phantom.instrument import Look
from embryofrag.phantom.texture import crop_grain

_WIDEST = 3.0
"""Limit of what defocus does to an outline; the camera's blur does the rest."""

_DEFOCUS_UM = 9.0
"""Distance from the focal plane at which an outline is sqrt(2) times as wide."""

_STEEP = np.float32(0.9)
"""Standard deviations beyond which a grain counts as a granule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How one body is painted; contrasts are relative to the light behind it."""

    tone: float = 0.0
    """Flat contrast of the inside."""
    relief: float = 0.0
    """Shading from the dark to the bright side, steep near the outline."""
    edge: float = 0.0
    """Darkness of the outline."""
    edge_px: float = 1.0
    """Half width of the outline."""
    grain: float = 0.0
    grain_px: float = 1.0
    pepper: float = 0.0
    """How much the steepest grains stand out, as single granules."""
    opacity: float = 0.5
    halo: float = 0.0
    """Darkness of the soft shadow around the body."""


def widen_by_defocus(edge_px: float, distance_um: float) -> float:
    """Half width of an outline that lies off the focal plane.

    >>> widen_by_defocus(1.0, 0.0), round(widen_by_defocus(1.0, 9.0), 2)
    (1.0, 1.41)
    """
    return edge_px * min(_WIDEST, float(np.hypot(1.0, distance_um / _DEFOCUS_UM)))


def find_margin_px(edge_px: float, distance_um: float, *, halo: bool = False) -> float:
    """How far beyond the outline the paint of a body reaches that lies `distance_um` off the focal plane."""
    return 2 + (4.5 if halo else 2.2) * widen_by_defocus(edge_px, distance_um)


def paint_body(
    field_HW: np.ndarray, patch: Patch, style: Style, look: Look, rng: np.random.Generator, focal_um: float = 0.0
) -> None:
    """Lays one body over what is already painted, in place.

    The shading is the slope of a sphere's thickness along the light, u / sqrt(1 - d^2), softened at the outline and
    flattened in the middle, where a cell in contact with others is flat.

    Args:
        field_HW: (H, W) float32 contrast.
        patch: Where the body is.
        style: How it looks in focus.
        look: Light direction and one-sidedness of the frame.
        rng: Chooses the crops of the grain.
        focal_um: Focal plane, against the body's own height.
    """
    edge_px = widen_by_defocus(style.edge_px, patch.z_um - focal_um)
    sharp = style.edge_px / edge_px
    depth, inverse_radius = patch.depth_px, np.float32(1 / patch.radius_px)
    u = patch.dx_px * np.float32(look.light[0] / patch.radius_px) + patch.dy_px * np.float32(
        look.light[1] / patch.radius_px
    )
    height_squared = 1 - np.square(np.clip(1 - depth * inverse_radius, 0, 1))
    steepness = np.float32(min(0.5, 0.07 + 1.2 * edge_px * inverse_radius))
    shading = u * (np.float32(0.5) + np.float32(0.5) * u * u) / np.sqrt(height_squared + steepness)
    value = np.float32(style.tone) + np.float32(0.7 * style.relief) * shading
    if style.grain:
        texture = crop_grain(rng, depth.shape, style.grain_px, look.light, coarse=look.coarse_grain)
        if style.pepper:
            texture += np.float32(style.pepper) * (texture - np.clip(texture, -_STEEP, _STEEP))
        value += texture * (np.float32(0.6) + np.float32(0.4) * height_squared) * np.float32(style.grain)
    along = depth * np.float32(1 / edge_px)
    cover = np.clip(along + np.float32(0.5), 0, 1)
    # the outline takes light away, on the bright side less or none
    line = np.exp(-np.square(along)) * (np.float32(style.edge * sharp**0.5) * (1 - np.float32(look.one_sided) * u))
    painted = field_HW[patch.window]
    painted *= 1 - np.float32(style.opacity) * cover
    painted += value * cover
    painted -= line * (1 + painted)
    if style.halo:
        outside = np.minimum(along + 1, 0)
        shadow = np.exp(-np.square(outside * np.float32(0.5))) * (1 - cover)
        painted -= shadow * (np.float32(style.halo) * (1 - np.float32(look.one_sided) * u))


def cell_style(look: Look, rng: np.random.Generator) -> Style:
    """A cell: granular, with a dark outline and relief."""
    vary = np.exp(rng.normal(0, [0.2, 0.18, 0.18, 0.18, 0.12]))
    return Style(
        tone=look.cell_tone * vary[0],
        relief=look.relief * vary[1],
        edge=look.edge * vary[2],
        edge_px=max(0.8, look.edge_um * vary[3] / look.um_per_px),
        grain=look.grain * vary[4],
        grain_px=look.grain_um / look.um_per_px,
        pepper=look.pepper,
        opacity=float(np.clip(look.opacity + rng.normal(0, 0.12), 0.1, 0.95)),
        halo=look.halo,
    )
