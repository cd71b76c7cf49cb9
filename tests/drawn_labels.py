"""Small drawn data sets: an embryo as a disc with a smaller one as its fragment, and a manifest that names them."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np

COLUMNS = ("image", "fragment_mask", "embryo_mask", "labelme", "ratio", "grade", "patient", "slide", "well", "stage")
HEIGHT_PX, WIDTH_PX = 40, 52


def draw_masks(fragment_px: float = 5.0) -> tuple[np.ndarray, np.ndarray]:
    """Fragment and embryo, bool (H, W); the fragment lies inside the embryo."""
    rows, columns = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    embryo = (rows - 20) ** 2 + (columns - 24) ** 2 < 13**2
    return ((rows - 17) ** 2 + (columns - 30) ** 2 < fragment_px**2) & embryo, embryo


def draw_image(seed: int, fragment: np.ndarray, embryo: np.ndarray) -> np.ndarray:
    """uint8 (H, W): grain of the seed, brighter where the embryo and its fragment are."""
    grain = np.random.default_rng(seed).integers(0, 12, embryo.shape)
    return (90 + grain + 50 * embryo + 60 * fragment).astype(np.uint8)


def write_png(path: Path, image: np.ndarray) -> str:
    """Write an image or a bool mask, and return its name."""
    pixels = image.astype(np.uint8) * 255 if image.dtype == bool else image
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return path.name


def write_manifest(folder: Path, rows: list[dict], columns: tuple[str, ...] = COLUMNS) -> Path:
    """Write rows as ``manifest.csv``; line 2 is the first of them."""
    path = folder / "manifest.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def paired(folder: Path, seed: int, **cells: str) -> dict:
    """Draw a frame with both masks, and return its row."""
    fragment, embryo = draw_masks()
    return {
        "image": write_png(folder / f"{seed}.png", draw_image(seed, fragment, embryo)),
        "fragment_mask": write_png(folder / f"{seed}_fragment.png", fragment),
        "embryo_mask": write_png(folder / f"{seed}_embryo.png", embryo),
        **cells,
    }


def grade_only(folder: Path, seed: int, grade: str = "B", **cells: str) -> dict:
    """Draw a frame, and return its row with a grade alone."""
    return {"image": write_png(folder / f"{seed}.png", draw_image(seed, *draw_masks())), "grade": grade, **cells}


def polygon(label: str, points: object, **extra: object) -> dict:
    return {"label": label, "points": points, "shape_type": "polygon", **extra}


def write_labelme(path: Path, shapes: object, height_px: object = HEIGHT_PX, width_px: object = WIDTH_PX) -> str:
    """Write a LabelMe file, and return its name."""
    path.write_text(json.dumps({"shapes": shapes, "imageHeight": height_px, "imageWidth": width_px}))
    return path.name
