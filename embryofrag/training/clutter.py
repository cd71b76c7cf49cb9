"""Things painted onto training frames that are no part of the embryo: text boxes and debris.

Both work on canvases, uint8 (S, S, 3), and return new ones.
"""

import math

import cv2
import numpy as np

TEXTS = ("Well {well}", "{hours:.1f} h", "{hours:.1f}", "W{well:02d} F{plane:+d}", "2024-05-{well:02d} 10:{plane:02d}")
ZONA_REACH = 0.55
"""How far the zona reaches beyond the embryo's outline, in radii of the embryo: debris stays outside it, because
inside it would be a fragment."""


def burn_text_box(image_SSC: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Burn a box with text into one of the corners, as exports and review software do."""
    image = image_SSC.copy()
    size_px = len(image)
    text = rng.choice(TEXTS).format(well=rng.integers(1, 17), hours=rng.uniform(15, 120), plane=rng.integers(0, 60))
    scale = size_px / 256 * rng.uniform(0.25, 0.42)
    (text_px, height_px), descent_px = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    rim_px = int(rng.integers(2, 5))
    box_width_px, box_height_px = text_px + 2 * rim_px, height_px + descent_px + 2 * rim_px
    margin_px = round(rng.uniform(0.0, 0.04) * size_px)
    left = margin_px if rng.random() < 0.5 else size_px - margin_px - box_width_px
    top = margin_px if rng.random() < 0.25 else size_px - margin_px - box_height_px
    paper, ink = ((255, 16), (0, 235))[int(rng.random() < 0.3)]
    cv2.rectangle(image, (left, top), (left + box_width_px - 1, top + box_height_px - 1), (paper,) * 3, cv2.FILLED)
    baseline = (left + rim_px, top + rim_px + height_px)
    cv2.putText(image, text, baseline, cv2.FONT_HERSHEY_SIMPLEX, scale, (ink,) * 3, 1, cv2.LINE_AA)
    return image


def scatter_debris(image_SSC: np.ndarray, embryo_SS: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lay one to five pieces of debris beyond the zona.

    Half of the pieces are copied from the embryo itself, so that neither brightness nor texture tells debris from
    fragments: only its place outside the zona does. The others are plain dark or bright specks.

    Args:
        image_SSC: the canvas.
        embryo_SS: bool, the embryo; empty in an empty well.
        rng: decides everything.

    Returns:
        The canvas, unchanged where no room is left beside the embryo.
    """
    image = image_SSC.copy()
    size_px = len(image)
    embryo_radius_px = math.sqrt(embryo_SS.sum() / math.pi)
    distance_px = cv2.distanceTransform((~embryo_SS).astype(np.uint8), cv2.DIST_L2, 3)
    if not embryo_SS.any():
        distance_px[:] = size_px
    inside_yx = np.argwhere(embryo_SS)
    contrast = max(8.0, 2.0 * float(image_SSC[embryo_SS].std())) if len(inside_yx) else 20.0
    for _ in range(rng.integers(1, 6)):
        half_px = size_px * rng.uniform(0.012, 0.045)
        free_yx = np.argwhere(distance_px > ZONA_REACH * embryo_radius_px + 1.5 * half_px)
        if not len(free_yx):
            continue
        piece_yx = rng.choice(free_yx)
        alpha, rim = _soft_blob(size_px, piece_yx, half_px, rng)
        if len(inside_yx) and rng.random() < 0.5:
            shift = tuple((piece_yx - rng.choice(inside_yx)).tolist())
            matter = np.roll(image_SSC, shift, axis=(0, 1)).astype(np.float32)
        else:
            tone = rng.choice((-1.0, 1.0)) * rng.uniform(0.2, 1.0) * contrast
            matter = image + tone - rng.uniform(0.5, 2.0) * tone * rim
        image = np.clip(image + alpha * (matter - image), 0, 255).round().astype(np.uint8)
    return image


def _soft_blob(
    size_px: int, centre_yx: np.ndarray, half_px: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Opacity of an uneven oval with soft edges, and where its rim is; both float32 (S, S, 1), 0..1."""
    rows, columns = np.ogrid[:size_px, :size_px]
    y, x = rows - centre_yx[0], columns - centre_yx[1]
    angle = np.arctan2(y, x)
    turn, lobes, least = rng.uniform(0, 2 * math.pi), rng.integers(2, 4), rng.uniform(0.6, 1.0)
    oval = least + (1 - least) * np.cos(angle + turn) ** 2
    reach_px = half_px * oval * (1 + 0.15 * np.cos(lobes * angle + turn))
    depth_px = (reach_px - np.hypot(y, x))[..., None].astype(np.float32)
    edge_px = max(1.5, 0.4 * half_px)
    return np.clip(depth_px / edge_px + 0.5, 0, 1), np.exp(-((depth_px / edge_px - 0.5) ** 2) * 4)
