"""Kill `embryofrag grade` at random moments until it has finished, again and again, and compare with a run left alone.

    python tools/crash_loop.py --kills 100

Ends with exit code 1 if any file of any finished output differs by a byte, or if a temporary file stays behind.
"""

import hashlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from embryofrag.engine.shipped import shipped_model
from embryofrag.phantom import write_archive
from embryofrag.run.atomic import PARTIAL_SUFFIX

NOT_COMPARED = {"ledger.sqlite", "ledger.sqlite-journal", "run.json", ".lock"}


def start(archive: Path, out: Path) -> subprocess.Popen:
    """One run with small batches, so that there are many moments to be killed in."""
    command = [sys.executable, "-m", "embryofrag", "grade", str(archive), "--out", str(out)]
    options = ["--model", str(shipped_model("untrained")), "--batch-size", "2"]
    return subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def contents(root: Path) -> dict[str, str]:
    """sha256 of every result file."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file() and path.name not in NOT_COMPARED)
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def kill_until_done(archive: Path, out: Path, longest_s: float, chance: random.Random) -> int:
    """Start and kill runs on one output until one of them is faster than its killer; the number of kills."""
    for kills in range(10_000):
        process = start(archive, out)
        try:
            process.wait(timeout=chance.uniform(0.1, longest_s))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        else:
            if process.returncode != 0:
                raise click.ClickException(f"a run after {kills} kills ended with exit code {process.returncode}")
            return kills
    raise click.ClickException("no run was fast enough to finish")


@click.command(help=__doc__)
@click.option("--kills", default=100, show_default=True, help="Kills in all, at least.")
@click.option("--seed", default=0, show_default=True, help="Of the moments.")
def main(kills: int, seed: int) -> None:
    """Run the loop."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="crash-loop-", dir=".") as folder:
        root = Path(folder)
        write_archive(root / "drawn", seed=seed, num_embryos=4, frames_per_embryo=15)
        archive = root / "drawn" / "archive"
        begun_s = time.monotonic()
        if start(archive, root / "alone").wait() != 0:
            raise click.ClickException("the run left alone failed")
        longest_s = 1.1 * (time.monotonic() - begun_s)
        expected = contents(root / "alone")
        done = rounds = 0
        while done < kills:
            done += kill_until_done(archive, root / "killed", longest_s, chance)
            rounds += 1
            if contents(root / "killed") != expected:
                raise click.ClickException(f"after {done} kills the output differs from that of the run left alone")
            if left := [path for path in root.rglob("*") if path.name.endswith(PARTIAL_SUFFIX)]:
                raise click.ClickException(f"{left[0].name} was left behind")
            shutil.rmtree(root / "killed")
            click.echo(f"{done} kills, {rounds} outputs of {len(expected)} files, all the same", err=True)
    click.echo(f"{done} kills: {rounds} outputs of {len(expected)} files, byte for byte those of a run left alone")


if __name__ == "__main__":
    main()
