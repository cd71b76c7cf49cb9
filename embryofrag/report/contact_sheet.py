"""Many small pictures on one: the embryos of a slide side by side, or one embryo over time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FOOTER = "Outlines: embryo blue, fragments orange. Research use only."
PAPER, INK, FAINT, MARK = (255, 255, 255), (27, 38, 49), (90, 100, 112), (176, 58, 0)

_PAD_PX, _LINE_PX, _TITLE_PX, _FOOTER_PX = 10, 17, 34, 26
_FONT, _TITLE_FONT = ImageFont.load_default(13), ImageFont.load_default(18)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tile:
    """One small picture and the words below it."""

    rgb: np.ndarray | None
    """uint8 (S, S, 3); None where the picture could not be had."""
    lines: tuple[str, ...]
    referred: bool = False
    """Drawn as a frame around the picture and a word below it."""


def draw_sheet(title: str, tiles: Sequence[Tile], num_columns: int, side_px: int) -> np.ndarray:
    """Draw tiles in rows below a title.

    Args:
        title: One line; cut where it is wider than the sheet.
        tiles: At least one, each of ``side_px`` and with as many lines as the others.
        num_columns: Tiles in a row; fewer tiles make a narrower sheet.
        side_px: Side of a tile's picture.

    Returns:
        uint8 RGB (H, W, 3).
    """
    num_columns = min(num_columns, len(tiles))
    num_rows = -(-len(tiles) // num_columns)
    num_lines = max(len(tile.lines) for tile in tiles) + any(tile.referred for tile in tiles)
    cell_px = side_px + _PAD_PX, side_px + num_lines * _LINE_PX + 2 * _PAD_PX
    width_px = max(num_columns * cell_px[0] + _PAD_PX, round(_FONT.getlength(FOOTER)) + 2 * _PAD_PX)
    sheet = Image.new("RGB", (width_px, _TITLE_PX + num_rows * cell_px[1] + _FOOTER_PX), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_PAD_PX, 9), fit(title, _TITLE_FONT, width_px - 2 * _PAD_PX), INK, _TITLE_FONT)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, num_columns)
        _draw_tile(sheet, draw, tile, (_PAD_PX + column * cell_px[0], _TITLE_PX + row * cell_px[1]), side_px)
    draw.text((_PAD_PX, sheet.height - _FOOTER_PX + 4), FOOTER, FAINT, _FONT)
    return np.asarray(sheet)


def _draw_tile(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, tile: Tile, corner_xy: tuple[int, int], side_px: int
) -> None:
    left, top = corner_xy
    if tile.rgb is None:
        draw.rectangle((left, top, left + side_px - 1, top + side_px - 1), (238, 240, 242))
        draw.text((left + 8, top + side_px // 2 - 8), "no picture", FAINT, _FONT)
    else:
        sheet.paste(Image.fromarray(tile.rgb), corner_xy)
    lines = [(words, INK) for words in tile.lines]
    if tile.referred:
        draw.rectangle((left - 2, top - 2, left + side_px + 1, top + side_px + 1), outline=MARK, width=3)
        lines.append(("referred", MARK))
    for index, (words, colour) in enumerate(lines):
        place = left, top + side_px + 4 + index * _LINE_PX
        draw.text(place, fit(words, _FONT, side_px), colour, _FONT)


def fit(words: str, font: ImageFont.FreeTypeFont, room_px: float) -> str:
    """Return words cut in their middle, where names differ least, to fit a width."""
    if font.getlength(words) <= room_px:
        return words
    for kept in range(len(words) - 1, 1, -1):
        shorter = f"{words[: kept // 2]}...{words[-(kept - kept // 2) :]}"
        if font.getlength(shorter) <= room_px:
            return shorter
    return "..."
