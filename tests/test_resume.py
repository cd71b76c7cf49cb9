"""Kill it anywhere: the next run finishes, and the output is byte for byte that of an undisturbed run."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import EMBRYOFRAG, contents, run_grade

from embryofrag.phantom import write_archive
from embryofrag.run.atomic import PARTIAL_SUFFIX


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    out = tmp_path_factory.mktemp("resume")
    write_archive(out / "drawn", seed=9, num_embryos=4, frames_per_embryo=10)
    return out / "drawn" / "archive"


@pytest.fixture(scope="module")
def undisturbed(archive, model_dir, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    run_grade(archive, out, model_dir, "--batch-size", "2")
    return contents(out)


def start(archive, out, model_dir) -> subprocess.Popen:
    command = [*EMBRYOFRAG, "grade", str(archive), "--out", str(out), "--model", str(model_dir), "--batch-size", "2"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=_hear_ctrl_c)


def _hear_ctrl_c() -> None:
    """A shell's background job, as these tests may be, ignores Ctrl-C and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for_masks(out, process, count: int) -> None:
    """Until so many masks lie there, or the run is over."""
    while process.poll() is None and sum(1 for _ in out.glob("masks/*/*.png")) < count:
        time.sleep(0.002)


@pytest.mark.slow
@pytest.mark.parametrize("num_masks", [1, 17, 40])
def test_kill_and_rerun_give_what_an_undisturbed_run_gives(archive, model_dir, undisturbed, tmp_path, num_masks):
    out = tmp_path / "out"
    process = start(archive, out, model_dir)
    wait_for_masks(out, process, num_masks)
    process.kill()
    assert process.wait() == -signal.SIGKILL, "the run was over before it was killed"
    assert not (out / "embryos.csv").exists()
    run = run_grade(archive, out, model_dir, "--batch-size", "2")
    assert run.returncode == 0, run.stderr
    assert contents(out) == undisturbed
    assert not [path for path in out.rglob("*") if path.name.endswith(PARTIAL_SUFFIX)]


@pytest.mark.slow
def test_ctrl_c_ends_at_once_and_keeps_what_is_done(archive, model_dir, undisturbed, tmp_path):
    out = tmp_path / "out"
    process = start(archive, out, model_dir)
    wait_for_masks(out, process, 5)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 1
    again = run_grade(archive, out, model_dir, "--batch-size", "2")
    assert again.returncode == 0
    assert "unchanged" in again.stdout
    assert contents(out) == undisturbed


@pytest.mark.slow
def test_the_worker_dies_with_its_supervisor(archive, model_dir, tmp_path):
    out = tmp_path / "out"
    process = start(archive, out, model_dir)
    wait_for_masks(out, process, 3)
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.wait()
    assert workers
    deadline_s = time.monotonic() + 30
    while any(is_running(int(pid)) for pid in workers):
        assert time.monotonic() < deadline_s, "a worker outlived its supervisor"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Whether a process still works (a zombie that nobody reaps does not)."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_output_folder_of_a_killed_first_run_can_be_used(tmp_path, archive, model_dir):
    out = tmp_path / "out"
    process = start(archive, out, model_dir)
    while process.poll() is None and not (out / "ledger.sqlite").exists():
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert run_grade(archive, out, model_dir, "--no-masks").returncode == 0
