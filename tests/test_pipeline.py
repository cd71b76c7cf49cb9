"""Stages keep their order and look only so far ahead; what changes while it is read is not settled."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from embryofrag.archive import scan_archive
from embryofrag.engine.select import choose_engine
from embryofrag.records import Outcome
from embryofrag.run.job import Job
from embryofrag.run.outputs import Outputs
from embryofrag.run.pipeline import _ahead, grade_frames
from embryofrag.run.settings import RunSettings


def test_results_keep_the_order_of_the_input():
    with ThreadPoolExecutor(4) as pool:
        assert list(_ahead(pool, lambda value: value**2, range(50), depth=7)) == [v**2 for v in range(50)]


def test_no_more_than_the_depth_is_taken_ahead_of_the_consumer():
    taken = []

    def values():
        for value in range(100):
            taken.append(value)
            yield value

    with ThreadPoolExecutor(2) as pool:
        results = _ahead(pool, str, values(), depth=5)
        for consumed in range(1, 20):
            next(results)
            assert len(taken) <= consumed + 4


class CountingEngines:
    """Engines that say where the embryo is and count their batches."""

    def __init__(self):
        self.batches = []

    def masks(self, images_NHWC):
        self.batches.append(len(images_NHWC))
        masks = np.zeros((len(images_NHWC), 2, *images_NHWC.shape[1:3]), np.float32)
        masks[:, 1, 64:192, 64:192] = 1.0
        masks[:, 0, 64:96, 64:192] = 1.0  # a quarter of the embryo
        return masks

    def ratios(self, images_NHWC):
        return np.full(len(images_NHWC), 0.3, np.float32)


@pytest.fixture
def grade(export, model_dir, tmp_path):
    """Grade frames of the drawn export with the engines above, in this process."""

    def run(frames=None, seen=None, **settings):
        engines = CountingEngines()
        settings = RunSettings(masks=False, batch_size=4, **settings)
        job = Job(choice=choose_engine(model_dir), settings=settings, outputs=Outputs(tmp_path / "o"), result_key="k")
        frames = scan_archive(export).frames if frames is None else frames
        clock = {}
        items = list(grade_frames(frames, engines, job, {} if seen is None else seen, clock))
        return items, engines, clock

    return run


def test_every_frame_comes_out_once_in_order_and_in_full_batches(grade, export):
    frames = scan_archive(export).frames
    items, engines, clock = grade()
    assert [item.source for item in items] == [frame.source for frame in frames]
    assert engines.batches == [4] * (len(frames) // 4) + [len(frames) % 4]
    assert clock["engines_s"] > 0


def test_masks_become_areas_in_the_frames_own_pixels(grade):
    item = grade()[0][0]
    assert (item.outcome, item.grade, item.ratio_reg) == (Outcome.GRADED, "C", pytest.approx(0.3))
    assert item.ratio_mask == pytest.approx(0.25, abs=0.003)
    assert item.embryo_area_px == pytest.approx(250**2, rel=0.01)  # half of 500 px each way
    assert item.num_fragments == 1


def test_a_frame_that_changed_since_the_scan_is_incomplete_and_not_settled(grade, export):
    frames = scan_archive(export).frames
    moved = replace(frames[1], mtime_ns=frames[1].mtime_ns - 1)
    items, engines, _ = grade([frames[0], moved, frames[2]])
    assert [item.outcome for item in items] == [Outcome.GRADED, Outcome.INCOMPLETE, Outcome.GRADED]
    assert items[1].sha256 is None
    assert engines.batches == [2]


def test_a_frame_that_vanished_is_failed(grade, export):
    frames = scan_archive(export).frames
    (export / frames[0].source).unlink()
    items, _, _ = grade(frames[:2])
    assert [item.outcome for item in items] == [Outcome.FAILED, Outcome.GRADED]
    assert items[0].reason == "cannot be read: No such file or directory"


def test_bytes_that_already_stand_are_not_graded_again(grade):
    first = grade()[0][0]
    items, engines, _ = grade(seen={first.sha256: "elsewhere.jpg"})
    assert (items[0].outcome, items[0].duplicate_of) == (Outcome.DUPLICATE, "elsewhere.jpg")
    assert sum(engines.batches) == len(items) - 1


def test_another_plane_by_the_header_is_set_aside(grade, export):
    from embryofrag.archive import ScanOptions

    options = ScanOptions(focal_um=15.0)
    items, engines, _ = grade(scan_archive(export, options).frames, scan=options)
    assert {item.outcome for item in items} == {Outcome.OTHER_PLANE}
    assert engines.batches == []
