"""Measure embryofrag on this machine: every comparison side by side in one run, results as JSON.

    python tools/benchmark.py grade   --out grade.json      end to end against the engines alone and a PyTorch loop
    python tools/benchmark.py archive --out archive.json    memory and rerun time on large archives
    python tools/benchmark.py views   --out views.json      `grade` by the number of views
    python tools/benchmark.py phantom --out phantom.json    drawing time

Machines differ and are shared: compare the ratios, not the seconds.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np

from embryofrag import __version__

EMBRYOFRAG = (sys.executable, "-m", "embryofrag")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure embryofrag on this machine."""


@contextmanager
def work_folder() -> Iterator[Path]:
    """A folder for what a measurement writes, on the disk of the current folder (temporary folders may be memory)."""
    folder = Path(tempfile.mkdtemp(prefix="benchmark-", dir="."))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def finish(name: str, figures: dict, out: Path | None) -> None:
    """Print the figures, with what they were measured on, and write them."""
    document = {"benchmark": name, "machine": describe_machine(), "figures": figures}
    text = json.dumps(document, indent=2)
    click.echo(text)
    if out is not None:
        out.write_text(text + "\n")


def describe_machine() -> dict:
    """What the figures hold for."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return {
        "cpu": names[0] if names else platform.processor(),
        "num_cores": os.cpu_count(),
        "bf16": any("bf16" in flag for flag in flags),
        "python": platform.python_version(),
        "embryofrag": __version__,
    }


def seconds(function: Callable[[], object]) -> float:
    """Wall clock of one call."""
    start_s = time.perf_counter()
    function()
    return time.perf_counter() - start_s


@main.command()
@click.option("--out", type=click.Path(path_type=Path), help="JSON file.")
@click.option("--frames", "num_frames", default=64, show_default=True, help="Frames graded a round.")
@click.option("--eager-frames", default=8, show_default=True, help="Frames of the PyTorch loop a round.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--backbone", default="resnet50", show_default=True)
@click.option("--input-px", default=512, show_default=True)
def grade(out: Path | None, num_frames: int, eager_frames: int, rounds: int, backbone: str, input_px: int) -> None:
    """End to end `grade` against the two engines alone and against a plain PyTorch eager loop.

    The eager loop is what a user would write: both full networks, the injected vector broadcast and concatenated.
    """
    with work_folder() as folder:
        archive, paths = draw_archive(folder / "drawn", num_frames)
        model = build_model(folder / "model", backbone, input_px)
        canvases = letterboxed(paths, input_px)
        engines_alone = engine_loop(model)
        eager = eager_loop(model)
        engines_alone(canvases[:4])  # the first calls of both are slower
        eager(paths[:1], input_px)
        rows = []
        for number in range(rounds):
            row = {
                "engines_s_per_frame": seconds(lambda: engines_alone(canvases)) / len(paths),
                "eager_s_per_frame": seconds(lambda: eager(paths[:eager_frames], input_px)) / eager_frames,
            }
            rows.append(row | grade_once(archive, folder / f"out{number}", model))
            click.echo(f"round {number + 1}: {rows[-1]}", err=True)
    figures = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    figures |= {
        "grade_vs_engines": statistics.median(r["engines_s_per_frame"] / r["grade_s_per_frame"] for r in rows),
        "grade_vs_engines_with_start": statistics.median(
            r["engines_s_per_frame"] / r["grade_with_start_s_per_frame"] for r in rows
        ),
        "grade_vs_eager": statistics.median(r["eager_s_per_frame"] / r["grade_s_per_frame"] for r in rows),
        "grade_vs_eager_with_start": statistics.median(
            r["eager_s_per_frame"] / r["grade_with_start_s_per_frame"] for r in rows
        ),
        "frames_per_round": num_frames,
        "backbone": backbone,
        "input_px": input_px,
        "rounds": rows,
    }
    finish("grade", figures, out)


def draw_archive(folder: Path, num_frames: int) -> tuple[Path, list[Path]]:
    """A drawn export with about so many frames in focus; the folder and the files that `grade` will read."""
    from embryofrag.archive import scan_archive
    from embryofrag.phantom import write_archive

    num_embryos = max(1, num_frames // 16)
    write_archive(folder, seed=1, num_embryos=num_embryos, frames_per_embryo=-(-num_frames // num_embryos))
    archive = folder / "archive"
    return archive, [Path(frame.path) for frame in scan_archive(archive).frames]


def build_model(folder: Path, backbone: str, input_px: int) -> Path:
    """A seeded, untrained model with its compiled engines, apart as those of two trained networks are."""
    command = [sys.executable, str(Path(__file__).with_name("seeded_model.py")), str(folder)]
    subprocess.run([*command, "--backbone", backbone, "--input-px", str(input_px)], check=True, stdout=sys.stderr)
    subprocess.run([*EMBRYOFRAG, "engines", "build", str(folder), "--pair", "apart"], check=True, stdout=sys.stderr)
    return folder


def letterboxed(paths: list[Path], input_px: int) -> np.ndarray:
    """The frames as the engines get them, uint8 (N, S, S, 3)."""
    import cv2

    from embryofrag.imaging.letterbox import letterbox

    return np.stack([letterbox(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), input_px)[0] for path in paths])


def engine_loop(model: Path) -> Callable[[np.ndarray], None]:
    """Both compiled engines on frames that are ready in memory, in the batches of `grade`."""
    from embryofrag.engine.select import choose_engine, load_pair
    from embryofrag.run.settings import RunSettings

    pair = load_pair(choose_engine(model))
    size = RunSettings().batch_size

    def run(images_NHWC: np.ndarray) -> None:
        for start in range(0, len(images_NHWC), size):
            pair.masks_and_ratios(images_NHWC[start : start + size])

    return run


def eager_loop(model: Path) -> Callable[[list[Path], int], None]:
    """A plain PyTorch loop over files: read, resize, both full networks with the concatenated injection."""
    import cv2
    import torch

    from embryofrag.network.reference import load_concatenated

    networks = [load_concatenated(model, module) for module in ("a", "b")]

    def run(paths: list[Path], input_px: int) -> None:
        for path in paths:
            image = cv2.resize(cv2.imread(str(path)), (input_px, input_px), interpolation=cv2.INTER_AREA)
            with torch.inference_mode():
                for network in networks:
                    network(torch.from_numpy(image)[None])

    return run


def grade_once(archive: Path, out: Path, model: Path, *options: str) -> dict[str, float]:
    """One whole `embryofrag grade` in a process of its own, by its own clock."""
    subprocess.run(
        [*EMBRYOFRAG, "grade", str(archive), "--out", str(out), "--model", str(model), *options],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    run = json.loads((out / "run.json").read_text())
    timings, num_read = run["timings"], run["frames_read"]
    return {
        "grade_s_per_frame": (timings["grade_s"] - timings["start_s"]) / num_read,
        "grade_with_start_s_per_frame": timings["total_s"] / num_read,
    }


@main.command()
@click.option("--out", type=click.Path(path_type=Path), help="JSON file.")
@click.option("--model", type=click.Path(exists=True, path_type=Path), help="[default: the reference model]")
@click.option("--frames", "num_frames", default=256, show_default=True, help="Frames graded a round.")
@click.option("--rounds", default=5, show_default=True)
def views(out: Path | None, model: Path | None, num_frames: int, rounds: int) -> None:
    """Time of `grade` with one view of each frame, and with the mean of several."""
    from embryofrag.engine.shipped import DEFAULT_MODEL, shipped_model
    from embryofrag.engine.views import NUM_VIEWS

    model = model or shipped_model(DEFAULT_MODEL)
    rows = []
    with work_folder() as folder:
        archive, _ = draw_archive(folder / "drawn", num_frames)
        for number in range(rounds):
            rows.append({})
            for num_views in NUM_VIEWS:
                timed = grade_once(archive, folder / f"out{number}-{num_views}", model, "--views", str(num_views))
                rows[-1][str(num_views)] = timed["grade_s_per_frame"]
            click.echo(f"round {number + 1}: {rows[-1]}", err=True)
    figures = {
        "model": model.name,
        "frames_per_round": num_frames,
        "s_per_frame": {name: statistics.median(row[name] for row in rows) for name in rows[0]},
        "times_one_view": {name: statistics.median(row[name] / row["1"] for row in rows) for name in rows[0]},
        "rounds": rows,
    }
    finish("views", figures, out)


@main.command()
@click.option("--out", type=click.Path(path_type=Path), help="JSON file.")
@click.option("--small", default=400, show_default=True, help="Frames of the small archive.")
@click.option("--large", default=4000, show_default=True, help="Frames of the large archive.")
def archive(out: Path | None, small: int, large: int) -> None:
    """Peak memory and rerun time of `grade` on a small and a large archive, with the shipped tiny engine.

    The memory is the sum of the peaks of the run's processes; the engine's size is the same for both archives.
    """
    from embryofrag.engine.shipped import shipped_model

    model = shipped_model("untrained")
    figures = {}
    with work_folder() as folder:
        _, paths = draw_archive(folder / "drawn", 64)
        for name, num_frames in (("small", small), ("large", large)):
            tree = copy_frames(paths, folder / name, num_frames)
            command = [*EMBRYOFRAG, "grade", str(tree), "--out", str(folder / f"{name}-out"), "--model", str(model)]
            first_s, peak_bytes = run_and_watch(command)
            again_s = min(run_and_watch(command)[0] for _ in range(3))
            counts = json.loads((folder / f"{name}-out" / "run.json").read_text())["counts"]
            if counts != {"unchanged": num_frames}:
                raise click.ClickException(f"the second run was not idle: {counts}")
            figures[name] = {
                "frames": num_frames,
                "first_run_s": first_s,
                "frames_per_s": num_frames / first_s,
                "peak_bytes": peak_bytes,
                "second_run_s": again_s,
            }
    figures["peak_memory_large_vs_small"] = figures["large"]["peak_bytes"] / figures["small"]["peak_bytes"]
    finish("archive", figures, out)


def copy_frames(paths: list[Path], tree: Path, num_frames: int) -> Path:
    """An archive of `num_frames` files with distinct bytes: drawn frames with a number in a JPEG comment."""
    frames_per_embryo = 200
    contents = [path.read_bytes() for path in paths]
    for number in range(num_frames):
        embryo, run = divmod(number, frames_per_embryo)
        name = f"D2020.01.01_S{embryo // 12 + 1:05}_I0001_D_WELL{embryo % 12 + 1:02}"
        comment = b"%08d" % number
        content = contents[number % len(contents)]
        path = tree / name / f"{name}_RUN{run + 1:03}.JPG"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + content[2:])
    return tree


def run_and_watch(command: list[str]) -> tuple[float, int]:
    """Run a command; its wall clock and the sum of its processes' peak resident memory, in bytes."""
    peaks: dict[int, int] = {}
    start_s = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            for pid in (process.pid, *children(process.pid)):
                peaks[pid] = max(peaks.get(pid, 0), peak_resident_bytes(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    elapsed_s = time.perf_counter() - start_s
    done.set()
    watcher.join()
    if code != 0:
        raise click.ClickException(f"exit code {code} from {' '.join(command)}")
    return elapsed_s, sum(peaks.values())


def children(pid: int) -> list[int]:
    """Direct children of a process, as Linux lists them."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def peak_resident_bytes(pid: int) -> int:
    """VmHWM of a process; 0 once it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


@main.command()
@click.option("--out", type=click.Path(path_type=Path), help="JSON file.")
@click.option("--frames", "num_frames", default=60, show_default=True, help="Frames a look.")
def phantom(out: Path | None, num_frames: int) -> None:
    """Time to draw one phantom frame on one core."""
    import cv2

    from embryofrag.phantom import INSTRUMENTS, draw_frame

    cv2.setNumThreads(1)
    figures = {}
    for instrument in INSTRUMENTS:
        draw_frame(0, instrument=instrument)
        times_s = [seconds(lambda: draw_frame(seed, instrument=instrument)) for seed in range(1, num_frames + 1)]  # noqa: B023
        figures[instrument] = {
            "size_px": list(draw_frame(0, instrument=instrument).embryo_mask.shape),
            "median_ms": 1000 * statistics.median(times_s),
            "p90_ms": 1000 * float(np.percentile(times_s, 90)),
        }
    finish("phantom", figures, out)


if __name__ == "__main__":
    main()
