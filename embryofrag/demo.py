"""The main job on a drawn archive: what a newcomer runs first."""

import shutil
from collections.abc import Callable
from pathlib import Path

from embryofrag.engine.pair import EngineChoice
from embryofrag.engine.select import choose_engine
from embryofrag.engine.shipped import DEFAULT_MODEL, find_shipped, shipped_model
from embryofrag.errors import UsageError
from embryofrag.phantom import write_archive
from embryofrag.run.events import Notify
from embryofrag.run.grade import RunReport, grade_archive
from embryofrag.run.settings import RunSettings, grading_by, read_calibration

FALLBACK_MODEL = "untrained"
NUM_EMBRYOS = 4
FRAMES_PER_EMBRYO = 12


def run_demo(
    out: Path, seed: int, notify: Notify, announce: Callable[[EngineChoice], None]
) -> tuple[RunReport, EngineChoice]:
    """Draw an archive below `out` and grade it with the best model that came with this installation.

    Args:
        out: gets `drawn/` (archive and truth) and `results/`; an earlier demo in it is drawn anew.
        seed: of the drawing.
        notify: told of the run's events.
        announce: told which engine was chosen, before the work starts.

    Raises:
        UsageError: `out` holds something that is not a demo.
    """
    _clear(out)
    write_archive(out / "drawn", seed=seed, num_embryos=NUM_EMBRYOS, frames_per_embryo=FRAMES_PER_EMBRYO)
    choice = choose_engine(find_shipped(DEFAULT_MODEL) or shipped_model(FALLBACK_MODEL))
    announce(choice)
    grading = grading_by(choice.model)
    settings = RunSettings(grading=grading, calibration=read_calibration(choice.model, grading), overlays=True)
    return grade_archive(out / "drawn" / "archive", out / "results", choice, settings, notify), choice


def _clear(out: Path) -> None:
    """Remove an earlier demo, and nothing else."""
    demo_parts = {"drawn", "results"}
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; choose a folder as --out")
    found = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if not found <= demo_parts:
        raise UsageError(f"{out} holds other things than a demo ({sorted(found - demo_parts)[0]}); choose a new --out")
    for name in found:
        shutil.rmtree(out / name)
