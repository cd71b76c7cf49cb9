"""Fragments: where they lie, until they cover the asked-for share of the embryo.

The fragment mask is the union of the fragments' outlines with gaps up to `CLUSTER_GAP_UM` closed, as a person
outlines a cluster; the embryo mask is the union of cells and fragment mask; both end at the zona's inner outline.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from embryofrag.phantom.body import Patch, draw_body, trace_body
from embryofrag.phantom.instrument import Look
from embryofrag.phantom.optics import Style, find_margin_px, paint_body
from embryofrag.phantom.zona import Zona

CLUSTER_GAP_UM = 2.0
"""Gaps narrower than this between fragments count as fragment."""

_CLOSE_ENOUGH = 0.004
"""The ratio is not approached further than this."""

_GRAINLESS_PX = 4.0
_LEAST_CONTRAST = 0.12
"""Root mean square, over its area, of what a fragment changes in what it lies on."""
_LEAST_CONTRAST_OVER_TEXTURE = 0.8
"""The same, over the standard deviation of what it lies on. What nobody can see, nobody would outline."""
_MOST_RELIEF = 1.0
"""Contrast of the strongest refraction, which whites and blacks out at its best-lit places only."""

_MAX_TRIES = 1500
_PATTERN_TRIES = 500
_MOST_TINY = 70
"""Beyond so many tiny fragments the rest are of the usual size."""
"""After so many tries the pattern is full: the rest is scattered over the embryo and may mostly overlap."""

Place = Callable[[np.random.Generator, float], tuple[float, float]]
"""Draws a centre (x, y) in zona radii from the zona's centre; the number grows from 1 as room runs out."""


@dataclass(slots=True)
class Plan:
    """Masks while fragments are being added."""

    fragment_HW: np.ndarray
    """uint8 0/1."""
    embryo_HW: np.ndarray
    """uint8 0/1."""
    fragment_px: int = 0
    embryo_px: int = 0

    def gain(self, patch: Patch) -> tuple[int, int]:
        """Pixels that a fragment would add to the fragment mask and to the embryo mask."""
        inside = patch.inside
        return (
            int(np.count_nonzero(inside & (self.fragment_HW[patch.window] == 0))),
            int(np.count_nonzero(inside & (self.embryo_HW[patch.window] == 0))),
        )

    def add(self, patch: Patch, gained: tuple[int, int]) -> None:
        """Takes a fragment in; `gained` is what `gain` said of it."""
        self.fragment_HW[patch.window] |= patch.inside
        self.embryo_HW[patch.window] |= patch.inside
        self.fragment_px += gained[0]
        self.embryo_px += gained[1]


def _cluster_places(rng: np.random.Generator, cells_HW: np.ndarray, zona: Zona, ratio: float) -> Place:
    """Around one to three centres, each mostly where few cells are."""
    angles, reach = rng.uniform(0, 2 * np.pi, (3, 6)), np.sqrt(rng.uniform(0.02, 0.75, (3, 6)))
    x, y = reach * np.cos(angles), reach * np.sin(angles)
    rows = np.clip(zona.y_px + y * zona.radius_px, 0, cells_HW.shape[0] - 1).astype(int)
    columns = np.clip(zona.x_px + x * zona.radius_px, 0, cells_HW.shape[1] - 1).astype(int)
    free = np.argmin(cells_HW[rows, columns] if rng.random() < 0.7 else rng.random((3, 6)), axis=1)
    centres = np.stack([x, y], -1)[np.arange(3), free][: rng.integers(1, 4)]
    spread = rng.uniform(0.08, 0.2) + 0.25 * ratio

    def place(rng: np.random.Generator, crowding: float) -> tuple[float, float]:
        return tuple(centres[rng.integers(len(centres))] + rng.normal(0, spread * crowding, 2))

    return place


def _perivitelline_places(rng: np.random.Generator) -> Place:
    """Along one arc of the space between cells and zona."""
    middle_rad, half_rad = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.6)

    def place(rng: np.random.Generator, crowding: float) -> tuple[float, float]:
        angle_rad = middle_rad + rng.uniform(-half_rad, half_rad) * crowding
        reach = 1 - rng.exponential(0.1 * crowding)
        return reach * np.cos(angle_rad), reach * np.sin(angle_rad)

    return place


def _scattered_places(rng: np.random.Generator) -> Place:
    """Anywhere in the zona."""

    def place(rng: np.random.Generator, crowding: float) -> tuple[float, float]:
        angle_rad, reach = rng.uniform(0, 2 * np.pi), np.sqrt(rng.random())
        return reach * np.cos(angle_rad), reach * np.sin(angle_rad)

    return place


def _draw_places(rng: np.random.Generator, cells_HW: np.ndarray, zona: Zona, ratio: float) -> Place:
    """Clustered, perivitelline, scattered, or one of the first two with a few strays."""
    main = (
        _cluster_places(rng, cells_HW, zona, ratio)
        if rng.random() < 0.72
        else _perivitelline_places(rng)
        if rng.random() < 0.6
        else _scattered_places(rng)
    )
    strays = rng.choice([0.0, 0.12])
    stray_place = _scattered_places(rng)

    def place(rng: np.random.Generator, crowding: float) -> tuple[float, float]:
        return (stray_place if rng.random() < strays else main)(rng, crowding)

    return place


def plan_fragments(
    rng: np.random.Generator,
    zona: Zona,
    inside_HW: np.ndarray,
    cells_HW: np.ndarray,
    ratio: float,
    edge_px: float,
    pieces: Sequence[Patch] = (),
) -> tuple[list[Patch], np.ndarray, np.ndarray]:
    """Adds fragments until they cover `ratio` of the embryo.

    Args:
        rng: Source of chance; a larger ratio continues what a smaller one begins.
        zona: Geometry.
        inside_HW: (H, W) float32 depth inside the zona.
        cells_HW: (H, W) bool union of the cells.
        ratio: Above 0, at most 0.7.
        edge_px: Half width of the outlines, for which the patches leave room.
        pieces: Fragments that are there already, of a mosaic; they cover less than `ratio`.

    Returns:
        Fragments in the order to paint them, pieces first, fragment mask and embryo mask (H, W) bool.
    """
    plan = Plan(np.zeros(cells_HW.shape, np.uint8), cells_HW.astype(np.uint8), 0, int(np.count_nonzero(cells_HW)))
    place = _draw_places(rng, cells_HW, zona, ratio)
    median_um, usual_um = _draw_median_um(rng, ratio)
    # a single small fragment stands alone in about a third of the frames that can have one
    alone = ratio < 0.06 and rng.random() < 0.35
    patches = list(pieces)
    for piece in pieces:
        plan.add(piece, plan.gain(piece))
    if pieces:
        _close_gaps(plan, zona, inside_HW)
    crowding = 1.0
    anywhere = _scattered_places(rng)
    for tries in range(_MAX_TRIES):
        wanted_px = ratio * plan.embryo_px - plan.fragment_px
        if wanted_px <= _CLOSE_ENOUGH * plan.embryo_px and patches:
            break
        median_um = usual_um if len(patches) > _MOST_TINY else median_um
        diameter_um = float(np.clip(median_um * np.exp(rng.normal(0, 0.35)), 2.0, 40.0))
        largest_px = np.sqrt(max(wanted_px, 4.0) / np.pi)
        radius_px = largest_px if alone else min(diameter_um / 2 / zona.um_per_px, largest_px * 1.05)
        full = tries >= _PATTERN_TRIES
        centre = (anywhere if full else place)(rng, crowding)
        patch = _draw_fragment(rng, zona, inside_HW, centre, radius_px, edge_px)
        gained = plan.gain(patch) if patch else (0, 0)
        if patch is None or gained[0] < (0.1 if full else 0.45) * np.pi * radius_px**2:
            crowding = min(4.0, crowding * 1.01)
            continue
        plan.add(patch, gained)
        patches.append(patch)
        if plan.fragment_px > 0.85 * ratio * plan.embryo_px:
            _close_gaps(plan, zona, inside_HW)
    return patches, plan.fragment_HW > 0, plan.embryo_HW > 0


def _draw_median_um(rng: np.random.Generator, ratio: float) -> tuple[float, float]:
    """Median diameter of the fragments, and that of the usual ones: one embryo in six has tiny, one in five large."""
    usual_um = rng.uniform(5.5, 11) + 16 * max(0.0, ratio - 0.15) * rng.random()
    kind, tiny_um, large_um = rng.random(), rng.uniform(2.3, 4.5), rng.uniform(10, 18)
    return tiny_um if kind < 0.16 else large_um if kind > 0.8 else usual_um, usual_um


def _draw_fragment(
    rng: np.random.Generator,
    zona: Zona,
    inside_HW: np.ndarray,
    place: tuple[float, float],
    radius_px: float,
    edge_px: float,
) -> Patch | None:
    """One fragment at a place in zona radii, or None where the zona would cut much of it off."""
    x, y = place[0] * zona.radius_px, place[1] * zona.radius_px
    if np.hypot(x, y) > zona.radius_px - 0.5 * radius_px:
        return None
    body = draw_body(
        rng,
        (zona.x_px + x, zona.y_px + y),
        radius_px,
        stretch=0.25,
        wobble=0.045,
        z_um=rng.normal(0, 0.22) * zona.radius_px * zona.um_per_px,
    )
    margin_px = find_margin_px(edge_px, abs(body.z_um) + 5)
    patch = trace_body(body, inside_HW.shape, margin_px=margin_px, within_HW=inside_HW)
    whole = patch is not None and np.count_nonzero(patch.inside) > 0.7 * np.pi * radius_px**2
    return patch if whole else None


def _close_gaps(plan: Plan, zona: Zona, inside_HW: np.ndarray) -> None:
    """Fills gaps narrower than CLUSTER_GAP_UM, in place."""
    size_px = max(3, round(CLUSTER_GAP_UM / zona.um_per_px) // 2 * 2 + 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size_px, size_px))
    reach = int(zona.radius_px * 1.2) + size_px
    window = (
        slice(max(0, int(zona.y_px) - reach), int(zona.y_px) + reach),
        slice(max(0, int(zona.x_px) - reach), int(zona.x_px) + reach),
    )
    closed = cv2.morphologyEx(plan.fragment_HW[window], cv2.MORPH_CLOSE, kernel) & (inside_HW[window] > 0)
    plan.fragment_HW[window] |= closed
    plan.embryo_HW[window] |= closed
    plan.fragment_px = int(np.count_nonzero(plan.fragment_HW[window]))
    plan.embryo_px = int(np.count_nonzero(plan.embryo_HW[window]))


@dataclass(frozen=True, slots=True, kw_only=True)
class FragmentLook:
    """What the fragments of one embryo share."""

    tone: float
    relief: float
    edge: float
    grain: float
    opacity: float
    roughness: float
    """Contrast of the coarse refraction over the whole mass."""


def draw_fragment_looks(
    rng: np.random.Generator, look: Look, without: frozenset[str] = frozenset()
) -> tuple[FragmentLook, FragmentLook]:
    """The look of most fragments of one embryo and that of the odd ones among them.

    Half have the cells' own tone and grain, a quarter are smooth and pale, a fifth refract brightly or darkly.
    """
    kinds = rng.choice(["cellular", "pale", "refractile"], p=[0.52, 0.26, 0.22], size=2)
    looks = tuple(_draw_fragment_look(rng, look, kind, cellular=f"{kind}_fragments" in without) for kind in kinds)
    return looks[0], looks[1]


def _draw_fragment_look(rng: np.random.Generator, look: Look, kind: str, *, cellular: bool) -> FragmentLook:
    strength, bright, soft, rough, grainy, flat = rng.uniform(0, 1, 6)
    strength = 0.7 + 0.7 * strength
    looks = {
        "cellular": FragmentLook(
            tone=look.cell_tone * (0.4 + 0.8 * bright),
            relief=look.relief * strength * 1.2,
            edge=look.edge * strength * (0.45 + 0.5 * soft),
            grain=look.grain * (0.5 + 1.3 * grainy),
            opacity=0.35 + 0.55 * flat,
            roughness=look.relief * (0.1 + 0.75 * rough),
        ),
        "pale": FragmentLook(
            tone=-0.04 + 0.16 * bright,
            relief=look.relief * strength * (0.35 + 0.5 * soft),
            edge=look.edge * strength * (0.28 + 0.4 * rough),
            grain=look.grain * 0.4 * grainy,
            opacity=0.12 + 0.4 * flat,
            roughness=look.relief * 0.1 * rough,
        ),
        "refractile": FragmentLook(
            tone=(-0.10 - 0.15 * flat) if bright < 0.3 else 0.25 * bright,
            relief=min(_MOST_RELIEF, look.relief * strength * 1.8),
            edge=look.edge * strength * (0.4 + 0.6 * soft),
            grain=look.grain * (0.2 + 1.2 * grainy),
            opacity=0.45 + 0.5 * flat,
            roughness=min(0.4 * _MOST_RELIEF, look.relief * (0.2 + 0.9 * rough)),
        ),
    }
    return looks["cellular" if cellular else kind]


def fragment_style(shared: FragmentLook, look: Look, rng: np.random.Generator, radius_px: float) -> Style:
    """One fragment around what its embryo's fragments share; the smallest have no grain of their own."""
    vary = np.exp(rng.normal(0, 0.3, 3))
    return Style(
        tone=shared.tone + rng.normal(0, 0.04),
        relief=shared.relief * vary[0],
        edge=min(0.75, shared.edge * vary[1]),
        edge_px=max(0.7, 0.85 * look.edge_um / look.um_per_px),
        grain=shared.grain * vary[2] if radius_px > _GRAINLESS_PX else 0.0,
        grain_px=look.grain_um / look.um_per_px,
        opacity=float(np.clip(shared.opacity + rng.normal(0, 0.12), 0.1, 0.95)),
    )


def paint_fragment(
    field_HW: np.ndarray, patch: Patch, style: Style, look: Look, rng: np.random.Generator, focal_um: float = 0.0
) -> None:
    """Lays one fragment over what is painted, as `paint_body` does, and strengthens it where it would hardly show.

    Args:
        field_HW: (H, W) float32 contrast.
        patch: Where the fragment is.
        style: How it looks in focus.
        look: Light direction and one-sidedness of the frame.
        rng: Chooses the crops of the grain.
        focal_um: Focal plane, against the fragment's own height.
    """
    below_HW = field_HW[patch.window].copy()
    paint_body(field_HW, patch, style, look, rng, focal_um)
    change_HW = field_HW[patch.window] - below_HW
    contrast = np.sqrt(np.square(change_HW[patch.inside]).mean())
    least = max(_LEAST_CONTRAST, _LEAST_CONTRAST_OVER_TEXTURE * below_HW[patch.inside].std())
    if 0 < contrast < least:
        field_HW[patch.window] += change_HW * np.float32(least / contrast - 1)
