"""What a person sees: progress on stderr, tables on stdout."""

import csv
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from embryofrag.archive import Scan
from embryofrag.archive.names import natural_path_key
from embryofrag.engine.manifest import EngineManifest
from embryofrag.engine.pair import EngineChoice
from embryofrag.engine.select import EngineState
from embryofrag.errors import EmbryofragError
from embryofrag.records import TROUBLE, Frame, Outcome
from embryofrag.run.events import Event, Finished, Notify, Scanned, Warned
from embryofrag.run.grade import RunReport

if TYPE_CHECKING:
    from embryofrag.engine.build import BuildReport  # needs PyTorch

MEANING = {
    Outcome.GRADED: "masks, ratios and a grade",
    Outcome.UNCHANGED: "the ledger already holds it",
    Outcome.NO_EMBRYO: "no embryo found in the picture",
    Outcome.OUTSIDE_WINDOW: "hours outside --hpi-window",
    Outcome.OTHER_PLANE: "another focal plane than asked for",
    Outcome.DUPLICATE: "the same bytes as another file",
    Outcome.INCOMPLETE: "truncated or still being written",
    Outcome.DAMAGED: "not a readable image",
    Outcome.UNSUPPORTED: "not an image, or a kind that is not read",
    Outcome.UNPARSED: "a name that --pattern does not explain",
    Outcome.CONFLICT: "contradicts its folder, its header or another file",
    Outcome.FAILED: "could not be read; the next run tries again",
}
"""One line for each outcome, in the order in which tables show them."""

RESULTS = {
    "embryos.csv": "one row an embryo",
    "embryos/": "one table an embryo, one row a frame",
    "files.csv": "every file found and what became of it",
    "masks/": "fragment and embryo masks as PNG, in the pixels of the frame",
    "overlays/": "frames with both outlines",
    "run.json": "versions, settings, counts, timings",
}
"""What lies in an output folder, in the order in which a person looks."""

stdout = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
stderr = Console(stderr=True, highlight=False)


class FrameRate(ProgressColumn):
    """Frames a second since the start."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} frames/s", style="progress.data.speed")


@contextmanager
def show_progress(log_json: bool) -> Iterator[Notify]:
    """How events are shown: JSON lines, a progress bar, or (where stderr is no terminal) trouble alone."""
    if log_json:
        yield lambda event: print(json.dumps(_event_dict(event)), file=sys.stderr, flush=True)
    elif stderr.is_terminal:
        with _progress_bar() as progress:
            yield _bar_notify(progress)
    else:
        yield _print_trouble


def _progress_bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        FrameRate(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=stderr,
    )


def _bar_notify(progress: Progress) -> Notify:
    task = progress.add_task("scanning", total=None)

    def notify(event: Event) -> None:
        if isinstance(event, Scanned):
            progress.reset(task, total=event.num_work, description="grading")
        else:
            _print_trouble(event)
            if isinstance(event, Finished) and event.item.frame is not None:
                progress.advance(task)

    return notify


def _print_trouble(event: Event) -> None:
    if isinstance(event, Warned):
        stderr.print(event.text, markup=False, soft_wrap=True)
    elif isinstance(event, Finished) and event.item.outcome in TROUBLE:
        stderr.print(f"{event.item.source}: {event.item.outcome}: {event.item.reason}", markup=False, soft_wrap=True)


def _event_dict(event: Event) -> dict:
    if isinstance(event, Scanned):
        return {
            "event": "scanned",
            "files": event.num_found,
            "work": event.num_work,
            "unchanged": event.num_unchanged,
            "scan_s": round(event.scan_s, 3),
        }
    if isinstance(event, Warned):
        return {"event": "warning", "text": event.text}
    item = event.item
    return {
        "event": "item",
        "source": item.source,
        "embryo": item.embryo,
        "outcome": item.outcome,
        "reason": item.reason,
        "ratio_reg": item.ratio_reg,
        "ratio_mask": item.ratio_mask,
        "grade": item.grade,
        "referred": item.referred,
    }


def outcome_table(counts: Mapping[Outcome, int], title: str) -> Table:
    """Outcomes with their counts and their sum."""
    table = Table(title=title, title_justify="left", show_footer=True)
    table.add_column("outcome", footer="files found")
    table.add_column("files", justify="right", footer=str(sum(counts.values())))
    table.add_column("meaning")
    for outcome, meaning in MEANING.items():
        if counts.get(outcome):
            style = "yellow" if outcome in TROUBLE else None
            table.add_row(outcome, str(counts[outcome]), meaning, style=style)
    return table


def warn(text: str) -> None:
    """Say what a person must not miss, on stderr."""
    stderr.print(text, style="bold yellow", markup=False, soft_wrap=True)


def announce(choice: EngineChoice, *, model_named: bool = True) -> None:
    """Say which model and engine a run takes, and why."""
    whence = "" if model_named else " that came with embryofrag, as no other was named"
    views = "" if choice.num_views == 1 else f", {choice.num_views} views of each"
    text = f"model {choice.model.label}{whence}; {choice.reason}{_where_it_looks(choice)}{views}"
    stderr.print(text, markup=False, soft_wrap=True)
    if not choice.model.trained:
        warn("UNTRAINED model: its masks, ratios and grades mean nothing")


def _where_it_looks(choice: EngineChoice) -> str:
    if choice.model.crop is None:
        return ""
    return "; looks at whole frames, unlike in training" if choice.crop is None else "; looks at the located embryo"


def print_report(report: RunReport, choice: EngineChoice) -> None:
    """What a run did, and where its results lie."""
    stdout.print(outcome_table(report.counts, "What this run did"))
    if report.counts != report.standing:
        stdout.print(outcome_table(report.standing, "Where every file stands"))
    timings = report.timings
    if report.num_read:
        rate = report.num_read / timings.grade_s
        stdout.print(f"{report.num_read} frames read in {timings.grade_s:.1f} s ({rate:.1f} frames/s)")
    else:
        stdout.print(f"nothing to do, known after {timings.total_s:.1f} s")
    root = report.outputs.root
    stdout.print(f"results in {root}/", markup=False, soft_wrap=True)
    for name, meaning in RESULTS.items():
        if (root / name).exists():
            stdout.print(f"  {name:11}  {meaning}")
    if not choice.model.trained:
        stdout.print("UNTRAINED model: these masks, ratios and grades mean nothing", style="bold yellow")


def print_scan(scan: Scan) -> None:
    """What an archive holds: a row an embryo, then the files set aside."""
    table = Table(title="Embryos", title_justify="left")
    table.add_column("embryo", overflow="fold")
    table.add_column("layout")
    for name in ("frames", "runs", "planes um", "hpi"):
        table.add_column(name, justify="right")
    by_embryo: dict[str, list[Frame]] = {}
    for frame in scan.frames:
        by_embryo.setdefault(frame.embryo, []).append(frame)
    for embryo, frames in by_embryo.items():
        planes = sorted({frame.focal_um for frame in frames} - {None})
        table.add_row(
            embryo,
            frames[0].layout,
            str(len(frames)),
            _span([frame.run for frame in frames], "{:g}"),
            " ".join(f"{plane:g}" for plane in planes) or "not in names",
            _span([frame.hpi for frame in frames], "{:.1f}"),
        )
    stdout.print(table)
    stdout.print(f"{len(scan.frames)} frames of {len(by_embryo)} embryos, {len(scan.set_aside)} files set aside")
    aside = Counter((found.outcome, found.reason) for found in scan.set_aside)
    for (outcome, reason), count in sorted(aside.items()):
        stdout.print(f"  {count} {outcome}: {reason}", markup=False, soft_wrap=True)


def _span(values: list[float | None], form: str) -> str:
    known = [value for value in values if value is not None]
    return f"{form.format(min(known))} - {form.format(max(known))}" if known else "not in names"


SCAN_COLUMNS = ("source", "embryo", "frame", "layout", "slide", "well", "run", "focal_um", "hpi", "outcome", "reason")


def print_scan_csv(scan: Scan) -> None:
    """One row a file found; frames to be graded have no outcome yet."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(SCAN_COLUMNS)
    for found in sorted((*scan.frames, *scan.set_aside), key=lambda found: natural_path_key(found.source)):
        values = (getattr(found, name, None) for name in SCAN_COLUMNS)
        writer.writerow(["" if value is None else value for value in values])


def print_build(report: "BuildReport") -> None:
    """What was built, and the proof."""
    stdout.print(f"built {report.name} in {report.folder} ({report.size_bytes / 1e6:.1f} MB)", soft_wrap=True)
    stdout.print(report.reason, markup=False, soft_wrap=True)
    if report.accuracy is None:
        stdout.print(f"parity with PyTorch on {report.parity.num_images} probe frames: {report.parity}", soft_wrap=True)
    else:
        stdout.print(f"accuracy beside fp32: {report.accuracy}", soft_wrap=True)


def print_engines(model_dir: Path, manifests: list[EngineManifest]) -> None:
    """The engines built for a model, with the record of their parity."""
    if not manifests:
        stdout.print(f"no engine is built for {model_dir}: embryofrag engines build {model_dir}", soft_wrap=True)
        return
    table = Table()
    for name in ("engine", "needs", "input px", "A and B", "masks differ", "ratios differ"):
        table.add_column(name)
    for manifest in manifests:
        table.add_row(
            manifest.name,
            "NVIDIA GPU" if manifest.backend == "tensorrt" else " ".join(manifest.needs) or "any CPU",
            str(manifest.input_px),
            "one pass" if manifest.in_one_pass else "apart",
            f"{manifest.parity['mask_differ_frac']:.4%}",
            f"{manifest.parity['ratio_max_difference']:.6f}",
        )
    stdout.print(table)


def print_checks(model_dir: Path, states: list[EngineState]) -> None:
    """Which engines load and reproduce their probe here."""
    for state in states:
        stdout.print(f"{state.name}: {state.trouble or 'OK'}", markup=False, soft_wrap=True)
    if not states:
        print_engines(model_dir, [])


@contextmanager
def show_count(doing: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for `done, total`; nothing where stderr is no terminal."""
    if not stderr.is_terminal:
        yield lambda done, total: None
        return
    with _progress_bar() as progress:
        task = progress.add_task(doing, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def print_problems(manifest: Path, problems: Sequence[object]) -> None:
    """Every bad row of a manifest; stops with exit code 1 where there is one."""
    for problem in problems:
        stdout.print(str(problem), markup=False, soft_wrap=True)
    if problems:
        raise EmbryofragError(f"{manifest} has {len(problems)} bad rows; mend or remove them")
    stdout.print(f"{manifest}: every row can be used", soft_wrap=True)


def print_scores(out: Path) -> None:
    """The overall scores of a metrics.json, with their intervals, and where the rest lies."""
    document = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    overall = document["overall"]
    frames = f"{overall['num_frames']} frames of {overall['num_groups']} embryos or patients"
    part = f" ({document['part']} part)" if document.get("part") else ""
    table = Table(title=f"{document['model']}: {frames}{part}", title_justify="left")
    table.add_column("score")
    for name in ("value", "95 % interval"):
        table.add_column(name, justify="right")
    for name, score in overall["scores"].items():
        if score["value"] is not None:
            interval = "" if score["low"] is None else f"{score['low']:.3f} - {score['high']:.3f}"
            table.add_row(name, f"{score['value']:.3f}", interval)
    stdout.print(table)
    stdout.print(f"scores, predictions and figures in {out}/", soft_wrap=True)
