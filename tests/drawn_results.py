"""Results of runs that never were: ledgers of several months and instruments, without a picture."""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from embryofrag.grading.embryo import EmbryoSettings
from embryofrag.grading.frame import GradingSettings
from embryofrag.grading.schemes import SCHEMES, grade_ratio
from embryofrag.records import SCHEMA_VERSION, Outcome
from embryofrag.run.ledger import open_ledger
from embryofrag.run.results import Item
from embryofrag.run.settings import RunSettings

SCHEME = SCHEMES["regdeeplab"]
FIRST_DAY = date(2024, 1, 1)


def write_results(out: Path, items: Sequence[Item], **run) -> Path:
    """Write a ledger and the run.json of a finished run."""
    out.mkdir(parents=True, exist_ok=True)
    with open_ledger(out) as ledger:
        ledger.record(items)
        number = ledger.begin_run([item.source for item in items])
    settings = RunSettings(grading=GradingSettings(), embryo=EmbryoSettings())
    content = {
        "schema_version": SCHEMA_VERSION,
        "run_number": number,
        "finished_at": "2024-12-31T06:00:00+00:00",
        "archive": str(out / "no-archive"),
        "model": {"label": "drawn@00000000", "trained": True},
        "settings": settings.to_dict(),
        "files_found": len(items),
    }
    (out / "run.json").write_text(json.dumps(content | run))
    return out


def graded(embryo: str, frame: str, ratio: float, **values) -> Item:
    """A graded frame."""
    defaults = {
        "source": f"{embryo}/{frame}.jpg", "size_bytes": 1, "mtime_ns": 1, "outcome": Outcome.GRADED, "sha256": "00",
        "result_key": "k", "ratio_reg": ratio, "ratio_mask": ratio, "grade": grade_ratio(ratio, SCHEME),
        "scheme": SCHEME.label, "denominator": "embryo", "fragment_area_px": round(ratio * 9000),
        "embryo_area_px": 9000, "num_fragments": 3, "focus": 0.8, "referred": False, "model": "drawn@00000000",
        "engine_a": "a:1", "engine_b": "b:1",
    }  # fmt: skip
    return Item(embryo=embryo, frame=frame, **defaults | values)


def year_items(num_slides: int = 60, per_slide: int = 6, num_frames: int = 3, seed: int = 0) -> list[Item]:
    """Slides spread over a year in two incubators; from July on the ratios of the second are half as high again."""
    rng = np.random.default_rng(seed)
    items = []
    for place in range(num_slides):
        day = FIRST_DAY + timedelta(days=place * 360 // num_slides)
        instrument = (4778, 9270)[place % 2]
        slide = f"D{day:%Y.%m.%d}_S{place + 1:04}_I{instrument}"
        shift = 1.5 if instrument == 9270 and day >= date(2024, 7, 1) else 1.0
        for well in range(1, per_slide + 1):
            embryo = f"{slide}_WELL{well:02}"
            base = min(0.9, shift * 0.12 * np.exp(rng.normal(0, 0.6)))
            for run in range(1, num_frames + 1):
                ratio = float(np.clip(base + rng.normal(0, 0.01), 0, 1))
                items.append(
                    graded(
                        embryo, f"RUN{run:04}", ratio, slide=slide, well=well, run=run, hpi=40.0 + 2 * run,
                        focal_um=0.0, focus=float(rng.normal(0.7, 0.05)), referred=ratio > 0.3,
                        refer_reasons="near_cut" if ratio > 0.3 else "", ratio_lo90=max(0, ratio - 0.08),
                        ratio_hi90=min(1, ratio + 0.08), grade_probabilities="A=0.60 B=0.40 C=0.00 D=0.00",
                    )
                )  # fmt: skip
        items.append(
            Item(source=f"{slide}/broken.jpg", size_bytes=1, mtime_ns=1, outcome=Outcome.DAMAGED,
                 reason=f"ends at byte {place}", embryo=f"{slide}_WELL01")
        )  # fmt: skip
    return items
