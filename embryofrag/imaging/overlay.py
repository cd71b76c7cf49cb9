"""The picture a person checks: the frame with both outlines, caption lines and a legend.

Text stands at the top, because incubators burn well and hours into the bottom corners, and outlines are drawn over
it. Outlines run just outside their mask, so a fragment of a few pixels stays visible inside its ring. The two colours
are the orange and the sky blue of Okabe and Ito, told apart with every kind of colour vision and absent from grey
frames.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np

EMBRYO_RGB = (86, 180, 233)
FRAGMENT_RGB = (230, 159, 0)

_FILL_ALPHA = 0.18
_BACKING_ALPHA = 0.6
_LEGEND = (("embryo", EMBRYO_RGB), ("fragments", FRAGMENT_RGB))
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_overlay(image: np.ndarray, fragment: np.ndarray, embryo: np.ndarray, lines: Sequence[str]) -> np.ndarray:
    """Draw masks, caption and legend on a copy of a frame.

    Args:
        image: uint8, (H, W) grey or (H, W, 3) RGB.
        fragment: bool (H, W).
        embryo: bool (H, W).
        lines: Caption lines. Characters outside ASCII are drawn as ``?``; a line too long for the frame is wrapped
            between words.

    Returns:
        uint8 RGB (H, W, 3).

    Raises:
        ValueError: A mask is not of the image's size.
    """
    canvas = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) if image.ndim == 2 else image.copy()
    _draw_text(canvas, lines)
    return draw_outlines(canvas, fragment, embryo)


def draw_outlines(image: np.ndarray, fragment: np.ndarray, embryo: np.ndarray) -> np.ndarray:
    """Draw both outlines and no words on a copy of a frame; arguments, result and error as `draw_overlay`."""
    if not fragment.shape == embryo.shape == image.shape[:2]:
        raise ValueError(f"masks {fragment.shape}, {embryo.shape} are not of the image's size {image.shape[:2]}")
    canvas = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) if image.ndim == 2 else image.copy()
    width_px = max(1.0, min(image.shape[:2]) / 400)
    around = _around(fragment | embryo, margin_px=math.ceil(width_px) + 2)
    part, fragment, embryo = canvas[around], fragment[around], embryo[around]
    _blend(part, _outline_alpha(embryo, width_px), EMBRYO_RGB)
    _blend(part, fragment * np.float32(_FILL_ALPHA), FRAGMENT_RGB)
    _blend(part, _outline_alpha(fragment, width_px), FRAGMENT_RGB)
    return canvas


def encode_jpeg(rgb: np.ndarray, quality: int = 90) -> bytes:
    """Return an overlay, uint8 RGB (H, W, 3), as the bytes of a JPEG; the same picture gives the same bytes."""
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, quality))
    return encoded.tobytes()


def _around(mask: np.ndarray, margin_px: int) -> tuple[slice, slice]:
    """Return the rows and columns that hold a mask and a margin around it, cut at the frame: drawing needs no more."""
    left, top, wide, high = cv2.boundingRect(mask.view(np.uint8))
    return (
        slice(max(top - margin_px, 0), top + high + margin_px),
        slice(max(left - margin_px, 0), left + wide + margin_px),
    )


def _outline_alpha(mask: np.ndarray, width_px: float) -> np.ndarray:
    """Return the opacity, float32 (H, W) 0..1, of a ring of ``width_px`` around a mask, fading over one pixel."""
    if not mask.any():
        return np.zeros(mask.shape, np.float32)
    distance_px = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.clip(width_px + 1.0 - distance_px, 0.0, 1.0) * ~mask


def _blend(canvas: np.ndarray, alpha: np.ndarray, colour: tuple[int, int, int]) -> None:
    painted = alpha > 0
    below = canvas[painted].astype(np.float32)
    canvas[painted] = np.rint(below + alpha[painted][:, None] * (np.array(colour, np.float32) - below))


def _draw_text(canvas: np.ndarray, lines: Sequence[str]) -> None:
    """Draw the caption lines and under them the legend, top left, on a darkened box."""
    scale = float(np.clip(min(canvas.shape[:2]) / 1100, 0.32, 1.2))
    line_px, pad_px = round(34 * scale), max(3, round(9 * scale))
    room_px = canvas.shape[1] - 2 * pad_px
    texts = [row for line in lines for row in _wrap(line.encode("ascii", "replace").decode(), scale, room_px)]
    legend_px = sum(_text_width_px(name, scale) + line_px + 2 * pad_px for name, _ in _LEGEND)
    box_px = max([legend_px, *(_text_width_px(text, scale) for text in texts)]) + 2 * pad_px
    box = canvas[: (len(texts) + 1) * line_px + pad_px, :box_px]
    box[:] = np.rint(box * np.float32(1.0 - _BACKING_ALPHA))
    for row, text in enumerate(texts):
        _put_text(canvas, text, (pad_px, (row + 1) * line_px - pad_px // 2), scale)
    left, baseline = pad_px, (len(texts) + 1) * line_px - pad_px // 2
    for name, colour in _LEGEND:
        swatch = (left, baseline - line_px // 2), (left + line_px - pad_px, baseline)
        cv2.rectangle(canvas, *swatch, colour, cv2.FILLED)
        _put_text(canvas, name, (left + line_px, baseline), scale)
        left += line_px + _text_width_px(name, scale) + 2 * pad_px


def _wrap(line: str, scale: float, room_px: int) -> list[str]:
    """Break a line between words so that every row fits; a single word too long for the frame stays whole."""
    rows = [""]
    for word in line.split():
        longer = f"{rows[-1]} {word}".strip()
        if rows[-1] and _text_width_px(longer, scale) > room_px:
            rows.append(word)
        else:
            rows[-1] = longer
    return rows


def _text_width_px(text: str, scale: float) -> int:
    return cv2.getTextSize(text, _FONT, scale, _stroke_px(scale))[0][0]


def _stroke_px(scale: float) -> int:
    return 1 if scale < 0.8 else 2


def _put_text(canvas: np.ndarray, text: str, origin_xy: tuple[int, int], scale: float) -> None:
    cv2.putText(canvas, text, origin_xy, _FONT, scale, (255, 255, 255), _stroke_px(scale), cv2.LINE_AA)
