"""The last step of verify_gpu: `grade` killed half way and run again."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from crash_loop import contents

from embryofrag.errors import EmbryofragError
from embryofrag.phantom import write_archive

NUM_EMBRYOS, FRAMES_PER_EMBRYO = 8, 24
PATIENCE_S = 600.0


def grade_killed_and_resumed(folder: Path, options: list[str]) -> dict:
    """Grade a drawn archive undisturbed and killed, and compare the outputs byte for byte.

    Raises:
        EmbryofragError: a run failed or never came to its first results.
    """
    shutil.rmtree(folder, ignore_errors=True)
    write_archive(folder / "drawn", seed=3, num_embryos=NUM_EMBRYOS, frames_per_embryo=FRAMES_PER_EMBRYO)
    alone, killed = folder / "alone", folder / "killed"
    _finish(_start(folder, alone, options))
    expected = contents(alone)
    num_masks = _num_masks(alone)
    victim = _start(folder, killed, options)
    _wait_for_masks(victim, killed, num_masks // 3)
    victim.kill()
    victim.wait()
    num_before = _num_masks(killed)
    _finish(_start(folder, killed, options))
    run = json.loads((alone / "run.json").read_text())
    same = contents(killed) == expected
    return {
        "passed": same and 0 < num_before < num_masks,
        "figures": {
            "run left alone": {"frames read": run["frames_read"], **run["timings"]},
            "killed": {"masks before": num_before, "masks after": num_masks, "byte for byte the same": same},
        },
    }


def _start(folder: Path, out: Path, options: list[str]) -> subprocess.Popen:
    command = [sys.executable, "-m", "embryofrag", "grade", str(folder / "drawn" / "archive"), "--out", str(out)]
    log = (folder / f"{out.name}.log").open("a")
    with log:
        return subprocess.Popen([*command, *options, "--batch-size", "8"], stdout=log, stderr=log)


def _finish(process: subprocess.Popen) -> None:
    try:
        code = process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired as error:
        process.kill()
        raise EmbryofragError(f"grade did not end within {PATIENCE_S:.0f} s: see the .log beside its output") from error
    if code != 0:
        raise EmbryofragError(f"grade ended with exit code {code}: see the .log beside its output")


def _num_masks(out: Path) -> int:
    return sum(1 for _ in (out / "masks").rglob("*.png"))


def _wait_for_masks(process: subprocess.Popen, out: Path, count: int) -> None:
    begun_s = time.monotonic()
    while _num_masks(out) < count:
        if process.poll() is not None or time.monotonic() - begun_s > PATIENCE_S:
            process.kill()
            raise EmbryofragError("grade could not be killed half way: it ended or stood still before")
        time.sleep(0.01)
