"""The same window turned and mirrored: what a network answers to several views, averaged.

An embryo has no up and no down, but a network answers each turn of it a little differently. Maps are turned back before
they are averaged; of ratios the mean is taken. A view costs the engines as much as a frame.

Shapes: V view, N image, K class, S side.
"""

from collections.abc import Callable

import numpy as np

NUM_VIEWS = (1, 2, 4, 8)
"""As it is; and turned by half; all quarter turns; these mirrored as well."""
_QUARTER_TURNS = (0, 2, 1, 3)
"""Of the first four views; the other four are the same, mirrored from left to right after the turn."""

Answers = tuple[np.ndarray, np.ndarray]
"""Masks float32 (N, K, S, S) and ratios float32 (N,)."""


def average_views(run: Callable[[np.ndarray], Answers], images_NSSC: np.ndarray, num_views: int) -> Answers:
    """Run the first views of each image and average the answers; one view is the image itself.

    Args:
        run: Answers uint8 (N, S, S, C) with masks and ratios, each image's whatever comes with it.
        images_NSSC: uint8 (N, S, S, C).
        num_views: One of `NUM_VIEWS`.
    """
    if num_views == 1:
        return run(images_NSSC)
    num_images = len(images_NSSC)
    views_MSSC = np.concatenate([turn(images_NSSC, view) for view in range(num_views)])
    masks_MKSS, ratios_M = run(views_MSSC)
    masks_NKSS = np.zeros((num_images, *masks_MKSS.shape[1:]), np.float32)
    # one after the other, so that a sum never depends on the number of images
    for view, masks_of_view_NKSS in enumerate(np.split(masks_MKSS, num_views)):
        masks_NKSS += turn_back(masks_of_view_NKSS, view)
    ratios_N = ratios_M.reshape(num_views, num_images).mean(axis=0, dtype=np.float64).astype(np.float32)
    return masks_NKSS / np.float32(num_views), ratios_N


def turn(images_NSSC: np.ndarray, view: int) -> np.ndarray:
    """Return the images in a view, 0..7.

    >>> [turn(np.array([[[[1], [2]], [[3], [4]]]]), view).ravel().tolist() for view in (0, 1, 2, 6)]
    [[1, 2, 3, 4], [4, 3, 2, 1], [2, 4, 1, 3], [4, 2, 3, 1]]
    """
    mirrored, place = divmod(view, len(_QUARTER_TURNS))
    turned_NSSC = np.rot90(images_NSSC, _QUARTER_TURNS[place], axes=(1, 2))
    return turned_NSSC[:, :, ::-1] if mirrored else turned_NSSC


def turn_back(maps_NKSS: np.ndarray, view: int) -> np.ndarray:
    """Return maps of a view as maps of the image itself.

    >>> image_NSSC = np.arange(9).reshape(1, 3, 3, 1)
    >>> maps = [turn_back(np.moveaxis(turn(image_NSSC, view), 3, 1), view) for view in range(8)]
    >>> all((map_NKSS == image_NSSC[..., 0]).all() for map_NKSS in maps)
    True
    """
    mirrored, place = divmod(view, len(_QUARTER_TURNS))
    maps_NKSS = maps_NKSS[..., ::-1] if mirrored else maps_NKSS
    return np.rot90(maps_NKSS, -_QUARTER_TURNS[place], axes=(2, 3))
