"""Files that carry their focal plane in their name: ``good_23765483_-15_3AA.jpg``, ``dish7_F-15_003.jpg``."""

import re

from embryofrag.archive.layouts.identity import (
    Identity,
    Surroundings,
    agree,
    key_below,
    plane_of_folders,
    plane_suffix,
    split_hours,
    split_plane,
    without_plane_folder,
)
from embryofrag.archive.names import safe_key
from embryofrag.archive.walk import Found

_GRADED = re.compile(r"(?P<embryo>[A-Za-z]+_[0-9]+)_(?P<plane>[+-]?[0-9]{1,3})_[0-9][A-D]{1,2}", re.I)
"""Label, id, signed plane, blastocyst grade; the grade is what keeps ``dish_7_15_003`` from being read so."""


def explain(found: Found, around: Surroundings) -> Identity | None:
    """Explain an image by the plane in its name; the text before the plane, with the folder, is the embryo."""
    text, hpi = split_hours(found.stem)
    if graded := _GRADED.fullmatch(text):
        before, plane, after = graded["embryo"], float(graded["plane"]), ""
    elif split := split_plane(text):
        before, plane, after = split
    else:
        return None
    run = int(after) if re.fullmatch("[0-9]{1,9}", after) else None
    label = before if run is not None or not after else f"{before}_{after}"
    if not label:
        return None
    focal_um = agree("focal plane in um", plane, plane_of_folders(found.folders))
    return Identity(
        embryo=key_below(without_plane_folder(found.folders), label, around),
        frame=safe_key((found.stem,)) if run is None else f"RUN{run:04}{plane_suffix(focal_um)}",
        run=run,
        focal_um=focal_um,
        hpi=hpi,
        moment=(run, hpi),
    )
