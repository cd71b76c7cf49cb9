"""Overlap of predicted and true masks: Dice and IoU, of each image and pooled.

Counts of pixels are kept for each image, so that any subset can be scored without its masks. Shape legend: N image;
the 3 columns of counts are pixels in both masks, in the predicted mask, in the true mask.
"""

import numpy as np


def count_overlap(predicted: np.ndarray, truth: np.ndarray) -> tuple[int, int, int]:
    """Return the pixels in both masks, in the predicted one and in the true one.

    Args:
        predicted: bool (H, W).
        truth: bool (H, W).

    Raises:
        ValueError: Not two bool masks of one size.

    >>> count_overlap(np.array([[1, 1, 0]], bool), np.array([[0, 1, 1]], bool))
    (1, 2, 2)
    """
    if predicted.dtype != np.bool_ or truth.dtype != np.bool_ or predicted.shape != truth.shape:
        raise ValueError("overlap is counted between two bool masks of one size")
    return tuple(int(np.count_nonzero(mask)) for mask in (predicted & truth, predicted, truth))


def dice(counts_px: np.ndarray) -> np.ndarray:
    """Return 2 |P and T| / (|P| + |T|), 0..1, nan where both masks are empty.

    Args:
        counts_px: (..., 3).

    Returns:
        float64 (...).

    >>> dice(np.array([[1, 2, 2], [0, 5, 0], [0, 0, 0]])).tolist()
    [0.5, 0.0, nan]
    """
    common, predicted, truth = np.moveaxis(np.asarray(counts_px, np.float64), -1, 0)
    return _divide(2 * common, predicted + truth)


def iou(counts_px: np.ndarray) -> np.ndarray:
    """Return |P and T| / |P or T|, 0..1, nan where both masks are empty; shapes as in `dice`.

    >>> iou(np.array([1, 2, 2])).round(4).item()
    0.3333
    """
    common, predicted, truth = np.moveaxis(np.asarray(counts_px, np.float64), -1, 0)
    return _divide(common, predicted + truth - common)


def score_masks(counts_N3: np.ndarray) -> dict[str, float]:
    """Score the masks of one class over several images.

    | score                          | over                                                                   |
    |--------------------------------|------------------------------------------------------------------------|
    | dice_per_image, iou_per_image  | mean over images whose true mask is not empty                          |
    | dice_pooled, iou_pooled        | the pixels of all images together                                      |
    | false_share                    | share of the images with an empty true mask where something is found   |

    An image with an empty true mask has a Dice of 0 or none at all, which says nothing of how much was found wrongly:
    it counts in the pooled scores and in ``false_share``.

    Args:
        counts_N3: Pixels as `count_overlap` gives them; a row of nan is an image without a true mask and is left out.

    Returns:
        Each score, nan where no image has what it needs.

    >>> scores = score_masks(np.array([[1, 2, 2], [3, 3, 3], [0, 5, 0]]))
    >>> scores["dice_per_image"], round(scores["dice_pooled"], 4), scores["false_share"]
    (0.75, 0.5333, 1.0)
    """
    counts_N3 = np.asarray(counts_N3, np.float64).reshape(-1, 3)
    counts_N3 = counts_N3[~np.isnan(counts_N3[:, 0])]
    has_object_N = counts_N3[:, 2] > 0
    present, absent, pooled = counts_N3[has_object_N], counts_N3[~has_object_N], counts_N3.sum(axis=0)
    return {
        "dice_per_image": _mean(dice(present)),
        "dice_pooled": float(dice(pooled)),
        "iou_per_image": _mean(iou(present)),
        "iou_pooled": float(iou(pooled)),
        "false_share": _mean(absent[:, 1] > 0),
    }


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan


def _divide(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)
