"""Everything a run was asked for, and the hash of that part which decides results."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from embryofrag import __version__
from embryofrag.archive import ReadLimits, ScanOptions
from embryofrag.engine.model import REMEDY, ModelInfo
from embryofrag.engine.pair import EngineChoice
from embryofrag.errors import EmbryofragError, UsageError
from embryofrag.grading.conformal import Conformal
from embryofrag.grading.embryo import EmbryoSettings
from embryofrag.grading.frame import GradingSettings
from embryofrag.grading.referral import ReferralSettings

RECHECKS = ("stat", "hash")
MAX_BATCH_SIZE = 64
INTERVAL_ALPHA = 0.1
"""Share of true ratios that may lie outside `ratio_lo90` to `ratio_hi90`."""


def default_batch_size(backend: str | None = None) -> int:
    """Two frames a core, so that no core waits long for the last of a batch, but at least 8; on a GPU several passes.

    >>> default_batch_size("tensorrt")
    64
    """
    if backend == "tensorrt":
        return MAX_BATCH_SIZE
    return min(MAX_BATCH_SIZE, max(8, 2 * (os.cpu_count() or 1)))


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What a run was asked for."""

    scan: ScanOptions = field(default_factory=ScanOptions)
    limits: ReadLimits = field(default_factory=ReadLimits)
    grading: GradingSettings = field(default_factory=GradingSettings)
    calibration: Conformal | None = None
    """The model's, for intervals and the grades' probabilities."""
    embryo: EmbryoSettings = field(default_factory=EmbryoSettings)
    hpi_window: tuple[float, float] | None = None
    """Grade only frames whose hpi lies in [start, end]; frames of unknown hpi are graded. None: all."""
    masks: bool = True
    overlays: bool = False
    batch_size: int = field(default_factory=default_batch_size)
    """Frames handed to the engines at once; changes memory and speed, never a result."""
    num_threads: int | None = None
    """Cores the engines use; None: all."""
    recheck: str = "stat"
    """How an unchanged file is known: `stat` (size and mtime), `hash` (every file read again)."""
    audit_share: float = 0.0
    """Share 0..1 of the files unchanged by `stat` that are read and hashed anyway."""
    hang_s: float = 300.0
    """A worker that finishes no frame for so long is taken to hang."""

    def __post_init__(self):
        if not 1 <= self.batch_size <= MAX_BATCH_SIZE:
            raise UsageError(f"--batch-size is between 1 and {MAX_BATCH_SIZE}, not {self.batch_size}")
        if self.recheck not in RECHECKS:
            raise UsageError(f"--recheck is one of {', '.join(RECHECKS)}, not {self.recheck}")
        if not 0 <= self.audit_share <= 1:
            raise UsageError(f"--audit is a share between 0 and 1, not {self.audit_share}")
        if self.hpi_window and not self.hpi_window[0] <= self.hpi_window[1]:
            raise UsageError(f"--hpi-window starts after it ends: {self.hpi_window[0]} {self.hpi_window[1]}")

    def to_dict(self) -> dict:
        """Plain values for run.json; of a calibration what tells it from others, not its many residuals."""
        values = asdict(self)
        if values["calibration"]:
            del values["calibration"]["residuals"]
        return values


def grading_by(model: ModelInfo, *, referral: Mapping[str, float] | None = None, **choices: str) -> GradingSettings:
    """Return the grading that a model was made for, with what the user chose otherwise.

    Args:
        model: its thresholds and its denominator hold where nothing else is chosen.
        referral: fields of `ReferralSettings`.
        choices: `scheme`, `denominator`.

    Raises:
        ValueError: a choice that cannot be.
    """
    limits = {} if model.min_embryo_confidence is None else {"min_embryo_confidence": model.min_embryo_confidence}
    return GradingSettings(
        mask_threshold=model.mask_threshold,
        scope_threshold=model.scope_threshold,
        referral=ReferralSettings(**limits | dict(referral or {})),
        **{"denominator": model.denominator} | choices,
    )


def result_key(settings: RunSettings, choice: EngineChoice) -> str:
    """Hash of everything but the file that decides a frame's result.

    Engines, those of locator and scope module among them where they are used, grading settings, what is taken from the
    file, and the code version; not the batch size, the threads or which pictures are written.
    """
    decides = {
        "version": __version__,
        "engine_a": choice.engine_a_id,
        "engine_b": choice.engine_b_id,
        "engine_locator": choice.engine_locator_id,
        "engine_scope": choice.engine_scope_id,
        "views": choice.num_views,
        "model": choice.model.label,
        "grading": settings.grading.to_dict(),
        "calibration": settings.calibration and settings.calibration.to_dict(),
        "focal_um": settings.scan.focal_um,
        "limits": asdict(settings.limits),
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def read_calibration(model: ModelInfo, grading: GradingSettings) -> Conformal | None:
    """The model's calibration, if it has one that holds for ratios over this denominator.

    Raises:
        EmbryofragError: the calibration is not one of a 90 % interval.
    """
    if model.calibration is None or grading.denominator != model.denominator:
        return None
    try:
        calibration = Conformal.from_dict(model.calibration)
    except (ValueError, TypeError) as error:
        raise EmbryofragError(f"the calibration in {model.path} cannot be read ({error}); {REMEDY}") from error
    if calibration.alpha != INTERVAL_ALPHA:
        raise EmbryofragError(
            f"the calibration in {model.path} is for {1 - calibration.alpha:.0%} intervals and the tables hold "
            f"{1 - INTERVAL_ALPHA:.0%} ones; calibrate the model anew"
        )
    return calibration
