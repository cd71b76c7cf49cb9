import os
from dataclasses import replace

import pytest

from embryofrag.archive import Scan
from embryofrag.errors import UsageError
from embryofrag.records import Frame, Outcome, SetAside
from embryofrag.run.outputs import Outputs
from embryofrag.run.plan import file_sha256, plan_run, set_outside_window
from embryofrag.run.results import Item
from embryofrag.run.settings import RunSettings

KEY = "key"
NO_AUDIT = RunSettings(masks=False, audit_share=0.0)


@pytest.fixture
def archive(tmp_path):
    """Three files with their frames and the rows that a finished run left of them."""
    frames, items = [], []
    for number in (1, 2, 3):
        path = tmp_path / f"RUN{number}.jpg"
        path.write_bytes(b"picture %d" % number)
        stat = path.stat()
        identity = {
            "source": path.name, "size_bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns, "embryo": "e",
            "frame": f"RUN{number}", "run": number,
        }  # fmt: skip
        frames.append(Frame(**identity, path=str(path), layout="plain"))
        items.append(Item(**identity, outcome=Outcome.GRADED, sha256=file_sha256(path), result_key=KEY))
    return Scan(root=tmp_path, frames=tuple(frames), set_aside=()), {item.source: item for item in items}


def plan(scan, items, settings=NO_AUDIT, key=KEY, run_number=1):
    return plan_run(scan, items.get, key, settings, Outputs(scan.root), run_number)


def sources(frames):
    return [frame.source for frame in frames]


def test_everything_is_work_for_an_empty_ledger(archive):
    scan, _ = archive
    assert sources(plan(scan, {}).work) == ["RUN1.jpg", "RUN2.jpg", "RUN3.jpg"]


def test_nothing_is_work_where_nothing_changed(archive):
    scan, items = archive
    result = plan(scan, items)
    assert (result.work, result.touched, result.num_unchanged) == ((), (), 3)


def test_another_engine_or_setting_grades_all_again(archive):
    scan, items = archive
    assert len(plan(scan, items, key="other").work) == 3


@pytest.mark.parametrize(
    "change", [{"size_bytes": 99}, {"hpi": 33.0}, {"embryo": "f"}, {"frame": "x"}, {"run": 9}], ids=str
)
def test_a_frame_that_says_something_else_is_work(archive, change):
    scan, items = archive
    changed = replace(scan, frames=(replace(scan.frames[0], **change), *scan.frames[1:]))
    assert len(plan(changed, items).work) == 1


def test_a_moved_mtime_with_the_same_bytes_is_a_new_row_and_no_work(archive):
    scan, items = archive
    os.utime(scan.frames[1].path, ns=(7, 7))
    touched = replace(scan, frames=(scan.frames[0], replace(scan.frames[1], mtime_ns=7), scan.frames[2]))
    result = plan(touched, items)
    assert (result.work, result.num_unchanged) == ((), 3)
    assert result.touched == (replace(items["RUN2.jpg"], mtime_ns=7),)


def test_other_bytes_behind_the_same_size_and_time_are_seen_by_hash_only(archive):
    scan, items = archive
    path = scan.root / "RUN2.jpg"
    stat = path.stat()
    path.write_bytes(b"PICTURE 2")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert plan(scan, items).work == ()
    assert sources(plan(scan, items, replace(NO_AUDIT, recheck="hash")).work) == ["RUN2.jpg"]


def test_the_audit_comes_round_to_every_file(archive):
    scan, items = archive
    for path in scan.root.iterdir():
        stat = path.stat()
        path.write_bytes(path.read_bytes().upper())
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    settings = replace(NO_AUDIT, audit_share=0.25)
    seen = [sources(plan(scan, items, settings, run_number=number).work) for number in range(4)]
    assert sorted(source for turn in seen for source in turn) == ["RUN1.jpg", "RUN2.jpg", "RUN3.jpg"]


def test_a_failure_is_tried_again_and_a_damaged_file_is_not(archive):
    scan, items = archive
    items["RUN1.jpg"] = replace(items["RUN1.jpg"], outcome=Outcome.FAILED)
    items["RUN2.jpg"] = replace(items["RUN2.jpg"], outcome=Outcome.DAMAGED)
    assert sources(plan(scan, items).work) == ["RUN1.jpg"]


def test_a_graded_frame_without_its_masks_is_work(archive):
    scan, items = archive
    settings = RunSettings(masks=True, audit_share=0.0)
    assert len(plan(scan, items, settings).work) == 3
    outputs = Outputs(scan.root)
    for path in (outputs.fragment_mask("e", "RUN2"), outputs.embryo_mask("e", "RUN2")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert sources(plan(scan, items, settings).work) == ["RUN1.jpg", "RUN3.jpg"]


def test_a_duplicate_is_work_again_when_its_original_changes_or_goes(archive):
    scan, items = archive
    items["RUN3.jpg"] = replace(items["RUN3.jpg"], outcome=Outcome.DUPLICATE, duplicate_of="RUN1.jpg")
    assert plan(scan, items).work == ()
    without_first = replace(scan, frames=scan.frames[1:])
    assert sources(plan(without_first, items).work) == ["RUN3.jpg"]


def test_files_set_aside_are_news_once_but_failures_every_time(archive):
    scan, items = archive
    text = SetAside(source="a.txt", size_bytes=1, mtime_ns=1, embryo="", outcome=Outcome.UNSUPPORTED, reason="no image")
    folder = replace(text, source="locked/", outcome=Outcome.FAILED, reason="Permission denied")
    scan = replace(scan, set_aside=(text, folder))
    first = plan(scan, items)
    assert [item.source for item in first.set_aside] == ["a.txt", "locked/"]
    items |= {item.source: item for item in first.set_aside}
    second = plan(scan, items)
    assert [item.source for item in second.set_aside] == ["locked/"]
    assert second.num_unchanged == 4


def test_the_window_sets_known_hours_aside_and_keeps_unknown_ones(archive):
    scan, _ = archive
    hours = (43.0, 46.0, None)
    timed = replace(scan, frames=tuple(replace(f, hpi=h) for f, h in zip(scan.frames, hours, strict=True)))
    inside = set_outside_window(timed, (43.0, 45.0))
    assert sources(inside.frames) == ["RUN1.jpg", "RUN3.jpg"]
    assert [(a.source, a.outcome, a.reason) for a in inside.set_aside] == [
        ("RUN2.jpg", Outcome.OUTSIDE_WINDOW, "46.0 h is outside 43-45 h")
    ]


def test_settings_that_cannot_be_are_refused():
    for wrong in ({"batch_size": 0}, {"recheck": "size"}, {"audit_share": 2.0}, {"hpi_window": (5.0, 1.0)}):
        with pytest.raises(UsageError):
            RunSettings(**wrong)
