"""The frozen baseline: the stretch of time whose embryos set the limits, named by dates or stored in a file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

from embryofrag.errors import UsageError
from embryofrag.statistics.control import Limits

BASELINE_SCHEMA = 1
MIN_POINTS = 8
"""Points that a baseline needs before it gives limits; 20 are customary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Limits of every chart and samples of every measure, once computed."""

    start: date
    end: date
    by: str
    scheme: str
    limits: Mapping[str, Limits]
    """By chart (`ControlChart.key`); sigma is nan for a share, whose spread hangs on each point's count."""
    samples: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Embryos' values by measure and instrument (`sample_key`), for drift; they name no embryo."""


def write_baseline(baseline: Baseline) -> bytes:
    """The baseline as JSON; nan becomes null."""
    content = {"baseline_schema": BASELINE_SCHEMA} | asdict(baseline)
    content["limits"] = {
        key: {"centre": _known(one.centre), "sigma": _known(one.sigma)} for key, one in baseline.limits.items()
    }
    return json.dumps(content | {"start": str(baseline.start), "end": str(baseline.end)}, indent=1).encode() + b"\n"


def read_baseline(path: Path, *, by: str, scheme: str) -> Baseline:
    """Read what `write_baseline` wrote.

    Args:
        path: The file.
        by: The period of this report.
        scheme: Its grade scheme, name and version.

    Raises:
        UsageError: it cannot be read, or belongs to other periods or another scheme.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("baseline_schema") != BASELINE_SCHEMA:
            raise ValueError("another baseline_schema")
        baseline = Baseline(
            **content
            | {
                "start": date.fromisoformat(content["start"]),
                "end": date.fromisoformat(content["end"]),
                "limits": {
                    key: Limits(centre=_number(one["centre"]), sigma=_number(one["sigma"]))
                    for key, one in content["limits"].items()
                },
                "samples": {key: tuple(map(float, values)) for key, values in content["samples"].items()},
            }
        )
    except OSError as error:
        raise UsageError(f"--baseline-file {path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(
            f"--baseline-file {path} is no stored baseline ({type(error).__name__}: {error}); "
            "make one by --baseline START END --freeze-baseline FILE"
        ) from error
    for name, here in (("by", by), ("scheme", scheme)):
        if getattr(baseline, name) != here:
            raise UsageError(
                f"--baseline-file {path} was frozen with {name} {getattr(baseline, name)} and this report has {here}; "
                f"freeze one for {here}"
            )
    return baseline


def _known(value: float) -> float | None:
    return None if value != value else value


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
