"""The pictures that a report writes to disk: overlays, one strip an embryo, contact sheets of each slide."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from embryofrag.archive.names import safe_key
from embryofrag.errors import UsageError
from embryofrag.imaging.overlay import encode_jpeg
from embryofrag.report.contact_sheet import Tile, draw_sheet
from embryofrag.report.pictures import THUMBNAIL_PX, Album, Shot
from embryofrag.report.source import Results
from embryofrag.run.atomic import make_folder, write_atomic

CHOICES = ("some", "all", "none")
"""Whose pictures are written: some of the referred embryos and a few others, every embryo's, nobody's."""
MAX_REFERRED, NUM_OTHERS = 40, 10
"""How many referred and how many other embryos `some` are."""
MAX_SHEETS = 20
"""Contact sheets that `some` makes at most."""
STRIP_FRAMES = 8
"""Frames of one embryo that are shown: spread over time, the first and the last among them."""
SHEET_TILES = 24

_STRIP_COLUMNS, _SHEET_COLUMNS = 4, 6
_QUALITY = 85


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """What was written, by name, and what was not."""

    strips: dict[str, Path] = field(default_factory=dict)
    """By embryo."""
    sheets: dict[str, Path] = field(default_factory=dict)
    """By title."""
    num_overlays: int = 0
    left_out: tuple[str, ...] = ()
    """Sentences on what was left out, and why."""


def write_gallery(results: Results, album: Album, folder: Path, choice: str = "some") -> Gallery:
    """Write the pictures of the chosen embryos below a folder.

    | path                              | what                                                                   |
    |-----------------------------------|------------------------------------------------------------------------|
    | `overlays/<embryo>/<frame>.jpg`   | frame with both outlines and caption; `overlays-<scheme>/` where the   |
    |                                   | report grades by another scheme than the run                           |
    | `strips/<embryo>.jpg`             | one embryo over time, up to `STRIP_FRAMES` close-ups                   |
    | `contact_sheets/<slide>.jpg`      | the embryos of a slide, up to `SHEET_TILES` on one                     |

    Args:
        results: What is reported.
        album: Its pictures.
        folder: Where the report goes.
        choice: One of `CHOICES`.

    Raises:
        UsageError: unknown choice.
        OutputError: a picture cannot be written.
    """
    if choice not in CHOICES:
        raise UsageError(f"--overlays is one of {', '.join(CHOICES)}, not {choice}")
    if choice == "none":
        return Gallery(left_out=("No pictures were asked for (`--overlays none`).",))
    shown, left_out = choose_embryos(results.embryos, choice)
    shots = [shot for embryo in shown for shot in over_time(album.shots[embryo])]
    overlays = folder / ("overlays" if album.scheme_stands else f"overlays-{results.grading.scheme}")
    num_overlays = _write_overlays(album, shots, overlays)
    sheets, sheets_left_out = _write_sheets(results, album, folder / "contact_sheets", shown, choice)
    strips = _write_strips(results, album, folder / "strips", shown)
    return Gallery(strips=strips, sheets=sheets, num_overlays=num_overlays, left_out=(*left_out, *sheets_left_out))


def choose_embryos(embryos: pd.DataFrame, choice: str) -> tuple[list[str], list[str]]:
    """Return whose pictures are written, in the order of the table, and sentences on who was left out.

    Of more than `MAX_REFERRED` referred embryos, and for the sample of the others, the names' hashes decide: any
    embryo may be among them, and the same ones are the next time.
    """
    graded = embryos[embryos["num_graded"] > 0]
    if choice == "all":
        return list(graded["embryo"]), []
    referred = graded.loc[graded["referred"].fillna(False).astype(bool), "embryo"]
    others = graded.loc[~graded["embryo"].isin(referred), "embryo"]
    taken = {*_sample(referred, MAX_REFERRED), *_sample(others, NUM_OTHERS)}
    left_out = []
    if len(taken) < len(graded):
        num_referred = len(taken & set(referred))
        left_out.append(
            f"Overlays and strips were made for {num_referred} of {len(referred)} referred embryos and for "
            f"{len(taken) - num_referred} of {len(others)} others (`--overlays all` makes all)."
        )
    return [embryo for embryo in graded["embryo"] if embryo in taken], left_out


def _sample(names: Sequence[str], count: int) -> list[str]:
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:count]


def over_time(shots: Sequence[Shot], count: int = STRIP_FRAMES) -> list[Shot]:
    """Return `count` of an embryo's frames, evenly spread, the first and the last among them."""
    if len(shots) <= count:
        return list(shots)
    return [shots[round(index * (len(shots) - 1) / (count - 1))] for index in range(count)]


def _write_overlays(album: Album, shots: Sequence[Shot], folder: Path) -> int:
    """Write the overlays that are not there already; returns how many there are now."""

    def write(shot: Shot) -> bool:
        path = folder / shot.embryo / f"{shot.frame}.jpg"
        picture = album.overlay(shot)
        if picture is not None:
            make_folder(path.parent)
            write_atomic(path, picture)
        return picture is not None

    return sum(album.map(write, shots))


def _write_strips(results: Results, album: Album, folder: Path, embryos: Sequence[str]) -> dict[str, Path]:
    summaries = results.embryos.set_index("embryo")

    def write(embryo: str) -> Path | None:
        tiles = [_frame_tile(album, shot) for shot in over_time(album.shots[embryo])]
        row = summaries.loc[embryo]
        title = f"{embryo}   {row['grade']}  {row['ratio_median']:.3f} (median of {row['num_graded']} frames)"
        return _write_sheet(folder / f"{embryo}.jpg", title, tiles, _STRIP_COLUMNS)

    written = zip(embryos, album.map(write, embryos), strict=True)
    return {embryo: path for embryo, path in written if path is not None}


def _write_sheets(
    results: Results, album: Album, folder: Path, shown: Sequence[str], choice: str
) -> tuple[dict[str, Path], list[str]]:
    """Write the sheets of the slides that hold a chosen embryo, with every graded embryo of theirs."""
    table = results.embryos[results.embryos["num_graded"] > 0].copy()
    table["sheet"] = table["slide"].fillna("without slide")
    sheets = [
        (f"{slide} {first // SHEET_TILES + 1}" if len(rows) > SHEET_TILES else slide, rows[first : first + SHEET_TILES])
        for slide, rows in table[table["sheet"].isin(table.loc[table["embryo"].isin(shown), "sheet"])].groupby(
            "sheet", sort=False
        )
        for first in range(0, len(rows), SHEET_TILES)
    ]
    made = sheets if choice == "all" else sheets[:MAX_SHEETS]
    album.make_thumbnails([embryo for _, rows in made for embryo in rows["embryo"]])

    def write(sheet: tuple[str, pd.DataFrame]) -> Path | None:
        title, rows = sheet
        tiles = [_embryo_tile(album, row) for row in rows.itertuples()]
        return _write_sheet(folder / f"{safe_key((title,))}.jpg", title, tiles, _SHEET_COLUMNS)

    written = zip(made, album.map(write, made), strict=True)
    left_out = [f"Contact sheets: {len(made)} of {len(sheets)} were made."] if len(made) < len(sheets) else []
    return {title: path for (title, _), path in written if path is not None}, left_out


def _write_sheet(path: Path, title: str, tiles: Sequence[Tile], num_columns: int) -> Path | None:
    """Write one sheet, unless none of its pictures could be had."""
    if all(tile.rgb is None for tile in tiles):
        return None
    make_folder(path.parent)
    write_atomic(path, encode_jpeg(draw_sheet(title, tiles, num_columns, THUMBNAIL_PX), _QUALITY))
    return path


def _frame_tile(album: Album, shot: Shot) -> Tile:
    when = f"{shot.hpi:.1f} h" if shot.hpi is not None else shot.frame
    return Tile(
        rgb=album.close_up(shot, THUMBNAIL_PX),
        lines=(f"{when}   {shot.grade}  {shot.ratio_reg:.3f}",),
        referred=shot.referred,
    )


def _embryo_tile(album: Album, row) -> Tile:
    """A tile of one row of `Results.embryos`; without a well's number the embryo's name says which it is."""
    picture = album.thumbnail(row.embryo)
    rgb = None if picture is None else cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    name = row.embryo if pd.isna(row.well) else f"well {row.well}"
    return Tile(
        rgb=rgb if rgb is None else np.ascontiguousarray(rgb),
        lines=(f"{name}   {row.grade}  {row.ratio_median:.3f}",),
        referred=bool(row.referred),
    )
