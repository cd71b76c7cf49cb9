"""Names explained by a regular expression of the user's."""

import math
import re

from embryofrag.archive.layouts.identity import Identity, Surroundings, agree, plane_of_folders, plane_suffix
from embryofrag.archive.names import printable, safe_key
from embryofrag.archive.walk import Found
from embryofrag.errors import ItemError
from embryofrag.records import Outcome


def explain(found: Found, around: Surroundings) -> Identity | None:
    """Explain an image by the named groups of ``options.pattern``; None where no pattern was given.

    The groups slide, well and embryo together name the embryo. A pattern without a focal group leaves the plane to
    the folder's name.

    Raises:
        ItemError: unparsed, where the pattern does not match or a group holds no number.
    """
    if around.options.pattern is None:
        return None
    matched = re.search(around.options.pattern, "/".join(found.parts))
    if matched is None:
        raise ItemError(Outcome.UNPARSED, "the pattern does not match")
    groups = matched.groupdict()
    well, run = _number(groups, "well"), _number(groups, "run")
    focal_um, hpi = _number(groups, "focal"), _number(groups, "hpi")
    well_text = None if well is None else f"WELL{int(well):02}"
    names = tuple(name for name in (groups.get("slide"), well_text, groups.get("embryo")) if name)
    if not names:
        raise ItemError(Outcome.UNPARSED, "the pattern matches but names no embryo")
    focal_um = agree("focal plane in um", focal_um, plane_of_folders(found.folders))
    return Identity(
        embryo=safe_key(names),
        frame=(safe_key((found.stem,)) if run is None else f"RUN{int(run):04}") + plane_suffix(focal_um),
        slide=groups.get("slide"),
        well=None if well is None else int(well),
        run=None if run is None else int(run),
        focal_um=focal_um,
        hpi=hpi,
        moment=run if run is not None else hpi,
    )


def _number(groups: dict[str, str | None], group: str) -> float | None:
    text = groups.get(group)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (group in {"well", "run"} and (value < 0 or value != int(value) or value >= 1e9)):
        raise ItemError(Outcome.UNPARSED, f"the pattern's {group} is no number: {printable(text)[:40]}")
    return value
