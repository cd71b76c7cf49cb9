"""What the run knows of one file when it is done with it: the row of the ledger and of the tables."""

from dataclasses import dataclass, fields

from embryofrag.records import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One file found and its standing. Field names are the ledger's columns; None is a blank cell."""

    source: str
    """Path below the archive root."""
    size_bytes: int
    mtime_ns: int
    outcome: Outcome
    reason: str = ""
    sha256: str | None = None
    result_key: str | None = None
    """Hash of everything but the file that decides the result; None for files set aside by the scan."""
    duplicate_of: str | None = None
    """Source of the file that this one repeats or contradicts."""
    embryo: str = ""
    frame: str | None = None
    slide: str | None = None
    well: int | None = None
    run: int | None = None
    hpi: float | None = None
    focal_um: float | None = None
    um_per_px: float | None = None
    ratio_mask: float | None = None
    """Module A: area(fragment and embryo) / area(denominator), 0..1."""
    ratio_reg: float | None = None
    """Module B: the reported ratio, 0..1."""
    ratio_lo90: float | None = None
    """Lower end of the 90 % interval of ratio_reg, where the model has a calibration."""
    ratio_hi90: float | None = None
    """Upper end."""
    grade: str | None = None
    grade_probabilities: str | None = None
    """Such as "A=0.85 B=0.15 C=0.00 D=0.00"."""
    scheme: str | None = None
    denominator: str | None = None
    fragment_area_px: int | None = None
    embryo_area_px: int | None = None
    num_fragments: int | None = None
    focus: float | None = None
    """Focus score of the embryo, dimensionless (imaging.focus)."""
    referred: bool | None = None
    refer_reasons: str = ""
    """Machine words joined by spaces."""
    model: str | None = None
    engine_a: str | None = None
    engine_b: str | None = None
    in_scope: float | None = None
    """Probability that what was looked at is an embryo at cleavage stage, where the model has a scope module."""


ITEM_FIELDS = tuple(field.name for field in fields(Item))
