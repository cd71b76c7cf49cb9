"""What a person sees: progress on stderr, tables on stdout."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from embryofrag.records import TROUBLE, Outcome
from embryofrag.run.events import Event, Finished, Notify, Scanned

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

stdout = Console(highlight=False)
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
            if event.item.frame is not None:
                progress.advance(task)

    return notify


def _print_trouble(event: Event) -> None:
    if isinstance(event, Finished) and event.item.outcome in TROUBLE:
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
