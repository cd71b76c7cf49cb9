"""One frame's way from bytes to a row, for many frames at once; runs in the worker process.

read -> blank the overlay -> letterbox -> [repeat of earlier bytes?] -> [batch -> locator -> window around the embryo]
-> batch -> engines A, B and scope -> masks in the frame's pixels -> grade -> pictures -> row. Reading, cutting the
window and finishing run on threads (OpenCV and zlib release the GIL) while the engines run on the calling thread; every
stage looks only a fixed number of frames ahead, so memory does not grow with the archive, and keeps the order of its
input, so results do not depend on timing.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from embryofrag.archive import blank_overlay, merge_evidence, read_picture
from embryofrag.engine.look import Look, closer_look, first_look
from embryofrag.engine.pair import EnginePair
from embryofrag.errors import ItemError
from embryofrag.grading.embryo_presence import find_embryo
from embryofrag.grading.frame import FrameGrade, grade_frame
from embryofrag.grading.ratio import counted_fragment, measure_masks
from embryofrag.imaging.focus import focus_score
from embryofrag.imaging.masks import EMBRYO, component_areas_px, count_components, mask_confidence, masks_in_frame
from embryofrag.records import Frame, Outcome
from embryofrag.run.job import Job, frame_item
from embryofrag.run.outputs import write_pictures
from embryofrag.run.plan import file_sha256
from embryofrag.run.results import Item
from embryofrag.run.settings import RunSettings

NUM_THREADS = 2
"""Threads that read and finish frames beside the engines; each frame costs them a few ms."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """A frame ready for the engines."""

    frame: Frame
    sha256: str
    image: np.ndarray
    """uint8 (H, W) or (H, W, 3), overlay blanked."""
    look: Look
    """At all of it, and after the locator at the window around the embryo."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Located:
    """A frame with what the locator said of it."""

    prepared: Prepared
    embryo_LL: np.ndarray
    """float32 probabilities."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Predicted:
    """A frame with what the engines said of it."""

    prepared: Prepared
    probabilities_KSS: np.ndarray
    """float32 or bool, (fragment, embryo)."""
    ratio_reg: float
    in_scope: float | None
    """Probability, 0..1; None without a scope module."""


def grade_frames(
    frames: Iterable[Frame], engines: EnginePair, job: Job, seen: dict[str, str], clock: dict[str, float]
) -> Iterator[Item]:
    """Grade frames in order, one item for each.

    Args:
        frames: to be graded, in scan order.
        engines: all modules, loaded.
        job: the rest of what the run was asked for.
        seen: sha256 -> source of frames that already stand; grows by the frames that come by.
        clock: seconds spent in the engines are added to `engines_s`.

    Raises:
        OutputError: pictures cannot be written.
    """
    size = job.settings.batch_size
    with ThreadPoolExecutor(NUM_THREADS) as readers, ThreadPoolExecutor(NUM_THREADS) as finishers:
        prepared = _ahead(readers, lambda frame: _prepare(frame, job), frames, 2 * size)
        looked = (_set_repeat_aside(step, seen, job) for step in prepared)
        if job.choice.crop is not None:
            located = _by_batch(looked, lambda batch: _locate(batch, engines), size, clock)
            looked = _ahead(readers, lambda step: _look_closer(step, job), located, 2 * size)
        predicted = _by_batch(looked, lambda batch: _predict(batch, engines), size, clock)
        yield from _ahead(finishers, lambda step: _finish(step, job), predicted, 2 * size)


def _ahead(pool: ThreadPoolExecutor, function: Callable[[T], R], values: Iterable[T], depth: int) -> Iterator[R]:
    """Map in order, working on up to `depth` values ahead of the consumer."""
    pending = deque()
    for value in values:
        pending.append(pool.submit(function, value))
        if len(pending) >= depth:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _prepare(frame: Frame, job: Job) -> Prepared | Item:
    """Read one frame; trouble with it becomes its row."""
    try:
        picture = read_picture(frame, job.settings.limits)
        frame = merge_evidence(frame, picture, job.settings.scan)
    except ItemError as error:
        return frame_item(frame, job, outcome=error.outcome, reason=error.reason, sha256=_settled_sha256(frame))
    image = blank_overlay(picture.image)
    return Prepared(frame=frame, sha256=picture.sha256, image=image, look=first_look(image, job.choice))


def _settled_sha256(frame: Frame) -> str | None:
    """Digest of a file in trouble, so that it is not read every night; None while it still changes."""
    path = Path(frame.path)
    try:
        digest, after = file_sha256(path), path.stat()
    except OSError:
        return None
    return digest if (after.st_size, after.st_mtime_ns) == (frame.size_bytes, frame.mtime_ns) else None


def _set_repeat_aside(step: Prepared | Item, seen: dict[str, str], job: Job) -> Prepared | Item:
    """Do not grade the same bytes twice, nor silently choose between two files of one identity."""
    if isinstance(step, Item):
        return step
    frame = step.frame
    first = seen.setdefault(step.sha256, frame.source)
    if first != frame.source:
        reason = f"same bytes as {first}"
        return frame_item(frame, job, outcome=Outcome.DUPLICATE, reason=reason, sha256=step.sha256, duplicate_of=first)
    if frame.twin_of is not None:
        reason = f"same slide, well, run and plane as {frame.twin_of}, but another picture"
        return frame_item(
            frame, job, outcome=Outcome.CONFLICT, reason=reason, sha256=step.sha256, duplicate_of=frame.twin_of
        )
    return step


def _by_batch(
    steps: Iterable[Prepared | Item], run: Callable[[list[Prepared]], Iterable[R]], size: int, clock: dict[str, float]
) -> Iterator[R | Item]:
    """Run engines on batches of up to `size` frames; rows that are already done keep their place."""
    waiting: list[Prepared | Item] = []
    num_frames = 0
    for step in steps:
        waiting.append(step)
        num_frames += isinstance(step, Prepared)
        if num_frames == size or len(waiting) == 2 * size:
            yield from _run_batch(waiting, run, clock)
            waiting, num_frames = [], 0
    yield from _run_batch(waiting, run, clock)


def _run_batch(
    steps: list[Prepared | Item], run: Callable[[list[Prepared]], Iterable[R]], clock: dict[str, float]
) -> Iterator[R | Item]:
    batch = [step for step in steps if isinstance(step, Prepared)]
    if not batch:
        yield from steps
        return
    start_s = time.perf_counter()
    results = iter(run(batch))
    clock["engines_s"] = clock.get("engines_s", 0.0) + time.perf_counter() - start_s
    for step in steps:
        yield step if isinstance(step, Item) else next(results)


def _locate(batch: list[Prepared], engines: EnginePair) -> list[Located]:
    embryos_NLL = engines.locate(_stack(batch))
    return [Located(prepared=step, embryo_LL=embryo_LL) for step, embryo_LL in zip(batch, embryos_NLL, strict=True)]


def _look_closer(step: Located | Item, job: Job) -> Prepared | Item:
    """Cut the window around the embryo; a frame in which none was located is done."""
    if isinstance(step, Item):
        return step
    prepared = step.prepared
    look = closer_look(prepared.image, prepared.look, step.embryo_LL, job.choice)
    if look.found:
        return replace(prepared, look=look)
    reason = "no embryo located"
    return frame_item(prepared.frame, job, outcome=Outcome.NO_EMBRYO, reason=reason, sha256=prepared.sha256)


def _predict(batch: list[Prepared], engines: EnginePair) -> list[Predicted]:
    images_NSSC = _stack(batch)
    scopes_N = engines.scopes(images_NSSC)
    results = zip(batch, *engines.masks_and_ratios(images_NSSC), strict=True)
    return [
        Predicted(
            prepared=step,
            probabilities_KSS=masks_KSS,
            ratio_reg=float(ratio),
            in_scope=None if scopes_N is None else float(scopes_N[index]),
        )
        for index, (step, masks_KSS, ratio) in enumerate(results)
    ]


def _stack(batch: list[Prepared]) -> np.ndarray:
    return np.stack([step.look.canvas_SSC for step in batch])


def _finish(step: Predicted | Item, job: Job) -> Item:
    """Grade one frame and write its pictures."""
    if isinstance(step, Item):
        return step
    frame, image = step.prepared.frame, step.prepared.image
    fragment_HW, embryo_HW = _masks(step, job)
    grade = _grade(step, fragment_HW, embryo_HW, job.settings)
    item = frame_item(
        frame,
        job,
        outcome=grade.outcome,
        reason=grade.reason,
        sha256=step.prepared.sha256,
        ratio_mask=grade.ratio_mask,
        ratio_reg=grade.ratio_reg,
        ratio_lo90=grade.ratio_lo90,
        ratio_hi90=grade.ratio_hi90,
        grade=grade.grade,
        grade_probabilities=_in_words(grade.grade_probabilities),
        scheme=grade.scheme,
        denominator=grade.denominator,
        fragment_area_px=grade.fragment_area_px,
        embryo_area_px=grade.embryo_area_px,
        num_fragments=grade.num_fragments,
        focus=grade.focus,
        referred=grade.referred,
        refer_reasons=" ".join(grade.refer_reasons),
        in_scope=step.in_scope,
    )
    if item.outcome is Outcome.GRADED:
        write_pictures(job.outputs, job.settings, item, image, fragment_HW, embryo_HW)
    return item


def _masks(step: Predicted, job: Job) -> tuple[np.ndarray, np.ndarray]:
    """Fragment and embryo mask in the frame's pixels, bool (H, W)."""
    return masks_in_frame(step.probabilities_KSS, step.prepared.look.box, job.settings.grading.mask_threshold)


def _in_words(probabilities: Mapping[str, float] | None) -> str | None:
    """One cell for the probabilities of all grades.

    >>> _in_words({"A": 0.853, "B": 0.147})
    'A=0.85 B=0.15'
    """
    return probabilities and " ".join(f"{grade}={value:.2f}" for grade, value in probabilities.items())


def _grade(step: Predicted, fragment_HW: np.ndarray, embryo_HW: np.ndarray, settings: RunSettings) -> FrameGrade:
    grading, look = settings.grading, step.prepared.look
    areas = measure_masks(fragment_HW, embryo_HW, grading.denominator)
    probability_SS = step.probabilities_KSS[EMBRYO]
    # an engine may give masks instead of probabilities; those say nothing of how sure they are
    is_mask = probability_SS.dtype == np.bool_
    confidence = None if is_mask else mask_confidence(probability_SS, look.box, grading.mask_threshold)
    return grade_frame(
        areas=areas,
        embryo=find_embryo(
            embryo_HW,
            component_areas_px(embryo_HW),
            confidence,
            region=look.box.region,
            num_embryos=look.num_embryos,
        ),
        num_fragments=count_components(counted_fragment(fragment_HW, embryo_HW, grading.denominator)),
        ratio_reg=step.ratio_reg,
        focus=focus_score(step.prepared.image, embryo_HW) if areas.embryo_area_px else None,
        settings=grading,
        calibration=settings.calibration,
        scope=step.in_scope,
    )
