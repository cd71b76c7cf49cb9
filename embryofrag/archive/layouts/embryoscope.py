"""EmbryoScope, EmbryoScope+ and EmbryoViewer exports, and public sets that keep their file names.

Grammar of an ID: ``D<date>_S<slide>_I<instrument>[_<kind letter>][_WELL<n> | -<n>][_RUN<n>]``, in file names, in
folder names, or shared between the two (``<slide ID>/WELL06/F-15/016.jpg``).
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from embryofrag.archive.layouts.identity import (
    Identity,
    Surroundings,
    agree,
    plane_in_text,
    plane_of_folders,
    plane_suffix,
    split_hours,
)
from embryofrag.archive.names import safe_key
from embryofrag.archive.walk import Found

_ID = re.compile(
    r"""D(?P<date>[0-9]{4}[._-][0-9]{2}[._-][0-9]{2})
        _S(?P<slide>[0-9]{1,6})
        _I(?P<instrument>[0-9]{1,6})
        (?:_[A-EG-Z][0-9]*(?![A-Z0-9]))?   # the kind letter; an F is a focal plane
        (?:[_-]?WELL[_ ]?(?P<well>[0-9]{1,2})(?![0-9])|-(?P<well_id>[0-9]{1,2})(?![0-9]))?
        (?:_RUN[_ ]?(?P<run>[0-9]{1,6})(?![0-9]))?
        (?P<rest>(?:[_\s.(-].*)?)""",
    re.I | re.X | re.S,
)
_WELL_FOLDER = re.compile(r"WELL[_\s-]?(?P<well>[0-9]{1,2})", re.I)
_RUN_STEM = re.compile(r"(?:RUN[_\s-]?)?(?P<run>[0-9]{1,6})", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbryoScopeId:
    """A parsed ID; well and run as far as the text gives them."""

    slide: str
    """Slide in one spelling: date with dots, slide number of at least 4 digits, instrument number of at least 3."""
    well: int | None = None
    run: int | None = None
    rest: str = ""


def parse_id(text: str) -> EmbryoScopeId | None:
    """Read an ID; numbers are numbers (``S00717`` is ``S0717``) and the kind letter is left out of the slide.

    >>> parse_id("D2024_10_20_S01055_I4778_P_WELL6_RUN141")
    EmbryoScopeId(slide='D2024.10.20_S1055_I4778', well=6, run=141, rest='')
    """
    found = _ID.fullmatch(text)
    if found is None:
        return None
    date = re.sub("[_-]", ".", found["date"])
    well = found["well"] or found["well_id"]
    return EmbryoScopeId(
        slide=f"D{date}_S{int(found['slide']):04}_I{int(found['instrument']):03}",
        well=int(well) if well else None,
        run=int(found["run"]) if found["run"] else None,
        rest=found["rest"],
    )


def embryo_key(slide: str, well: int) -> str:
    """Key of an embryo, the same for every spelling of its ID.

    >>> embryo_key("D2013.01.28_S0717_I132", 7)
    'D2013.01.28_S0717_I132_WELL07'
    """
    return f"{slide}_WELL{well:02}"


@lru_cache(maxsize=4096)
def slide_and_well_of_folders(folders: tuple[str, ...]) -> tuple[str | None, int | None]:
    """Slide and well of the innermost folders that name one; a chart number may stand before a folder's ID."""
    slide: str | None = None
    well: int | None = None
    for folder in reversed(folders):
        named = parse_id(folder) or parse_id(folder.partition("_")[2])
        if named is not None:
            slide = slide or named.slide
            well = named.well if well is None else well
        elif well is None and (found := _WELL_FOLDER.fullmatch(folder)):
            well = int(found["well"])
    return slide, well


def explain(found: Found, around: Surroundings) -> Identity | None:
    """Explain an image by its ID; see `Layout`."""
    folder_slide, folder_well = slide_and_well_of_folders(found.folders)
    named = parse_id(found.stem)
    if named is None:
        number = _RUN_STEM.fullmatch(found.stem)
        if number is None or folder_slide is None or folder_well is None:
            return None
        named = EmbryoScopeId(slide=folder_slide, run=int(number["run"]))
    slide = agree("slide", named.slide, folder_slide)
    well = agree("well", named.well, folder_well)
    if well is None:
        return None
    focal_um = agree("focal plane in um", plane_in_text(named.rest), plane_of_folders(found.folders))
    return Identity(
        embryo=embryo_key(slide, well),
        frame=(safe_key((found.stem,)) if named.run is None else f"RUN{named.run:04}") + plane_suffix(focal_um),
        slide=slide,
        well=well,
        run=named.run,
        focal_um=focal_um,
        hpi=split_hours(named.rest)[1],
        moment=named.run,
    )
