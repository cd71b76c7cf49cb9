"""Burned-in text as incubators export it, and the bench camera's scale bar."""

from functools import cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

_TEXT_PX = 16
_MARGIN_PX = 9
_TALLEST_TEXT = "Well 0.8 h"
"""All labels are as high as this one."""


@cache
def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(_TEXT_PX)


def render_label(text: str) -> np.ndarray:
    """Dark text on a white box, (h, w) uint8."""
    left, top, _, bottom = _font().getbbox(_TALLEST_TEXT)
    right = _font().getbbox(text)[2]
    label = Image.new("L", (int(right - left) + 6, int(bottom - top) + 6), 255)
    ImageDraw.Draw(label).text((3 - left, 3 - top), text, fill=16, font=_font())
    return np.asarray(label)


def burn_overlay(image: np.ndarray, well: int | None, hpi: float | None) -> None:
    """Writes `Well 10` bottom left and `33.0 h` bottom right where given, in place."""
    bottom = image.shape[0] - _MARGIN_PX
    if well is not None:
        label = render_label(f"Well {well}")
        image[bottom - label.shape[0] : bottom, _MARGIN_PX : _MARGIN_PX + label.shape[1]] = label
    if hpi is not None:
        label = render_label(f"{hpi:.1f} h")
        right = image.shape[1] - _MARGIN_PX
        image[bottom - label.shape[0] : bottom, right - label.shape[1] : right] = label


def burn_scale_bar(image_HWC: np.ndarray, um_per_px: float, rng: np.random.Generator) -> None:
    """Draws a 25 um bar with its caption into an RGB frame, in place."""
    height, width = image_HWC.shape[:2]
    colour = [(20, 160, 40), (0, 0, 0), (255, 255, 255)][rng.integers(3)]
    length_px = round(25 / um_per_px)
    left, y = width - 24 - length_px, height - 20
    cv2.line(image_HWC, (left, y), (left + length_px, y), colour, 2)
    cv2.putText(image_HWC, "25um", (left, y - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
