"""Put drawn frames beside real ones: contact sheet, statistics and their distances.

    python tools/compare_phantoms.py FOLDER... --instrument embryoscope --out compared

Works on any folders of images. Writes `sheet.png` (rows in turn real and drawn), `statistics.png` (grey levels, power
spectrum, profile across the strongest edges) and `distances.json`. All statistics are those of the middle of a frame,
in its own pixels, so they depend on the magnification as well.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import cv2
import numpy as np

from embryofrag.archive.decode import read_picture
from embryofrag.archive.scan import scan_archive
from embryofrag.errors import EmbryofragError
from embryofrag.phantom import INSTRUMENTS, draw_frame

WINDOW_PX = 256
"""Side of the middle square that is compared, or the shortest side of any frame."""

PROFILE_PX = 12
"""How far a profile reaches to either side of an edge."""

_SHEET_COLUMNS, _TILE_PX = 6, 240
_EDGE_SHARE = 0.01
"""The steepest pixels, this share of the window, count as edges."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--instrument", type=click.Choice(sorted(INSTRUMENTS)), default="embryoscope", show_default=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write to.")
@click.option("--count", type=click.IntRange(2), default=24, show_default=True, help="Frames of each kind, at most.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="First seed of the drawn frames.")
def main(folders: Sequence[Path], instrument: str, out: Path, count: int, seed: int) -> None:
    """Compare the frames in FOLDERS with drawn ones."""
    real = read_frames(folders, count)
    drawn = [to_grey(draw_frame(seed + index, instrument=instrument).image) for index in range(count)]
    side_px = min(WINDOW_PX, *(min(image.shape) for image in real + drawn))
    measured = [measure_all([crop_middle(image, side_px) for image in images]) for images in (real, drawn)]
    distances = {name: distance(name, measured[0][name], measured[1][name]) for name in measured[0]}
    out.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(out / "sheet.png"), draw_sheet(real, drawn))
    plot_statistics(*measured, out / "statistics.png")
    document = {"instrument": instrument, "real": len(real), "drawn": len(drawn), "distances": distances}
    (out / "distances.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    click.echo(json.dumps(document))


def read_frames(folders: Sequence[Path], count: int) -> list[np.ndarray]:
    """Up to `count` grey frames, (H, W) uint8, spread evenly over all images of the folders.

    Raises:
        EmbryofragError: A folder holds no image.
        ItemError: An image cannot be read.
    """
    frames = [(folder, frame) for folder in folders for frame in scan_archive(folder).frames]
    if not frames:
        raise EmbryofragError("The folders hold no image: name others.")
    chosen = np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int))
    return [to_grey(read_picture(frames[index][1]).image) for index in chosen]


def to_grey(image: np.ndarray) -> np.ndarray:
    """(H, W) of a (H, W) grey or (H, W, 3) RGB uint8 image."""
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def crop_middle(image_HW: np.ndarray, side_px: int) -> np.ndarray:
    """The middle square of that side."""
    top, left = ((length - side_px) // 2 for length in image_HW.shape)
    return image_HW[top : top + side_px, left : left + side_px]


def measure_all(windows: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Mean statistics of square grey windows: see `measure`; and the contrast of each, in rising order."""
    each = [measure(window) for window in windows]
    means = {name: np.mean([measured[name] for measured in each], axis=0) for name in each[0]}
    contrasts = np.sort([float(window.std() / max(1.0, window.mean())) for window in windows])
    return means | {"contrast": contrasts}


def measure(window_HW: np.ndarray) -> dict[str, np.ndarray]:
    """Statistics of one square grey window.

    Returns:
        grey_levels: (256,) share of pixels with each level.
        power_spectrum: (side / 2,) log10 power by spatial frequency, of the window over its mean.
        edge_profile: (2 * PROFILE_PX + 1,) mean grey over the window's mean across its steepest edges, dark side first.
    """
    grey = window_HW.astype(np.float32) / max(1.0, float(window_HW.mean()))
    return {
        "grey_levels": np.bincount(window_HW.ravel(), minlength=256) / window_HW.size,
        "power_spectrum": _radial_power(grey),
        "edge_profile": _edge_profile(grey),
    }


def _radial_power(grey: np.ndarray) -> np.ndarray:
    side = len(grey)
    taper = np.hanning(side)
    power = np.abs(np.fft.fft2((grey - grey.mean()) * taper * taper[:, None])) ** 2
    frequency = np.fft.fftfreq(side, 1 / side)
    ring = np.hypot(frequency, frequency[:, None]).round().astype(int).ravel()
    totals, sizes = np.bincount(ring, power.ravel()), np.bincount(ring)
    return np.log10(totals[1 : side // 2 + 1] / sizes[1 : side // 2 + 1] + 1e-12)


def _edge_profile(grey: np.ndarray) -> np.ndarray:
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.0)
    slope_x, slope_y = (cv2.Sobel(smooth, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    steepness = np.hypot(slope_x, slope_y)
    inner = slice(PROFILE_PX + 1, len(grey) - PROFILE_PX - 1)
    rows, columns = np.nonzero(steepness[inner, inner] >= np.quantile(steepness[inner, inner], 1 - _EDGE_SHARE))
    rows, columns = rows + inner.start, columns + inner.start
    scale = 1 / np.maximum(steepness[rows, columns], 1e-6)
    along = np.arange(-PROFILE_PX, PROFILE_PX + 1, dtype=np.float32)[:, None]
    x = (columns + along * slope_x[rows, columns] * scale).astype(np.float32)
    y = (rows + along * slope_y[rows, columns] * scale).astype(np.float32)
    return cv2.remap(grey, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).mean(axis=1)


def distance(name: str, real: np.ndarray, drawn: np.ndarray) -> float:
    """How far two statistics of one name are apart, 0 where they agree.

    grey_levels: earth mover's distance over full scale. contrast: mean difference of the quantiles. power_spectrum:
    mean difference in decades. edge_profile: mean difference over the window's mean.

    >>> distance("edge_profile", np.array([1.0, 2.0]), np.array([1.5, 2.0]))
    0.25
    """
    if name == "grey_levels":
        return round(float(np.abs(np.cumsum(real) - np.cumsum(drawn)).mean()), 4)
    if name == "contrast":
        at = np.linspace(0, 1, 21)
        real, drawn = np.quantile(real, at), np.quantile(drawn, at)
    return round(float(np.abs(real - drawn).mean()), 4)


def draw_sheet(real: Sequence[np.ndarray], drawn: Sequence[np.ndarray]) -> np.ndarray:
    """A row of real frames, a row of drawn ones, and so on, (H, W) uint8."""
    return np.vstack([row for pair in zip(_sheet_rows(real), _sheet_rows(drawn), strict=False) for row in pair])


def _sheet_rows(images: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    tiles = [
        cv2.resize(crop_middle(image, min(image.shape)), (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_AREA)
        for image in images
    ]
    tiles += [np.zeros((_TILE_PX, _TILE_PX), np.uint8)] * (-len(tiles) % _SHEET_COLUMNS)
    for start in range(0, len(tiles), _SHEET_COLUMNS):
        yield np.hstack(tiles[start : start + _SHEET_COLUMNS])


def plot_statistics(real: dict[str, np.ndarray], drawn: dict[str, np.ndarray], path: Path) -> None:
    """One panel a statistic, real and drawn in it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 3.6), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(real)), real, strict=True):
        for label, values in (("real", real[name]), ("drawn", drawn[name])):
            axes.plot(
                np.linspace(0, 1, len(values)) if name == "contrast" else np.arange(len(values)), values, label=label
            )
        axes.set_title(name.replace("_", " "))
    axes.legend()
    figure.savefig(path)


if __name__ == "__main__":
    main()
