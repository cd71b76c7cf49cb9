"""Grade schemes: named, versioned cuts of the fragmentation ratio.

| scheme           | grade    | ratio        | a ratio exactly on the upper cut is |
|------------------|----------|--------------|-------------------------------------|
| ``regdeeplab``   | A        | [0, .10)     | B                                   |
|                  | B        | [.10, .25)   | C                                   |
|                  | C        | [.25, .50]   | C                                   |
|                  | D        | (.50, 1]     |                                     |
| ``istanbul-2011``| mild     | [0, .10)     | moderate                            |
|                  | moderate | [.10, .25]   | moderate                            |
|                  | severe   | (.25, 1]     |                                     |

The ratio is a 2-D area ratio, while the Istanbul consensus speaks of a share of the cytoplasmic volume: the cuts
are the same numbers, the quantity is not.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """Cuts that turn a ratio into a grade."""

    name: str
    version: str
    grades: tuple[str, ...]
    """From least to most fragmented; one more than the cuts."""
    cuts: tuple[float, ...]
    """Ratios that separate neighbouring grades, rising, inside 0..1."""
    cut_joins_lower: tuple[bool, ...]
    """For each cut: does a ratio exactly on it take the lower (less fragmented) grade?"""
    source: str

    def __post_init__(self):
        if not len(self.grades) - 1 == len(self.cuts) == len(self.cut_joins_lower):
            raise ValueError(f"scheme {self.name}: {len(self.grades)} grades do not fit {len(self.cuts)} cuts")
        if list(self.cuts) != sorted({cut for cut in self.cuts if 0.0 < cut < 1.0}):
            raise ValueError(f"scheme {self.name}: cuts must rise and lie inside 0..1, not {self.cuts}")

    @property
    def label(self) -> str:
        """Name and version as every output states them, such as ``regdeeplab/1``."""
        return f"{self.name}/{self.version}"


SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme(
            name="regdeeplab",
            version="1",
            grades=("A", "B", "C", "D"),
            cuts=(0.10, 0.25, 0.50),
            cut_joins_lower=(False, False, True),
            source="arXiv 2511.18454 v1",
        ),
        Scheme(
            name="istanbul-2011",
            version="1",
            grades=("mild", "moderate", "severe"),
            cuts=(0.10, 0.25),
            cut_joins_lower=(False, True),
            source="Istanbul consensus 2011 (Alpha/ESHRE), as quoted in the ESHRE Atlas of Human Embryology",
        ),
    )
}
"""The schemes that can be asked for, by name."""


def grade_ratio(ratio: float, scheme: Scheme) -> str:
    """Return the grade of a ratio.

    Args:
        ratio: Fragmentation ratio, 0..1.
        scheme: One of `SCHEMES`, or a laboratory's own.

    Raises:
        ValueError: The ratio is outside 0..1 or not a number.

    >>> [grade_ratio(ratio, SCHEMES["regdeeplab"]) for ratio in (0.0, 0.10, 0.25, 0.50, 0.51)]
    ['A', 'B', 'C', 'C', 'D']
    >>> [grade_ratio(ratio, SCHEMES["istanbul-2011"]) for ratio in (0.09, 0.10, 0.25, 0.26)]
    ['mild', 'moderate', 'moderate', 'severe']
    """
    _check_ratio(ratio)
    cuts_passed = sum(
        ratio > cut or (ratio == cut and not joins_lower)
        for cut, joins_lower in zip(scheme.cuts, scheme.cut_joins_lower, strict=True)
    )
    return scheme.grades[cuts_passed]


def cut_distance(ratio: float, scheme: Scheme) -> float:
    """Return how far a ratio lies from the nearest cut, as a ratio in 0..1.

    Raises:
        ValueError: The ratio is outside 0..1 or not a number.

    >>> cut_distance(0.375, SCHEMES["regdeeplab"])
    0.125
    """
    _check_ratio(ratio)
    return min(abs(ratio - cut) for cut in scheme.cuts)


def _check_ratio(ratio: float) -> None:
    if not 0.0 <= ratio <= 1.0:
        raise ValueError(f"a fragmentation ratio lies in 0..1, not at {ratio}")
