"""run.json: what the last run was, with what, on what, and how it went."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from embryofrag import __version__
from embryofrag.engine.pair import EngineChoice
from embryofrag.records import SCHEMA_VERSION
from embryofrag.run.atomic import sync_folder, write_atomic
from embryofrag.run.settings import RunSettings

if TYPE_CHECKING:
    from embryofrag.run.grade import RunReport

_PACKAGES = ("numpy", "opencv-python-headless", "openvino", "simplejpeg", "tifffile", "torch")


def write_run_json(report: RunReport, archive: Path, choice: EngineChoice, settings: RunSettings) -> None:
    """Write the record of a run.

    Raises:
        OutputError: it cannot be written.
    """
    content = {
        "schema_version": SCHEMA_VERSION,
        "run_number": report.run_number,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "archive": str(archive),
        "model": {"label": choice.model.label, "trained": choice.model.trained},
        "engines": {
            "backend": choice.backend,
            "precision": choice.precision,
            "chosen": choice.reason,
            "engine_a": choice.engine_a_id,
            "engine_b": choice.engine_b_id,
            "engine_locator": choice.engine_locator_id,
            "engine_scope": choice.engine_scope_id,
            "looks_at": choice.looks_at,
            "views": choice.num_views,
        },
        "settings": settings.to_dict(),
        "files_found": report.num_found,
        "counts": {str(outcome): count for outcome, count in sorted(report.counts.items())},
        "standing": {str(outcome): count for outcome, count in sorted(report.standing.items())},
        "frames_read": report.num_read,
        "timings": {name: round(seconds, 3) for name, seconds in asdict(report.timings).items()},
        "versions": {"embryofrag": __version__, "python": platform.python_version()} | _package_versions(),
        "machine": {"system": platform.platform(), "processor": platform.machine(), "num_cores": os.cpu_count()},
    }
    write_atomic(report.outputs.run_json, json.dumps(content, indent=2).encode() + b"\n")
    sync_folder(report.outputs.root)


def _package_versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
