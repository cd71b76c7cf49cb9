"""Files that end the worker are found one by one, and no other file suffers."""

import logging
import os
import shutil

import pytest
from poison import poisoned_worker

from embryofrag.archive import scan_archive
from embryofrag.engine.select import choose_engine
from embryofrag.errors import EmbryofragError
from embryofrag.records import Outcome
from embryofrag.run.job import Job, frame_item
from embryofrag.run.outputs import Outputs
from embryofrag.run.settings import RunSettings
from embryofrag.run.supervisor import MAX_LOSSES_IN_A_ROW, Clock, Supervisor
from embryofrag.run.worker import Done, Ready, heard_warnings


@pytest.fixture
def supervise(drawn_export, model_dir, tmp_path):
    """Grade a plain folder of drawn frames under the given names; returns source -> item, and the clock."""
    pictures = sorted(drawn_export.rglob("*.JPG"))

    def run(names, **settings):
        archive = tmp_path / "archive"
        archive.mkdir()
        for number, name in enumerate(names):
            shutil.copy(pictures[number % len(pictures)], archive / f"{name}.jpg")
        settings = RunSettings(masks=False, batch_size=2, **settings)
        job = Job(choice=choose_engine(model_dir), settings=settings, outputs=Outputs(tmp_path / "out"), result_key="k")
        clock = Clock()
        supervisor = Supervisor(job, seen=dict, clock=clock, target=poisoned_worker)
        return {item.source: item for item in supervisor.grade(scan_archive(archive).frames)}, clock

    return run


NAMES = [f"embryo {letter}" for letter in "abcdefgh"]


def outcomes(items):
    return {source.removesuffix(".jpg"): item.outcome for source, item in items.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("poison", "cause"), [("segfault", "signal SIGSEGV"), ("abort", "signal SIGABRT"), ("bug", "exit code 1")]
)
def test_the_file_that_ends_the_worker_is_named_and_the_others_are_graded(supervise, poison, cause):
    items, clock = supervise([*NAMES[:4], f"embryo d {poison}", *NAMES[4:]])
    lost = items.pop(f"embryo d {poison}.jpg")
    assert (lost.outcome, lost.reason) == (Outcome.FAILED, f"ended the worker ({cause})")
    assert sorted(outcomes(items)) == NAMES
    assert Outcome.FAILED not in outcomes(items).values()
    assert clock.num_workers > 1


@pytest.mark.slow
def test_a_file_that_hangs_the_worker_is_named_too(supervise):
    items, _ = supervise([*NAMES[:2], "embryo b hang"], hang_s=4.0)
    lost = items.pop("embryo b hang.jpg")
    assert (lost.outcome, lost.reason) == (Outcome.FAILED, "ended the worker (no frame finished within 4 s)")
    assert Outcome.FAILED not in outcomes(items).values()


def test_a_healthy_archive_needs_one_worker(supervise):
    items, clock = supervise(NAMES)
    assert list(outcomes(items)) == NAMES
    assert clock.num_workers == 1
    assert clock.engines_s > 0


@pytest.mark.slow
def test_a_worker_that_dies_on_everything_stops_the_run(supervise):
    names = [f"embryo {letter} abort" for letter in "abcdefghijklmnop"[: MAX_LOSSES_IN_A_ROW + 2]]
    with pytest.raises(EmbryofragError, match="each ended the worker"):
        supervise(names)


def worker_that_warns(connection, job, seen):
    """Warns, and dies at its first frame unless it is alone."""
    with heard_warnings() as warnings:
        logging.getLogger("embryofrag.engine.any").warning("half of the %s is gone", "memory")
    connection.send(Ready(tuple(warnings)))
    frames = []
    while (frame := connection.recv()) is not None:
        frames.append(frame)
    if len(frames) > 1:
        os._exit(1)
    for frame in frames:
        connection.send(frame_item(frame, job, outcome=Outcome.NO_EMBRYO, reason="none"))
    connection.send(Done(0.0))


def test_what_the_engines_warn_of_is_told_once_however_many_workers_say_it(drawn_export, model_dir, tmp_path, capfd):
    frames = scan_archive(drawn_export).frames[:2]
    job = Job(
        choice=choose_engine(model_dir), settings=RunSettings(masks=False), outputs=Outputs(tmp_path), result_key="k"
    )
    told, clock = [], Clock()
    supervisor = Supervisor(job, seen=dict, clock=clock, target=worker_that_warns, warn=told.append)
    assert [item.outcome for item in supervisor.grade(frames)] == [Outcome.NO_EMBRYO] * 2
    assert clock.num_workers == 3
    assert told == ["half of the memory is gone"]
    assert "memory" not in capfd.readouterr().err
