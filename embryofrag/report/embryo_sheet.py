"""The sheets of embryos and frames: one row each, filters, a picture and the way to the mask."""

import io
import os
from pathlib import Path

import pandas as pd
from xlsxwriter.worksheet import Worksheet

from embryofrag.report.cells import Formats, column_widths, write_table
from embryofrag.report.contents import Contents, Table
from embryofrag.report.embryo_table import choose_shown
from embryofrag.report.pictures import THUMBNAIL_PX, Album, middle_shot
from embryofrag.run.outputs import Outputs

MAX_LINKS = 60_000
"""Links of one sheet: Excel opens no more than 65,530."""

_SAME_EVERYWHERE = ("scheme", "denominator", "model", "engine_a", "engine_b")
"""Columns that the sheet `provenance` tells of all rows; the CSV files have them."""
_FIRST = ("picture", "embryo", "mask", "grade", "final_grade", "ratio_median", "ratio_iqr", "referred", "refer_reasons")
_FRAME_LEFT_OUT = (*_SAME_EVERYWHERE, "slide", "sha256", "patient", "operator")
_PICTURE_PX = 96
_PICTURE_CHARACTERS = 14
_PT_PER_PX = 0.75
_LEFT_OUT_NOTE = " Model, engines, scheme and denominator stand on the sheet provenance and in the CSV files."


def write_embryo_sheet(sheet: Worksheet, formats: Formats, contents: Contents, album: Album, folder: Path) -> Table:
    """Write the embryos, the referred ones and then others with a picture, as far as the page's limit goes.

    Args:
        sheet: Where to.
        formats: Of its workbook.
        contents: What.
        album: Pictures.
        folder: Of the workbook: links to masks are relative to it.

    Returns:
        The table as it stands on the sheet.
    """
    (table,) = contents.sections["embryos"]
    data = table.data.drop(columns=list(_SAME_EVERYWHERE), errors="ignore")
    masks = _mask_links(contents, album, folder)
    data = data.assign(picture=pd.Series(pd.NA, index=data.index, dtype="str"), mask=data["embryo"].map(masks))
    first = [name for name in _FIRST if name in data]
    data = data[[*first, *(name for name in data if name not in first)]].astype({"mask": "str"})
    note = f"{table.note} mask: the fragment mask of the frame nearest to the median, which the picture shows."
    shown = Table(name=table.name, title=table.title, note=note + _LEFT_OUT_NOTE, data=data)
    pictures = choose_shown(contents.results.embryos, album).thumbnails
    for place, embryo in enumerate(data["embryo"]):
        if embryo in pictures:
            sheet.set_row(3 + place, (_PICTURE_PX + 6) * _PT_PER_PX)
    _write_filtered(sheet, formats, shown, num_frozen=2)
    sheet.set_column(0, 0, _PICTURE_CHARACTERS if pictures else None)
    scale = _PICTURE_PX / THUMBNAIL_PX
    for place, embryo in enumerate(data["embryo"]):
        if embryo in pictures:
            options = {"image_data": io.BytesIO(pictures[embryo]), "x_scale": scale, "y_scale": scale,
                       "x_offset": 3, "y_offset": 3, "object_position": 1, "description": embryo}  # fmt: skip
            sheet.insert_image(3 + place, 0, f"{embryo}.jpg", options)
    return shown


def write_frame_sheet(sheet: Worksheet, formats: Formats, table: Table) -> Table:
    """Write the frames; returns the table as it stands on the sheet."""
    data = table.data.drop(columns=list(_FRAME_LEFT_OUT), errors="ignore")
    unused = [name for name in data if data[name].isna().all()]
    note = table.note + _LEFT_OUT_NOTE + (f" Blank throughout and left out: {', '.join(unused)}." if unused else "")
    shown = Table(name=table.name, title=table.title, note=note, data=data.drop(columns=unused))
    _write_filtered(sheet, formats, shown, num_frozen=2)
    return shown


def _write_filtered(sheet: Worksheet, formats: Formats, table: Table, num_frozen: int) -> None:
    """One table that fills a sheet: its header stays in sight, and every column has a filter."""
    for column, width in enumerate(column_widths((table,))):
        sheet.set_column(column, column, width)
    write_table(sheet, formats, table, 0)
    sheet.freeze_panes(3, num_frozen)
    sheet.repeat_rows(2)
    if len(table.data):
        sheet.autofilter(2, 0, 2 + len(table.data), len(table.data.columns) - 1)


def _mask_links(contents: Contents, album: Album, folder: Path) -> dict[str, str]:
    """Where the mask of each embryo's middle frame lies, as seen from the workbook; embryos without one left out."""
    outputs = Outputs(contents.results.root)
    links = {}
    for embryo, shots in list(album.shots.items())[:MAX_LINKS]:
        path = outputs.fragment_mask(embryo, middle_shot(shots).frame)
        if path.is_file():
            links[embryo] = Path(os.path.relpath(path, folder)).as_posix()
    return links
