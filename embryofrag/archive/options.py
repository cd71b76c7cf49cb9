"""What a caller may ask of the archive room."""

import math
import re
from dataclasses import dataclass

from embryofrag.errors import UsageError

EMBRYO_BY = ("auto", "folder", "stem")
PATTERN_GROUPS = ("embryo", "slide", "well", "run", "focal", "hpi")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanOptions:
    """How an archive is read.

    Raises:
        UsageError: an option that cannot be.
    """

    focal_um: float | None = 0.0
    """Focal plane in um to keep; None keeps all planes. A frame of unknown plane is always kept."""
    pattern: str | None = None
    """Regular expression searched in the path below the root, with named groups out of `PATTERN_GROUPS`."""
    embryo_by: str = "auto"
    """What one embryo is where no known naming says so: a ``folder``, a file ``stem``, or decided by ``auto``."""

    def __post_init__(self):
        if self.focal_um is not None and not math.isfinite(self.focal_um):
            raise UsageError(f"the focal plane must be a number in um, not {self.focal_um}")
        if self.embryo_by not in EMBRYO_BY:
            raise UsageError(f"an embryo goes by one of {', '.join(EMBRYO_BY)}, not by {self.embryo_by!r}")
        if self.pattern is not None:
            _check_pattern(self.pattern)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLimits:
    """How large one image may be; checked before anything is decoded.

    Raises:
        UsageError: a limit below 1.
    """

    max_pixels: int = 64 * 1024 * 1024
    max_bytes: int = 512 * 1024 * 1024

    def __post_init__(self):
        if self.max_pixels < 1 or self.max_bytes < 1:
            raise UsageError("the limits of pixels and bytes must be at least 1")


def _check_pattern(pattern: str) -> None:
    try:
        groups = set(re.compile(pattern).groupindex)
    except re.error as error:
        raise UsageError(f"the pattern is no regular expression: {error}; check its brackets") from error
    if unknown := sorted(groups - set(PATTERN_GROUPS)):
        raise UsageError(f"the pattern names an unknown group {unknown[0]!r}; use {', '.join(PATTERN_GROUPS)}")
    if not groups & {"embryo", "slide", "well"}:
        raise UsageError(
            "the pattern names no embryo; give it a group (?P<embryo>...), (?P<slide>...) or (?P<well>...)"
        )
