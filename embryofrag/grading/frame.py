"""The verdict on one frame: grade, areas, referral, or that there is no embryo."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from embryofrag.grading.conformal import Conformal
from embryofrag.grading.embryo_presence import EmbryoEvidence
from embryofrag.grading.ratio import DENOMINATORS, Areas
from embryofrag.grading.referral import ReferralSettings, refer
from embryofrag.grading.schemes import SCHEMES, Scheme, grade_ratio
from embryofrag.records import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class GradingSettings:
    """Everything that a laboratory may choose about grading."""

    scheme: str = "regdeeplab"
    """A key of `SCHEMES`."""
    denominator: str = "embryo"
    """One of `DENOMINATORS`. With ``image`` the embryo mask decides nothing: no frame is `no_embryo`."""
    mask_threshold: float = 0.5
    """Probability from which on a pixel belongs to a mask."""
    scope_threshold: float = 0.5
    """Probability of being in scope below which a frame is referred, for a model with a scope module."""
    min_embryo_share: float = 0.005
    """Share of the frame below which an embryo mask counts as none."""
    referral: ReferralSettings = field(default_factory=ReferralSettings)

    def __post_init__(self):
        if self.scheme not in SCHEMES:
            raise ValueError(f"the grade scheme is one of {', '.join(SCHEMES)}, not {self.scheme!r}")
        if self.denominator not in DENOMINATORS:
            raise ValueError(f"the denominator is one of {', '.join(DENOMINATORS)}, not {self.denominator!r}")
        if not 0.0 < self.mask_threshold <= 1.0:
            raise ValueError(f"mask_threshold lies above 0 and at most at 1, not at {self.mask_threshold}")
        if not 0.0 <= self.scope_threshold <= 1.0:
            raise ValueError(f"scope_threshold lies in 0..1, not at {self.scope_threshold}")
        if not 0.0 <= self.min_embryo_share < 1.0:
            raise ValueError(f"min_embryo_share lies at 0 or above and below 1, not at {self.min_embryo_share}")

    @property
    def grade_scheme(self) -> Scheme:
        return SCHEMES[self.scheme]

    def to_dict(self) -> dict:
        """Return what decides a grade as plain JSON types, with the scheme's version, for hashing and for records."""
        return {**dataclasses.asdict(self), "scheme": self.grade_scheme.label}


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameGrade:
    """What is reported of one frame.

        | field                                  | graded                 | no_embryo          |
        |----------------------------------------|------------------------|--------------------|
        | ratio_reg, grade                       | set                    | None               |
        | ratio_mask                             | set                    | None               |
        | fragment_area_px, embryo_area_px       | set                    | set                |
        | num_fragments                          | set                    | set                |
    | ratio_lo90, ratio_hi90,                | set, None without a    | None               |
    | grade_probabilities                    | calibration            |                    |
        | focus                                  | set, None not measured | as for graded      |
        | referred, refer_reasons                | as `refer` says        | False, empty       |
        | reason                                 | empty                  | why, in one phrase |
    """

    outcome: Outcome
    """`Outcome.GRADED` or `Outcome.NO_EMBRYO`."""
    scheme: str
    """Name and version of the grade scheme, such as ``regdeeplab/1``."""
    denominator: str
    fragment_area_px: int
    embryo_area_px: int
    num_fragments: int
    focus: float | None
    reason: str
    ratio_mask: float | None = None
    """Module A's ratio, 0..1."""
    ratio_reg: float | None = None
    """Module B's ratio, 0..1: the reported one, which the grade follows."""
    ratio_lo90: float | None = None
    """Lower end of the ratio's 90 % interval, 0..1."""
    ratio_hi90: float | None = None
    """Upper end."""
    grade: str | None = None
    grade_probabilities: Mapping[str, float] | None = None
    """Probability of each grade of the scheme; they add up to 1."""
    referred: bool = False
    refer_reasons: tuple[str, ...] = ()


def grade_frame(
    *,
    areas: Areas,
    embryo: EmbryoEvidence,
    num_fragments: int,
    ratio_reg: float,
    focus: float | None,
    settings: GradingSettings,
    calibration: Conformal | None = None,
    scope: float | None = None,
) -> FrameGrade:
    """Grade one frame from what was measured in it.

    Args:
        areas: `measure_masks` with ``settings.denominator``.
        embryo: `find_embryo` of the embryo mask.
        num_fragments: Components of the counted fragment mask (`counted_fragment`).
        ratio_reg: Module B's ratio, 0..1.
        focus: Focus score of the embryo; None where not measured.
        settings: The laboratory's choices.
        calibration: The model's, for the interval and the grades' probabilities; None where it has none.
        scope: Probability that what was looked at is in scope, 0..1; None for a model without a scope module.

    Raises:
        ValueError: ``ratio_reg`` is outside 0..1 or not a number.
    """
    scheme = settings.grade_scheme
    grade = grade_ratio(ratio_reg, scheme)
    ungraded = _ungraded(areas, embryo, num_fragments, focus, settings)
    needs_embryo = settings.denominator == "embryo"
    if needs_embryo and (not areas.embryo_area_px or embryo.frame_share < settings.min_embryo_share):
        return ungraded
    calibrated = {} if calibration is None else _calibrated(calibration, ratio_reg, areas.ratio_mask, scheme)
    reasons = refer(
        ratio_reg=ratio_reg,
        ratio_mask=areas.ratio_mask,
        embryo=embryo if needs_embryo else None,
        focus=focus,
        grade_probabilities=calibrated.get("grade_probabilities"),
        out_of_scope=scope is not None and scope < settings.scope_threshold,
        scheme=scheme,
        settings=settings.referral,
    )
    return dataclasses.replace(
        ungraded,
        outcome=Outcome.GRADED,
        reason="",
        ratio_mask=areas.ratio_mask,
        ratio_reg=ratio_reg,
        grade=grade,
        referred=bool(reasons),
        refer_reasons=reasons,
        **calibrated,
    )


def _ungraded(
    areas: Areas, embryo: EmbryoEvidence, num_fragments: int, focus: float | None, settings: GradingSettings
) -> FrameGrade:
    """What is reported of a frame without an embryo."""
    return FrameGrade(
        outcome=Outcome.NO_EMBRYO,
        scheme=settings.grade_scheme.label,
        denominator=settings.denominator,
        fragment_area_px=areas.fragment_area_px,
        embryo_area_px=areas.embryo_area_px,
        num_fragments=num_fragments,
        focus=focus,
        reason=_why_no_embryo(embryo, settings),
    )


def _calibrated(calibration: Conformal, ratio_reg: float, ratio_mask: float, scheme: Scheme) -> dict:
    """The fields of a `FrameGrade` that a calibration gives."""
    low, high = calibration.interval(ratio_reg, ratio_mask)
    probabilities = calibration.grade_probabilities(ratio_reg, ratio_mask, scheme)
    return {"ratio_lo90": low, "ratio_hi90": high, "grade_probabilities": probabilities}


def _why_no_embryo(embryo: EmbryoEvidence, settings: GradingSettings) -> str:
    if not embryo.frame_share:
        return "no embryo found"
    return f"embryo mask covers {embryo.frame_share:.2%} of the frame, below {settings.min_embryo_share:.2%}"
