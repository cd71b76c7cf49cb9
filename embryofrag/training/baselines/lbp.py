"""Local binary patterns (Ojala, Pietikainen and Maenpaa 2002) and a multilayer perceptron."""

import numpy as np

from embryofrag.training.baselines.texture import fit_texture, texture_config
from embryofrag.training.predictions import Prediction
from embryofrag.training.train import Run

RINGS = ((8, 1), (16, 2), (24, 3))
"""Points and radius (px) of each ring of neighbours."""
CONFIG = texture_config("lbp")


def fit(run: Run, *, resume: bool = False) -> list[Prediction]:
    """Fit on the histograms of the patterns; nothing is kept, so `resume` begins anew."""
    return fit_texture(run, measure_patterns)


def measure_patterns(grey: np.ndarray) -> np.ndarray:
    """Return the histograms of the uniform, rotation-invariant patterns of each ring, each summing to 1.

    Args:
        grey: uint8 (h, w), larger than the largest ring.

    Returns:
        float64 (points + 2 for each ring).

    >>> flat = measure_patterns(np.full((16, 16), 90, np.uint8))
    >>> flat.shape, flat[8].item()  # all neighbours as bright as the centre
    ((54,), 1.0)
    """
    from skimage.feature import local_binary_pattern

    histograms = []
    for points, radius_px in RINGS:
        patterns = local_binary_pattern(grey, points, radius_px, "uniform")
        inner = patterns[radius_px:-radius_px, radius_px:-radius_px]  # all neighbours lie in the frame
        histograms.append(np.bincount(inner.astype(int).ravel(), minlength=points + 2) / inner.size)
    return np.concatenate(histograms)
