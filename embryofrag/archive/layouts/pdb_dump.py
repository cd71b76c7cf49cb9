"""Frames that public scripts dump out of EmbryoScope slide databases (.pdb)."""

import re

from embryofrag.archive.layouts.embryoscope import embryo_key, parse_id, slide_and_well_of_folders
from embryofrag.archive.layouts.identity import Identity, Surroundings, agree, plane_of_folders, plane_suffix
from embryofrag.archive.walk import Found

_BY_RUN = re.compile(
    r"(?P<slide>D.+)_(?P<well>[0-9]{1,2})_(?P<run>[0-9]{1,6})_(?P<focal>-?[0-9]{1,3})_[0-9]{5}(?:\.[0-9]+)?",
    re.I | re.S,
)
_BY_MINUTE = re.compile(
    r"M(?P<machine>[0-9]{1,6})_S(?P<slide>[0-9]{1,6})_W(?P<well>[0-9]{1,2})_F(?P<focal>-?[0-9]{1,3})"
    r"_(?P<minutes>[0-9]{1,6})",
    re.I,
)


def explain(found: Found, around: Surroundings) -> Identity | None:
    """Explain ``<slide>_<well>_<run>_<focal>_<day number>`` or ``M<machine>_S<slide>_W<well>_F<focal>_<minutes>``.

    The first ends in an absolute time (days since 1899-12-30), which gives no hpi without the time of fertilisation;
    the second in minutes since fertilisation.
    """
    if by_minute := _BY_MINUTE.fullmatch(found.stem):
        return _by_minute(found, by_minute)
    by_run = _BY_RUN.fullmatch(found.stem)
    named = parse_id(by_run["slide"]) if by_run else None
    if by_run is None or named is None or named.well is not None:
        return None
    folder_slide, folder_well = slide_and_well_of_folders(found.folders)
    slide = agree("slide", named.slide, folder_slide)
    well = agree("well", int(by_run["well"]), folder_well)
    focal_um = agree("focal plane in um", float(by_run["focal"]), plane_of_folders(found.folders))
    run = int(by_run["run"])
    return Identity(
        embryo=embryo_key(slide, well),
        frame=f"RUN{run:04}{plane_suffix(focal_um)}",
        slide=slide,
        well=well,
        run=run,
        focal_um=focal_um,
        moment=run,
    )


def _by_minute(found: Found, named: re.Match[str]) -> Identity:
    well = agree("well", int(named["well"]), slide_and_well_of_folders(found.folders)[1])
    focal_um = agree("focal plane in um", float(named["focal"]), plane_of_folders(found.folders))
    slide = f"M{int(named['machine']):04}_S{int(named['slide']):05}"
    minutes = int(named["minutes"])
    return Identity(
        embryo=embryo_key(slide, well),
        frame=f"MIN{minutes:05}{plane_suffix(focal_um)}",
        slide=slide,
        well=well,
        focal_um=focal_um,
        hpi=minutes / 60,
        moment=("minutes", minutes),
    )
