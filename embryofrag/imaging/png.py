"""Masks as PNG files: 8-bit grey, 0 outside and 255 inside, which every viewer and ImageJ opens as it is."""

import cv2
import numpy as np

_SETTINGS = (
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE),
)
"""Run lengths of unfiltered rows: for masks the smallest of OpenCV's 8-bit settings and among the fastest."""


def encode_mask_png(mask: np.ndarray) -> bytes:
    """Return a mask as the bytes of an 8-bit grey PNG; the same mask gives the same bytes.

    Args:
        mask: bool (H, W).

    Raises:
        ValueError: Not a bool image.
    """
    if mask.dtype != np.bool_ or mask.ndim != 2:
        raise ValueError(f"a mask is bool (H, W), not {mask.dtype} {mask.shape}")
    _, encoded = cv2.imencode(".png", mask.view(np.uint8) * np.uint8(255), _SETTINGS)
    return encoded.tobytes()


def decode_mask_png(data: bytes) -> np.ndarray:
    """Return the mask of a PNG that `encode_mask_png` or a labelling tool wrote: bool (H, W), True where not 0.

    Raises:
        ValueError: The bytes are not a readable 8-bit grey PNG.
    """
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if picture is None or picture.dtype != np.uint8 or picture.ndim != 2:
        raise ValueError("not a readable 8-bit grey PNG mask")
    return picture > 0
