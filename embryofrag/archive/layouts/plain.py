"""Any other image: a folder, a numbered series or a single file is an embryo."""

from embryofrag.archive.layouts.embryoscope import parse_id
from embryofrag.archive.layouts.identity import (
    Identity,
    Surroundings,
    key_below,
    plane_of_folders,
    plane_suffix,
    split_hours,
    split_number,
    without_plane_folder,
)
from embryofrag.archive.names import safe_key
from embryofrag.archive.walk import Found

ROOT_KEY = "archive_root"
"""Key of an embryo whose frames lie in the root itself."""

MAX_RUN = 10**9
"""A larger number at the end of a stem is a time stamp and no run."""


def explain(found: Found, around: Surroundings) -> Identity:
    """Explain an image by where it lies.

    ``auto``: two or more images of a folder whose stems differ only in the number they end in are one embryo, named
    by the folder and the text before the number; so are numbered images in a focal-plane folder. Every other stem
    is an embryo of its own.
    """
    folders = without_plane_folder(found.folders)
    label, number = split_number(found.stem)
    hpi = split_hours(found.stem)[1]
    in_plane_folder = folders != found.folders
    is_series = around.series[folders, label] > 1 or (in_plane_folder and number is not None)
    match around.options.embryo_by:
        case "folder":
            embryo = _folder_key(folders, around)
        case "stem":
            embryo = key_below(folders, found.stem, around)
        case _ if is_series and (number is not None or hpi is not None):
            embryo = key_below(folders, label, around) if label else _folder_key(folders, around)
        case _:
            embryo = key_below(folders, found.stem, around)
    focal_um = plane_of_folders(found.folders)
    return Identity(
        # a folder or stem that is itself an ID must not join the embryo which that ID names
        embryo=f"{embryo}-plain" if parse_id(embryo) else embryo,
        frame=safe_key((found.stem,)) + plane_suffix(focal_um),
        run=number if is_series and number is not None and number < MAX_RUN else None,
        focal_um=focal_um,
        hpi=hpi,
    )


def _folder_key(folders: tuple[str, ...], around: Surroundings) -> str:
    return safe_key(folders) if folders else key_below((), ROOT_KEY, around)
