"""The sheets of embryos and frames: one row each, filters, a picture and the way to the mask."""

import io
import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from xlsxwriter.worksheet import Worksheet

from embryofrag.report.cells import HEADER_ROW, Formats, column_widths, write_table
from embryofrag.report.contents import Contents, Table
from embryofrag.report.embryo_table import choose_shown
from embryofrag.report.pictures import THUMBNAIL_PX, Album, middle_shot
from embryofrag.run.outputs import Outputs

MAX_LINKS = 60_000
"""Links of one sheet: Excel opens no more than 65,530."""

_SAME_EVERYWHERE = ("scheme", "denominator", "model", "engine_a", "engine_b")
"""Columns that the sheet `provenance` tells of all rows; the CSV files have them."""
_FIRST = ("picture", "embryo", "mask", "grade", "final_grade", "ratio_median", "ratio_iqr", "referred", "refer_reasons",
          "num_graded", "num_referred", "date")  # fmt: skip
_FRAME_LEFT_OUT = (*_SAME_EVERYWHERE, "slide", "sha256", "patient", "operator")
_FRAME_FIRST = ("embryo", "frame", "hpi", "outcome", "grade", "ratio_reg", "ratio_lo90", "ratio_hi90", "ratio_mask",
                "referred", "refer_reasons", "reason")  # fmt: skip
_PRINTED = 12
"""Columns that go on paper."""
_PICTURE_PX = 96
_PICTURE_CHARACTERS = 14
_PT_PER_PX = 0.75
_LEFT_OUT_NOTE = " Model, engines, scheme and denominator stand on the sheet provenance and in the CSV files."


def write_embryo_sheet(sheet: Worksheet, formats: Formats, contents: Contents, album: Album, folder: Path) -> Table:
    """Write the embryos, with a picture as far as the page has one.

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
    pictures = choose_shown(contents.results.embryos, album).thumbnails
    shown = _embryos_shown(table, _mask_links(contents, album, folder), has_pictures=bool(pictures))
    for place, embryo in enumerate(shown.data["embryo"]):
        if embryo in pictures:
            sheet.set_row(HEADER_ROW + 1 + place, (_PICTURE_PX + 6) * _PT_PER_PX)
    _write_filtered(sheet, formats, shown)
    if pictures:
        sheet.set_column(0, 0, _PICTURE_CHARACTERS)
    scale = _PICTURE_PX / THUMBNAIL_PX
    for place, embryo in enumerate(shown.data["embryo"]):
        if embryo in pictures:
            options = {"image_data": io.BytesIO(pictures[embryo]), "x_scale": scale, "y_scale": scale,
                       "x_offset": 3, "y_offset": 3, "object_position": 1, "description": embryo}  # fmt: skip
            sheet.insert_image(HEADER_ROW + 1 + place, 0, f"{embryo}.jpg", options)
    return shown


def _embryos_shown(table: Table, masks: Mapping[str, str], *, has_pictures: bool) -> Table:
    """The embryos with what a reader wants first in front, and columns for picture and mask where there are any."""
    data = table.data.drop(columns=list(_SAME_EVERYWHERE))
    note = table.note
    if has_pictures:
        data = data.assign(picture=pd.Series(pd.NA, index=data.index, dtype="str"))
        note += " picture: the frame nearest to the median, fragments in orange, embryo in blue."
    if masks:
        data = data.assign(mask=data["embryo"].map(masks).astype("str"))
        note += " mask: link to the fragment mask of that frame."
    first = [name for name in _FIRST if name in data]
    data = data[[*first, *(name for name in data if name not in first)]]
    return Table(name=table.name, title=table.title, note=note + _LEFT_OUT_NOTE, data=data)


def write_frame_sheet(sheet: Worksheet, formats: Formats, table: Table) -> Table:
    """Write the frames; returns the table as it stands on the sheet."""
    data = table.data.drop(columns=list(_FRAME_LEFT_OUT), errors="ignore")
    data = data[[*_FRAME_FIRST, *(name for name in data if name not in (*_FRAME_FIRST, "source")), "source"]]
    unused = [name for name in data if len(data) and (data[name].isna() | (data[name] == "")).all()]
    note = table.note + _LEFT_OUT_NOTE + (f" Blank throughout and left out: {', '.join(unused)}." if unused else "")
    shown = Table(name=table.name, title=table.title, note=note, data=data.drop(columns=unused))
    _write_filtered(sheet, formats, shown)
    return shown


def _write_filtered(sheet: Worksheet, formats: Formats, table: Table) -> None:
    """One table that fills a sheet: its header stays in sight, and every column has a filter."""
    widths = column_widths((table,))
    for column, width in enumerate(widths):
        sheet.set_column(column, column, width)
    write_table(sheet, formats, table, 0, widths)
    frozen = 1 + list(table.data.columns).index("embryo")
    sheet.freeze_panes(HEADER_ROW + 1, frozen)
    sheet.repeat_rows(HEADER_ROW)
    last_row, last_column = HEADER_ROW + len(table.data), len(table.data.columns) - 1
    sheet.print_area(0, 0, last_row, min(_PRINTED - 1, last_column))
    if len(table.data):
        sheet.autofilter(HEADER_ROW, 0, last_row, last_column)


def _mask_links(contents: Contents, album: Album, folder: Path) -> dict[str, str]:
    """Where the mask of each embryo's middle frame lies, as seen from the workbook; embryos without one left out."""
    outputs = Outputs(contents.results.root)
    links = {}
    for embryo, shots in list(album.shots.items())[:MAX_LINKS]:
        path = outputs.fragment_mask(embryo, middle_shot(shots).frame)
        if path.is_file():
            links[embryo] = Path(os.path.relpath(path, folder)).as_posix()
    return links
