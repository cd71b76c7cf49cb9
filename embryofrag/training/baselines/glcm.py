"""Grey-level co-occurrence (Haralick, Shanmugam and Dinstein 1973) and a multilayer perceptron."""

from pathlib import Path

import numpy as np

from embryofrag.grading.schemes import SCHEMES
from embryofrag.training.baselines.texture import fit_texture, measure_rows, texture_config
from embryofrag.training.plots import DPI
from embryofrag.training.predictions import Prediction, grade_of
from embryofrag.training.train import Run

NUM_LEVELS = 32
DISTANCES_PX = (1, 2, 4)
ANGLES_RAD = (0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
PROPERTIES = ("contrast", "dissimilarity", "homogeneity", "energy", "correlation")
CONFIG = texture_config("glcm")
TSNE_FILE = "tsne.png"
MAX_PERPLEXITY = 30.0
COLOURS = "viridis"


def fit(run: Run, *, resume: bool = False) -> list[Prediction]:
    """Fit on the co-occurrence features and draw `TSNE_FILE`; nothing is kept, so `resume` begins anew."""
    plot_rows(run)
    return fit_texture(run, measure_cooccurrence)


def measure_cooccurrence(grey: np.ndarray) -> np.ndarray:
    """Return mean and range over four directions of five properties at three distances.

    Args:
        grey: uint8 (h, w).

    Returns:
        float64 (30,), first the means.

    >>> stripes = np.tile(np.array([0, 255], np.uint8), (16, 8))
    >>> round(measure_cooccurrence(stripes)[3].item(), 3)  # mean dissimilarity: 31 levels in 3 of 4 directions
    23.25
    """
    from skimage.feature import graycomatrix, graycoprops

    levels = grey // (256 // NUM_LEVELS)
    counts = graycomatrix(levels, DISTANCES_PX, ANGLES_RAD, levels=NUM_LEVELS, symmetric=True, normed=True)
    values = np.stack([graycoprops(counts, name) for name in PROPERTIES])  # (property, distance, angle)
    return np.concatenate([values.mean(axis=2).ravel(), np.ptp(values, axis=2).ravel()])


def plot_rows(run: Run) -> None:
    """Draw all graded rows of the split in two dimensions by t-SNE, coloured by grade."""
    scheme = SCHEMES[run.config.scheme]
    grade_of_row = {
        row: grade
        for row in (*run.split.train, *run.split.val, *run.split.test)
        if (grade := row.grade or grade_of(row.ratio, scheme))
    }
    features_NF = measure_rows(tuple(grade_of_row), measure_cooccurrence, run.config.network.input_px)
    places_N2 = embed(features_NF, run.config.seed)
    plot_places(run.out / TSNE_FILE, places_N2, list(grade_of_row.values()), scheme.grades)


def embed(features_NF: np.ndarray, seed: int) -> np.ndarray:
    """Return t-SNE coordinates of standardised features, float (N, 2); N is at least 3."""
    from sklearn.manifold import TSNE
    from sklearn.preprocessing import StandardScaler

    perplexity = min(MAX_PERPLEXITY, (len(features_NF) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init="pca", random_state=seed)
    return tsne.fit_transform(StandardScaler().fit_transform(features_NF))


def plot_places(path: Path, places_N2: np.ndarray, grades: list[str], all_grades: tuple[str, ...]) -> None:
    """Draw one point a frame."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 4.6), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    for shade, grade in zip(np.linspace(0.0, 0.9, len(all_grades)), all_grades, strict=True):
        here = places_N2[np.array(grades) == grade]
        label = f"{grade}, {len(here)} frames"
        axes.scatter(here[:, 0], here[:, 1], s=10, color=colormaps[COLOURS](shade), label=label, linewidths=0)
    axes.set_title("co-occurrence features, t-SNE", loc="left")
    axes.set(xticks=[], yticks=[])
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    figure.savefig(path, metadata={"Software": None})
