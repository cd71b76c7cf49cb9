"""Stages keep their order and look only so far ahead; what changes while it is read is not settled."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest

from embryofrag.archive import scan_archive
from embryofrag.engine.model import Crop
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

    def masks_and_ratios(self, images_NHWC):
        return self.masks(images_NHWC), self.ratios(images_NHWC)

    def scopes(self, images_NHWC):
        return None


class LocatingEngines(CountingEngines):
    """Engines with a locator that finds the frames' only bright part, or what it is told."""

    def __init__(self, locate=None):
        super().__init__()
        self.located = []
        self._locate = locate or (lambda image: image > 100)

    def locate(self, images_NLLC):
        self.located.append(len(images_NLLC))
        return np.stack([self._locate(image[..., 0]).astype(np.float32) for image in images_NLLC])

    def masks(self, images_NHWC):
        self.batches.append(len(images_NHWC))
        grey = images_NHWC[..., 0]
        return np.stack([grey > 190, grey > 100], axis=1).astype(np.float32)


PLACES_XY = [(60, 60), (200, 110), (340, 70), (90, 200), (230, 190), (330, 220), (150, 140)]


@pytest.fixture
def discs(tmp_path):
    """A folder of frames of 300 x 400 px with a disc of 50 px radius, another place in each; the last one is empty."""
    for number, place in enumerate([*PLACES_XY, None]):
        frame = np.full((300, 400), 40 + number, np.uint8)  # no two files of the same bytes
        if place:
            cv2.circle(frame, place, 50, 160, cv2.FILLED)
            cv2.circle(frame, place, 25, 220, cv2.FILLED)
        (tmp_path / "discs").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "discs" / f"disc_{number}.png"), frame)
    return tmp_path / "discs"


@pytest.fixture
def grade_twice(discs, model_dir, tmp_path):
    """Grade the discs with a locator before the engines, in this process."""

    def run(engines, batch_size=4, name="twice"):
        crop = Crop(locator={"input_px": 96}, diameter_share=0.7)
        choice = replace(choose_engine(model_dir), crop=crop, engine_locator_id="locator")
        settings = RunSettings(batch_size=batch_size)
        outputs = Outputs(tmp_path / name)
        job = Job(choice=choice, settings=settings, outputs=outputs, result_key="k")
        frames = scan_archive(discs).frames
        clock = {}
        items = list(grade_frames(frames, engines, job, {}, clock))
        return items, outputs, clock

    return run


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


def test_masks_found_in_the_window_lie_in_the_right_pixels_of_the_frame(grade_twice, discs):
    items, outputs, clock = grade_twice(LocatingEngines())
    assert [item.outcome for item in items] == [Outcome.GRADED] * len(PLACES_XY) + [Outcome.NO_EMBRYO]
    for item in items[:-1]:
        frame = cv2.imread(str(discs / item.source), cv2.IMREAD_GRAYSCALE)
        pictures = outputs.fragment_mask(item.embryo, item.frame), outputs.embryo_mask(item.embryo, item.frame)
        for path, true in zip(pictures, (frame > 190, frame > 100), strict=True):
            got = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 0
            assert (got ^ true).sum() < 0.02 * true.sum()
        assert item.embryo_area_px == pytest.approx(np.pi * 50**2, rel=0.03)
        assert item.ratio_mask == pytest.approx(0.25, abs=0.01)
        assert "unclear_embryo" not in item.refer_reasons
    assert clock["engines_s"] > 0


def test_a_frame_without_a_located_embryo_is_no_embryo_and_not_shown_to_the_engines(grade_twice):
    engines = LocatingEngines()
    items, outputs, _ = grade_twice(engines)
    assert (items[-1].outcome, items[-1].reason) == (Outcome.NO_EMBRYO, "no embryo located")
    assert (items[-1].ratio_reg, len(items[-1].sha256)) == (None, 64)
    assert (sum(engines.located), sum(engines.batches)) == (len(items), len(items) - 1)
    assert not outputs.embryo_mask(items[-1].embryo, items[-1].frame).exists()


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_two_looks_do_not_depend_on_the_batch(grade_twice, batch_size):
    items, _, _ = grade_twice(LocatingEngines(), name="four")
    assert grade_twice(LocatingEngines(), batch_size, name="other")[0] == items


def test_empty_embryo_mask_in_the_window_is_no_embryo_as_in_a_whole_frame(grade_twice):
    """The locator takes a corner of the ground for the embryo."""

    def locate(grey):
        rows, columns = np.mgrid[:96, :96]
        return (rows >= 12) & (rows < 17) & (columns >= 92)

    items, _, _ = grade_twice(LocatingEngines(locate))
    assert {(item.outcome, item.reason) for item in items} == {(Outcome.NO_EMBRYO, "no embryo found")}


def test_embryo_cut_by_the_window_is_unclear(grade_twice):
    """The locator sees the upper left quarter of each embryo alone."""

    def locate(grey):
        rows, columns = np.nonzero(grey > 100)
        found = grey > 100
        if rows.size:
            found[int(rows.mean()) :] = False
            found[:, int(columns.mean()) :] = False
        return found

    items, _, _ = grade_twice(LocatingEngines(locate))
    graded = [item for item in items if item.outcome is Outcome.GRADED]
    assert len(graded) == len(PLACES_XY)
    assert all("unclear_embryo" in item.refer_reasons for item in graded)


def test_several_embryos_are_referred(grade_twice, discs):
    frame = np.full((300, 400), 40, np.uint8)
    cv2.circle(frame, (110, 150), 52, 160, cv2.FILLED)
    cv2.circle(frame, (310, 150), 45, 160, cv2.FILLED)
    cv2.imwrite(str(discs / "disc_0.png"), frame)
    items, _, _ = grade_twice(LocatingEngines())
    assert ["several_embryos" in item.refer_reasons for item in items] == [True] + [False] * len(PLACES_XY)
    assert items[0].embryo_area_px == pytest.approx(np.pi * 52**2, rel=0.03)


def test_each_window_keeps_its_own_scope(grade_twice):
    """Also where a frame without an embryo comes between them, and over the borders of batches."""

    class JudgingEngines(LocatingEngines):
        def scopes(self, images_NHWC):
            return np.float32([image.min() for image in images_NHWC]) / 100  # the ground of frame n has 40 + n

    items, _, _ = grade_twice(JudgingEngines(), batch_size=3)
    scopes = [item.in_scope for item in items]
    assert scopes == [*(pytest.approx((40 + number) / 100) for number in range(len(PLACES_XY))), None]
    assert all(item.refer_reasons.startswith("out_of_scope") for item in items[: len(PLACES_XY)])


@pytest.mark.parametrize("two_looks", [False, True])
def test_the_first_item_comes_out_before_more_frames_are_taken_than_a_worker_is_sent(
    export, model_dir, tmp_path, two_looks
):
    """Else worker and supervisor would wait for each other."""
    choice = choose_engine(model_dir)
    if two_looks:
        choice = replace(choice, crop=Crop(locator={"input_px": 96}, diameter_share=0.7), engine_locator_id="locator")
    settings = RunSettings(masks=False, batch_size=1)
    job = Job(choice=choice, settings=settings, outputs=Outputs(tmp_path / "o"), result_key="k")
    taken = []
    frames = (taken.append(frame) or frame for frame in scan_archive(export).frames)
    next(grade_frames(frames, LocatingEngines(), job, {}, {}))
    assert len(taken) <= job.num_held < len(scan_archive(export).frames)
