"""One embryo over time: medians over all its frames and over the windows in which embryos are assessed.

| window | hpi (both ends included) | source                                             |
|--------|--------------------------|----------------------------------------------------|
| day2   | 43 - 45                  | Istanbul consensus 2011: day 2 at 44 +- 1 h        |
| day3   | 67 - 69                  | Istanbul consensus 2011: day 3 at 68 +- 1 h        |

| reason for the embryo | raised where                                                                     |
|-----------------------|----------------------------------------------------------------------------------|
| `frames_referred`     | more than ``max_referred_share`` of the graded frames are referred               |
| `near_cut`            | the median over all frames is less than ``ReferralSettings.cut_margin`` from a   |
|                       | cut                                                                              |
| `wide_spread`         | an interquartile range is above ``max_iqr``: that of any window with frames, or, |
|                       | where no window has any, that of all frames                                      |

Statistics are of module B's ratio over graded frames. What cannot be known is None, never 0: the median of a window
without frames, an interquartile range of fewer than two frames, a window's frames where no hpi is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embryofrag.grading.frame import GradingSettings
from embryofrag.grading.referral import NEAR_CUT
from embryofrag.grading.schemes import Scheme, cut_distance, grade_ratio

FRAMES_REFERRED = "frames_referred"
WIDE_SPREAD = "wide_spread"
EMBRYO_REASONS = (FRAMES_REFERRED, NEAR_CUT, WIDE_SPREAD)
"""Every reason for an embryo, in the order in which they are reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A span of time after insemination; both ends belong to it."""

    name: str
    start_hpi: float
    end_hpi: float

    def __post_init__(self):
        if not 0.0 <= self.start_hpi <= self.end_hpi:
            raise ValueError(f"window {self.name}: {self.start_hpi} to {self.end_hpi} h is not a span of time")


WINDOWS = {
    window.name: window
    for window in (
        Window(name="day2", start_hpi=43.0, end_hpi=45.0),
        Window(name="day3", start_hpi=67.0, end_hpi=69.0),
    )
}
"""The windows of the Istanbul consensus, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbryoSettings:
    """How frames are summed up; apart from `GradingSettings`, since no verdict on a frame hangs on it."""

    windows: tuple[Window, ...] = tuple(WINDOWS.values())
    max_referred_share: float = 0.5
    """Share of referred frames above which the embryo is referred, 0..1; 1 switches the reason off."""
    max_iqr: float = 0.10
    """Interquartile range of the ratio above which the embryo is referred, 0..1; 1 switches the reason off."""

    def __post_init__(self):
        for name in ("max_referred_share", "max_iqr"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} lies in 0..1, not at {getattr(self, name)}")
        names = [window.name for window in self.windows]
        if len(set(names)) != len(names):
            raise ValueError(f"window names must differ: {', '.join(names)}")


WINDOW_COLUMNS = ("n", "ratio_median", "ratio_iqr", "grade")
"""Of each window in a table of embryos, after its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbryoFrame:
    """What the summary needs to know of one frame of an embryo."""

    hpi: float | None
    """Hours post insemination."""
    run: int | None
    """Number of the time point."""
    ratio_reg: float | None
    """Module B's ratio, 0..1; None where the frame was not graded."""
    ratio_mask: float | None
    """Module A's ratio, 0..1; None where the frame was not graded or has none."""
    referred: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Ratios of several frames in brief."""

    num_frames: int | None
    """Graded frames; None where it cannot be known which frames belong here."""
    median: float | None
    iqr: float | None
    """Distance of the quartiles (linear interpolation)."""
    grade: str | None
    """Grade of the median."""

    def cells(self) -> dict[str, float | str | None]:
        """Return the values of a table's columns (`WINDOW_COLUMNS`)."""
        values = (self.num_frames, self.median, self.iqr, self.grade)
        return dict(zip(WINDOW_COLUMNS, values, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbryoSummary:
    """One embryo over time."""

    num_frames: int
    num_graded: int
    num_referred: int
    """Graded frames that are referred."""
    ratio: Spread
    """Module B's ratio over all graded frames."""
    ratio_min: float | None
    ratio_max: float | None
    ratio_last: float | None
    """Median of the graded frames of the latest time point; None where the frames cannot be put in order."""
    ratio_mask_median: float | None
    """Median of module A's ratio."""
    windows: dict[str, Spread]
    """By name of the window, in the order asked for."""
    scheme: str
    referred: bool
    refer_reasons: tuple[str, ...]

    def cells(self) -> dict[str, float | str | bool | None]:
        """Return the values of a table's columns, without the windows'."""
        return {
            "num_frames": self.num_frames,
            "num_graded": self.num_graded,
            "num_referred": self.num_referred,
            "ratio_median": self.ratio.median,
            "ratio_iqr": self.ratio.iqr,
            "ratio_min": self.ratio_min,
            "ratio_max": self.ratio_max,
            "ratio_last": self.ratio_last,
            "ratio_mask_median": self.ratio_mask_median,
            "grade": self.ratio.grade,
            "scheme": self.scheme,
            "referred": self.referred if self.num_graded else None,
            "refer_reasons": " ".join(self.refer_reasons),
        }


def summarise_embryo(
    frames: Sequence[EmbryoFrame], grading: GradingSettings, settings: EmbryoSettings | None = None
) -> EmbryoSummary:
    """Sum up the frames of one embryo, in any order.

    Args:
        frames: All frames of the embryo, graded or not.
        grading: The settings its frames were graded with.
        settings: Windows and limits; None for the defaults.
    """
    settings = settings or EmbryoSettings()
    scheme = grading.grade_scheme
    graded = [frame for frame in frames if frame.ratio_reg is not None]
    ratios = [frame.ratio_reg for frame in graded]
    ratio = _spread(ratios, scheme)
    windows = {window.name: _window_spread(frames, window, scheme) for window in settings.windows}
    num_referred = sum(frame.referred for frame in graded)
    iqrs = [spread.iqr for spread in windows.values() if spread.num_frames] or [ratio.iqr]
    raised = {
        FRAMES_REFERRED: num_referred > settings.max_referred_share * len(graded),
        NEAR_CUT: ratio.median is not None and cut_distance(ratio.median, scheme) < grading.referral.cut_margin,
        WIDE_SPREAD: any(iqr is not None and iqr > settings.max_iqr for iqr in iqrs),
    }
    reasons = tuple(reason for reason in EMBRYO_REASONS if raised[reason])
    return EmbryoSummary(
        num_frames=len(frames),
        num_graded=len(graded),
        num_referred=num_referred,
        ratio=ratio,
        ratio_min=min(ratios, default=None),
        ratio_max=max(ratios, default=None),
        ratio_last=_last_ratio(graded),
        ratio_mask_median=_median([frame.ratio_mask for frame in graded if frame.ratio_mask is not None]),
        windows=windows,
        scheme=scheme.label,
        referred=bool(reasons),
        refer_reasons=reasons,
    )


def _spread(ratios: Sequence[float], scheme: Scheme) -> Spread:
    median = _median(ratios)
    return Spread(
        num_frames=len(ratios),
        median=median,
        iqr=float(np.subtract(*np.percentile(ratios, (75, 25)))) if len(ratios) > 1 else None,
        grade=None if median is None else grade_ratio(median, scheme),
    )


def _window_spread(frames: Sequence[EmbryoFrame], window: Window, scheme: Scheme) -> Spread:
    if all(frame.hpi is None for frame in frames):
        return Spread(num_frames=None, median=None, iqr=None, grade=None)
    inside = [frame for frame in frames if frame.hpi is not None and window.start_hpi <= frame.hpi <= window.end_hpi]
    return _spread([frame.ratio_reg for frame in inside if frame.ratio_reg is not None], scheme)


def _last_ratio(graded: Sequence[EmbryoFrame]) -> float | None:
    """Return the ratio of the latest time point: by hpi where every frame has one, else by run."""
    for moments in ([frame.hpi for frame in graded], [frame.run for frame in graded]):
        if moments and None not in moments:
            latest = max(moments)
            at_latest = zip(graded, moments, strict=True)
            return _median([frame.ratio_reg for frame, moment in at_latest if moment == latest])
    return None


def _median(ratios: Sequence[float]) -> float | None:
    return float(np.median(ratios)) if len(ratios) else None
