"""Measure `embryofrag report` on a drawn ledger: seconds, CPU seconds and peak memory, as JSON.

    python tools/benchmark_report.py --out report.json

The ledger has no archive behind it, so pictures are not drawn. Machines differ and are shared: CPU seconds move less.
"""

import json
import resource
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import click
import numpy as np
from benchmark import finish, work_folder

from embryofrag.grading.schemes import SCHEMES, grade_ratio
from embryofrag.records import SCHEMA_VERSION, Outcome
from embryofrag.run.ledger import open_ledger
from embryofrag.run.results import Item
from embryofrag.run.settings import RunSettings

WELLS = 10
INSTRUMENTS = (132, 4778, 4779, 9270)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--out", type=click.Path(path_type=Path), help="JSON file.")
@click.option("--embryos", "num_embryos", default=2000, show_default=True, help="Embryos in the ledger.")
@click.option("--frames", "num_frames", default=50, show_default=True, help="Frames of each.")
def main(out: Path | None, num_embryos: int, num_frames: int) -> None:
    """Measure `embryofrag report` on a drawn ledger."""
    with work_folder() as folder:
        write_results(folder / "results", num_embryos, num_frames)
        command = [sys.executable, "-m", "embryofrag", "report", str(folder / "results")]
        start_s = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        wall_s = time.perf_counter() - start_s
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        report = folder / "results" / "report"
        figures = {
            "frames": num_embryos * num_frames,
            "embryos": num_embryos,
            "wall_s": round(wall_s, 2),
            "cpu_s": round(used.ru_utime + used.ru_stime, 2),
            "peak_memory_mb": round(used.ru_maxrss / 1024),
            "workbook_mb": round((report / "report.xlsx").stat().st_size / 1e6, 1),
            "page_mb": round((report / "report.html").stat().st_size / 1e6, 1),
        }
    finish("report", figures, out)


def write_results(out: Path, num_embryos: int, num_frames: int) -> None:
    """Write a ledger of a year, and the run.json of a finished run."""
    out.mkdir()
    items = list(draw_items(num_embryos, num_frames))
    with open_ledger(out) as ledger:
        ledger.record(items)
        number = ledger.begin_run([item.source for item in items])
    run = {
        "schema_version": SCHEMA_VERSION,
        "run_number": number,
        "finished_at": "2025-01-01T00:00:00+00:00",
        "archive": str(out / "none"),
        "model": {"label": "drawn@00000000", "trained": True},
        "settings": RunSettings().to_dict(),
    }
    (out / "run.json").write_text(json.dumps(run))


def draw_items(num_embryos: int, num_frames: int):
    """Graded frames of embryos spread over a year, wells and instruments."""
    rng = np.random.default_rng(0)
    scheme = SCHEMES["regdeeplab"]
    for place in range(num_embryos):
        slide_number, well = divmod(place, WELLS)
        day = date(2024, 1, 1) + timedelta(days=place * 365 // num_embryos)
        slide = f"D{day:%Y.%m.%d}_S{slide_number:04}_I{INSTRUMENTS[slide_number % len(INSTRUMENTS)]}"
        embryo = f"{slide}_WELL{well + 1:02}"
        base = min(0.9, 0.12 * float(np.exp(rng.normal(0, 0.7))))
        for run, ratio in enumerate(np.clip(base + rng.normal(0, 0.02, num_frames), 0, 1).tolist()):
            frame = f"RUN{run:04}"
            yield Item(
                source=f"{slide}/WELL{well + 1:02}/{embryo}_{frame}.JPG", size_bytes=1, mtime_ns=1,
                outcome=Outcome.GRADED, sha256=f"{place:032x}{run:032x}", result_key="k", embryo=embryo, frame=frame,
                slide=slide, well=well + 1, run=run, hpi=20.0 + run, focal_um=0.0, um_per_px=0.58, ratio_mask=ratio,
                ratio_reg=ratio, ratio_lo90=max(0.0, ratio - 0.1), ratio_hi90=min(1.0, ratio + 0.1),
                grade=grade_ratio(ratio, scheme), grade_probabilities="A=0.85 B=0.15 C=0.00 D=0.00",
                scheme=scheme.label, denominator="embryo", fragment_area_px=round(ratio * 180_000),
                embryo_area_px=180_000, num_fragments=5, focus=float(rng.normal(0.7, 0.05)), referred=ratio > 0.4,
                refer_reasons="near_cut" if ratio > 0.4 else "", model="drawn@00000000", engine_a="a:1", engine_b="b:1",
            )  # fmt: skip


if __name__ == "__main__":
    main()
