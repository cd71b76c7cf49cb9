"""Small drawn images, their encodings, and trees of files for the archive tests."""

import os
import struct
from pathlib import Path

import cv2
import numpy as np

from embryofrag.records import Frame


def draw_cells(height_px: int = 60, width_px: int = 70) -> np.ndarray:
    """uint8 (H, W): a soft disc on a textured ground, no pixel 0."""
    rows, columns = np.mgrid[:height_px, :width_px]
    ground = 120 + 20 * np.sin(rows / 5) + 20 * np.cos(columns / 7)
    disc = (rows - height_px / 2) ** 2 + (columns - width_px / 2) ** 2 < (height_px / 3) ** 2
    return np.where(disc, ground + 60, ground).astype(np.uint8)


def draw_colour() -> np.ndarray:
    """uint8 (H, W, 3) RGB with three different channels."""
    grey = draw_cells()
    return np.dstack([grey, grey // 2 + 1, 255 - grey])


def encode(suffix: str, image: np.ndarray) -> bytes:
    """Bytes of an image file; colour images are RGB."""
    stored = image if image.ndim == 2 else image[:, :, ::-1]
    return cv2.imencode(suffix, stored)[1].tobytes()


def plant(root: Path, *names: str, content: bytes = b"") -> Path:
    """Write files of one content below ``root``."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def frame_of(path: Path) -> Frame:
    """The frame a scan would make of one file."""
    status = os.lstat(path)
    return Frame(
        source=path.name,
        path=str(path),
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        embryo="E",
        frame="F",
        layout="plain",
    )


def exif_block(outer: dict[int, object], inner: dict[int, object], order: str = "<") -> bytes:
    r"""An Exif block: text as bytes, a short as int, a rational as a pair; ``Exif\0\0`` first."""
    first = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8)
    pointer_at = 8 + 2 + 12 * (len(outer) + 1) + 4
    outer_bytes = _directory(outer | {0x8769: None}, 8, order, 0)
    assert len(outer_bytes) >= pointer_at - 8
    outer_bytes = _directory(outer | {0x8769: None}, 8, order, 8 + len(outer_bytes))
    return b"Exif\0\0" + first + outer_bytes + _directory(inner, 8 + len(outer_bytes), order, 0)


def jpeg_with_exif(image: np.ndarray, block: bytes) -> bytes:
    """A JPEG with an APP1 segment of Exif right behind its first marker."""
    data = encode(".jpg", image)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]


def vitrolife_exif(resolution: tuple[int, int] = (43688, 1), focal: str = "0") -> bytes:
    """The header of an EmbryoScope export, oddities included."""
    comment = b"UNICODE\0" + f"Focal plane in mu: {focal}".encode("utf-16-le")
    return exif_block(
        {0x010F: b"Vitrolife A/S\0", 0x0110: b"EmbryoScope\0", 0x011A: resolution, 0x011B: resolution, 0x0128: 2},
        {0x9004: b"2017:01:10 02:26:030x00\0", 0x9286: comment},
    )


def _directory(tags: dict[int, object], offset: int, order: str, pointer: int) -> bytes:
    entries, values = b"", b""
    values_at = offset + 2 + 12 * len(tags) + 4
    for tag, value in sorted(tags.items()):
        match value:
            case None:
                kind, count, data = 4, 1, struct.pack(f"{order}I", pointer)
            case bytes():
                kind, count, data = 7, len(value), value
            case int():
                kind, count, data = 3, 1, struct.pack(f"{order}H", value)
            case (over, under):
                kind, count, data = 5, 1, struct.pack(f"{order}II", over, under)
        if len(data) > 4:
            field = struct.pack(f"{order}I", values_at + len(values))
            values += data
        else:
            field = data.ljust(4, b"\0")
        entries += struct.pack(f"{order}HHI", tag, kind, count) + field
    return struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + values
