"""When a person should look at a frame that was graded.

| reason             | raised where                                                                          |
|--------------------|---------------------------------------------------------------------------------------|
| `out_of_scope`     | a scope module takes what was looked at for no embryo at cleavage stage               |
| `modules_disagree` | module A's ratio and module B's are more than ``max_disagreement`` apart               |
| `near_cut`         | module B's ratio is less than ``cut_margin`` from a cut of the grade scheme            |
| `unsure_grade`     | no grade is as probable as ``min_grade_probability`` (of a model with a calibration)  |
| `unclear_embryo`   | embryo mask unsure, in pieces, or cut off by the border of what was looked at          |
| `several_embryos`  | a locator saw more than one embryo in the frame; masks and ratio are of the largest    |
| `soft_focus`       | the focus score is below ``min_focus``                                                 |

A referral never changes a ratio or a grade.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from embryofrag.grading.embryo_presence import EmbryoEvidence
from embryofrag.grading.schemes import Scheme, cut_distance

OUT_OF_SCOPE = "out_of_scope"
MODULES_DISAGREE = "modules_disagree"
NEAR_CUT = "near_cut"
UNSURE_GRADE = "unsure_grade"
UNCLEAR_EMBRYO = "unclear_embryo"
SEVERAL_EMBRYOS = "several_embryos"
SOFT_FOCUS = "soft_focus"
REASONS = (OUT_OF_SCOPE, MODULES_DISAGREE, NEAR_CUT, UNSURE_GRADE, UNCLEAR_EMBRYO, SEVERAL_EMBRYOS, SOFT_FOCUS)
"""Every reason for a frame, in the order in which they are reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferralSettings:
    """Limits of what needs no second look. The defaults are ours; a laboratory should set its own."""

    max_disagreement: float = 0.10
    """Largest distance between the two modules' ratios; 1 switches the reason off."""
    cut_margin: float = 0.02
    """Distance from a cut within which a ratio is doubtful; 0 switches the reason off."""
    min_grade_probability: float = 0.5
    """Smallest probability of the likeliest grade; 0 switches the reason off."""
    min_embryo_confidence: float = 0.75
    """Smallest mean embryo probability inside the mask; 0 switches it off."""
    min_largest_share: float = 0.90
    """Smallest share of the embryo mask in its largest component; 0 switches it off."""
    max_border_share: float = 0.25
    """Largest ``EmbryoEvidence.border_share``: about a tenth of the embryo outside; 1 switches it off."""
    min_focus: float = 0.45
    """Smallest focus score (`embryofrag.imaging.focus`); 0 switches the reason off."""

    def __post_init__(self):
        for name in self.__slots__:
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} lies in 0..1, not at {getattr(self, name)}")


def refer(
    *,
    ratio_reg: float,
    ratio_mask: float | None,
    embryo: EmbryoEvidence | None,
    focus: float | None,
    grade_probabilities: Mapping[str, float] | None = None,
    out_of_scope: bool = False,
    scheme: Scheme,
    settings: ReferralSettings,
) -> tuple[str, ...]:
    """Return the reasons to refer a graded frame, in the order of `REASONS`; empty where there is none.

    Args:
        ratio_reg: Module B's ratio, 0..1.
        ratio_mask: Module A's ratio, 0..1; None where it has none.
        embryo: Evidence for the embryo; None where its mask plays no part.
        focus: Focus score; None where not measured.
        grade_probabilities: Probability of each grade; None where the model has no calibration.
        out_of_scope: What the model's scope module says; False where it has none.
        scheme: The scheme that graded ``ratio_reg``.
        settings: The limits.
    """
    raised = {
        OUT_OF_SCOPE: out_of_scope,
        MODULES_DISAGREE: ratio_mask is not None and abs(ratio_reg - ratio_mask) > settings.max_disagreement,
        NEAR_CUT: cut_distance(ratio_reg, scheme) < settings.cut_margin,
        UNSURE_GRADE: grade_probabilities is not None
        and max(grade_probabilities.values()) < settings.min_grade_probability,
        UNCLEAR_EMBRYO: embryo is not None and is_unclear(embryo, settings),
        SEVERAL_EMBRYOS: embryo is not None and (embryo.num_embryos or 1) > 1,
        SOFT_FOCUS: focus is not None and focus < settings.min_focus,
    }
    return tuple(reason for reason in REASONS if raised[reason])


def is_unclear(embryo: EmbryoEvidence, settings: ReferralSettings) -> bool:
    """Say whether an embryo mask is unsure, in pieces, or cut off by a border; true where it is empty."""
    if embryo.largest_share is None or embryo.border_share is None:
        return True
    return (
        (embryo.confidence is not None and embryo.confidence < settings.min_embryo_confidence)
        or embryo.largest_share < settings.min_largest_share
        or embryo.border_share > settings.max_border_share
    )
