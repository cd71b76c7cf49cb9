"""The fixed pictures on which two forms of one network are compared."""

import cv2
import numpy as np

from embryofrag.phantom.frame import draw_frame
from embryofrag.phantom.instrument import INSTRUMENTS

_PROBE_SEED = 7_000


def probe_images(size_px: int, count: int = 8) -> np.ndarray:
    """Frames of all instruments in turn, cut to their middle square and resized.

    Args:
        size_px: Side S of the result.
        count: Number of pictures N; picture i is the same whatever the count.

    Returns:
        (N, S, S, 3) uint8 RGB; grey frames have three equal channels.
    """
    images_NHWC = np.empty((count, size_px, size_px, 3), np.uint8)
    for index in range(count):
        image = draw_frame(_PROBE_SEED + index, instrument=list(INSTRUMENTS)[index % len(INSTRUMENTS)]).image
        if image.ndim == 2:
            image = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
        side = min(image.shape[:2])
        top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
        square = image[top : top + side, left : left + side]
        images_NHWC[index] = cv2.resize(square, (size_px, size_px), interpolation=cv2.INTER_AREA)
    return images_NHWC
