"""From the network's probability maps to masks in the frame's own pixels.

Shapes: K class (0 fragment, 1 embryo), S side of the canvas, H and W pixels of the original frame.
"""

import cv2
import numpy as np

from embryofrag.imaging.letterbox import Letterbox, to_frame, undo_letterbox
from embryofrag.imaging.window import Circle, enclosing_circle

FRAGMENT, EMBRYO = 0, 1
"""Index of each class along K."""


def masks_in_frame(
    probabilities_KSS: np.ndarray, box: Letterbox, threshold: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Return the fragment mask and the embryo mask in the frame's pixels.

    Probabilities are resized first and compared with the threshold after, so that outlines land between canvas
    pixels. The fragment mask is not clipped to the embryo mask: it stays what the network said, and only the ratio
    counts the part inside (`embryofrag.grading.ratio`). No hole is filled and no speck removed.

    Args:
        probabilities_KSS: float32 0..1, or bool, (2, S, S).
        box: The record of the frame's letterbox.
        threshold: Probability from which on (inclusive) a pixel belongs to the mask; above 0, at most 1.

    Returns:
        Fragment mask and embryo mask, each bool (H, W).

    Raises:
        ValueError: Not two maps of the canvas's size, or a threshold outside (0, 1].
    """
    if not 0.0 < threshold <= 1.0:
        raise ValueError(f"a mask threshold lies above 0 and at most at 1, not at {threshold}")
    if probabilities_KSS.ndim != 3 or probabilities_KSS.shape[0] != 2:
        raise ValueError(f"expected (2, S, S) maps, fragment then embryo, not {probabilities_KSS.shape}")
    fragment, embryo = (undo_letterbox(map_SS, box) >= threshold for map_SS in probabilities_KSS)
    return fragment, embryo


def find_circle(probability_SS: np.ndarray, box: Letterbox, threshold: float = 0.5) -> Circle | None:
    """Return the circle around the largest piece of a class's mask, in the frame's pixels; None where it is empty.

    It is measured on the canvas, padding left out: coarse, and quick. The two axes' scales differ by less than a
    canvas pixel; the radius takes their mean.

    Args:
        probability_SS: float32 0..1 (S, S).
        box: The record of the frame's letterbox.
        threshold: As in `masks_in_frame`.
    """
    circle = enclosing_circle(probability_SS[box.content] >= threshold)
    if circle is None:
        return None
    x_px, y_px = circle.x_px + box.left_px, circle.y_px + box.top_px
    corners = [[x_px, y_px], [x_px + circle.radius_px, y_px + circle.radius_px]]
    centre, corner = to_frame(np.array(corners), box)
    return Circle(x_px=float(centre[0]), y_px=float(centre[1]), radius_px=float((corner - centre).mean()))


def mask_confidence(probability_SS: np.ndarray, box: Letterbox, threshold: float = 0.5) -> float | None:
    """Return the mean probability inside a class's own mask on the canvas, padding left out.

    Near 1 where the network is sure of the whole object; only a little above ``threshold`` where it guesses.

    Args:
        probability_SS: float32 0..1 (S, S).
        box: The record of the frame's letterbox.
        threshold: As in `masks_in_frame`.

    Returns:
        A probability in ``threshold``..1, or None where the mask is empty.
    """
    content = probability_SS[box.content]
    inside = content[content >= threshold]
    return float(inside.mean(dtype=np.float64)) if inside.size else None


def component_areas_px(mask: np.ndarray) -> tuple[int, ...]:
    """Return the areas of a mask's 8-connected components, largest first.

    >>> component_areas_px(np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 1]], bool))
    (3, 2)
    """
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return tuple(sorted(stats[1:, cv2.CC_STAT_AREA].tolist(), reverse=True))


def count_components(mask: np.ndarray) -> int:
    """Return the number of 8-connected components of a bool mask.

    Fragments that touch in projection count as one, so this is a lower bound on the fragments seen.

    >>> count_components(np.eye(3, dtype=bool))
    1
    """
    return cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] - 1
