"""The ratio's interval and the grades' probabilities, from a calibration that is stored with the model.

A calibration is fitted on frames that trained nothing (`embryofrag.training.conformal`). Each of them gave a signed
residual in units of its own scale,

    r = (y_true - ratio_reg) / scale          scale = floor + |ratio_reg - ratio_mask|

and the interval of a new frame is ratio_reg -+ quantile x its scale, so that it widens as the modules disagree. The
grade's probabilities come from the same residuals: where they would place the truth.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from embryofrag.grading.schemes import Scheme, grade_ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class Conformal:
    """A calibration, stored with the model."""

    alpha: float
    """Share of frames whose truth may lie outside the interval."""
    floor: float
    quantile: float
    """Half width of the interval in units of a frame's scale."""
    residuals: tuple[float, ...]
    """Signed residuals in units of the scale, rising: all of the calibration set or as many quantiles of it."""
    num_frames: int
    """Size of the calibration set."""

    def interval(self, ratio_reg: float, ratio_mask: float) -> tuple[float, float]:
        """Return the lowest and the highest ratio, within 0..1.

        >>> calibration = Conformal(alpha=0.1, floor=0.05, quantile=2.0, residuals=(0.0,), num_frames=20)
        >>> [round(end, 4) for end in calibration.interval(0.3, 0.25)]  # .3 -+ 2 x (.05 + .05)
        [0.1, 0.5]
        """
        half = self.quantile * residual_scale(ratio_reg, ratio_mask, self.floor)
        return max(0.0, ratio_reg - half), min(1.0, ratio_reg + half)

    def grade_probabilities(self, ratio_reg: float, ratio_mask: float, scheme: Scheme) -> dict[str, float]:
        """Return the probability of each grade of the scheme: they add up to 1.

        >>> from embryofrag.grading.schemes import SCHEMES
        >>> calibration = Conformal(alpha=0.1, floor=0.05, quantile=2, residuals=(-1.0, 0.0, 0.5, 1.0), num_frames=4)
        >>> calibration.grade_probabilities(0.08, 0.08, SCHEMES["regdeeplab"])  # .03, .08, .105, .13
        {'A': 0.5, 'B': 0.5, 'C': 0.0, 'D': 0.0}
        """
        scale = residual_scale(ratio_reg, ratio_mask, self.floor)
        grades = [grade_ratio(min(1.0, max(0.0, ratio_reg + step * scale)), scheme) for step in self.residuals]
        return {grade: grades.count(grade) / len(grades) for grade in scheme.grades}

    def to_dict(self) -> dict:
        """Return the calibration as JSON values."""
        return asdict(self) | {"residuals": list(self.residuals)}

    @classmethod
    def from_dict(cls, values: Mapping) -> "Conformal":
        """Read what `to_dict` wrote.

        Raises:
            ValueError: A field is unknown or missing.
        """
        names = {field.name for field in fields(cls)}
        if set(values) != names:
            odd = ", ".join(sorted(set(values) ^ names))
            raise ValueError(f"calibration has unknown or missing fields: {odd}")
        return cls(**{**values, "residuals": tuple(values["residuals"])})


def residual_scale(ratio_reg: float, ratio_mask: float, floor: float) -> float:
    """Return the scale of a frame's residual.

    >>> round(residual_scale(0.3, 0.25, 0.05), 9)
    0.1
    """
    return floor + abs(ratio_reg - ratio_mask)
