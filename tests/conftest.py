"""Fixtures that several tests share. Every picture is drawn; nothing comes from an archive."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from embryofrag.engine.cache import CACHE_VARIABLE
from embryofrag.engine.shipped import shipped_model
from embryofrag.phantom import write_archive

# how long an example takes says more about what else the machine does than about the code
settings.register_profile("embryofrag", deadline=None)
settings.load_profile("embryofrag")

EMBRYOFRAG = (sys.executable, "-m", "embryofrag")


def pytest_report_header() -> str:
    import importlib.metadata as metadata

    names = ("numpy", "opencv-python-headless", "openvino", "torch", "torchvision")
    return "with " + ", ".join(f"{name} {metadata.version(name)}" for name in names)


@pytest.fixture(scope="session", autouse=True)
def engine_cache(tmp_path_factory):
    """Compiled graphs of the tests stay out of the user's cache, those of child processes too."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("engine-cache")))
        yield


@pytest.fixture(scope="session")
def model_dir() -> Path:
    """The shipped untrained model with its compiled engine."""
    return shipped_model("untrained")


@pytest.fixture(scope="session")
def drawn_export(tmp_path_factory) -> Path:
    """Two embryos of six frames and an empty well, as an EmbryoScope export; not to be changed."""
    out = tmp_path_factory.mktemp("export")
    write_archive(out / "drawn", seed=5, num_embryos=2, frames_per_embryo=6)
    return out / "drawn" / "archive"


@pytest.fixture
def export(drawn_export, tmp_path) -> Path:
    """A copy of the export that a test may spoil."""
    return Path(shutil.copytree(drawn_export, tmp_path / "archive"))


def run_grade(archive: Path, out: Path, model: Path, *options: str) -> subprocess.CompletedProcess:
    """`embryofrag grade` in a process of its own."""
    command = [*EMBRYOFRAG, "grade", str(archive), "--out", str(out), "--model", str(model), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def contents(root: Path) -> dict[str, str]:
    """sha256 of every result file, the ledger, the lock and the run's own record left out."""
    skip = {"ledger.sqlite", "ledger.sqlite-journal", "run.json", ".lock"}
    files = (path for path in sorted(root.rglob("*")) if path.is_file() and path.name not in skip)
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def state_of(archive: Path) -> dict[str, tuple]:
    """Names, sizes, times and bytes of everything in an archive."""
    state = {}
    for path in sorted(archive.rglob("*")):
        stat = os.lstat(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        state[str(path.relative_to(archive))] = (stat.st_size, stat.st_mtime_ns, stat.st_mode, digest)
    return state
