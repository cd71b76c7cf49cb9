"""What a file's name says and what its header says, put together."""

from dataclasses import replace

from embryofrag.archive.options import ScanOptions
from embryofrag.errors import ItemError
from embryofrag.records import Frame, Outcome, Picture

FOCAL_TOLERANCE_UM = 0.5
"""Two planes no further apart than this are the same plane."""


def is_other_plane(focal_um: float | None, options: ScanOptions) -> bool:
    """Whether a plane is known and is not the one asked for.

    >>> is_other_plane(-15.0, ScanOptions()), is_other_plane(None, ScanOptions())
    (True, False)
    """
    if focal_um is None or options.focal_um is None:
        return False
    return abs(focal_um - options.focal_um) > FOCAL_TOLERANCE_UM


def other_plane_reason(focal_um: float, options: ScanOptions) -> str:
    return f"focal plane {focal_um:g} um, asked for {options.focal_um:g} um"


def merge_evidence(frame: Frame, picture: Picture, options: ScanOptions) -> Frame:
    """Fill in from the header what the name leaves open: focal plane and um per pixel.

    Args:
        frame: the frame as scanned.
        picture: its pixels and header.
        options: the options it was scanned with.

    Raises:
        ItemError: conflict, where name and header give different planes; other_plane, where only the header gives
            one and it is not the plane asked for.
    """
    named_um, header_um = frame.focal_um, picture.focal_um
    if named_um is not None and header_um is not None and abs(named_um - header_um) > FOCAL_TOLERANCE_UM:
        raise ItemError(
            Outcome.CONFLICT, f"focal plane in um: the name says {named_um:g}, the header says {header_um:g}"
        )
    if named_um is None and is_other_plane(header_um, options):
        raise ItemError(Outcome.OTHER_PLANE, f"{other_plane_reason(header_um, options)}, by the header")
    return replace(
        frame,
        focal_um=header_um if named_um is None else named_um,
        um_per_px=picture.um_per_px if frame.um_per_px is None else frame.um_per_px,
    )
