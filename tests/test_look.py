"""Looking twice: the window lies around the embryo wherever it is, and the way back is exact."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embryofrag.engine.look import look_at_embryos
from embryofrag.engine.model import Crop
from embryofrag.imaging.masks import masks_in_frame

LOCATOR_PX, INPUT_PX = 64, 128
GROUND, CELL, FRAGMENT = 40, 160, 220


@dataclass
class BrightnessEngines:
    """Engines that call bright pixels the embryo and the brightest ones its fragments, whatever they are shown."""

    diameter_share: float = 0.7
    cropped: bool = True
    batches: list = field(default_factory=list)

    @property
    def choice(self):
        crop = Crop(locator={"input_px": LOCATOR_PX}, diameter_share=self.diameter_share)
        return SimpleNamespace(crop=crop if self.cropped else None, input_px=INPUT_PX)

    def locate(self, images_NLLC):
        self.batches.append(images_NLLC.shape)
        return (images_NLLC[..., 0] > 100).astype(np.float32)

    def masks(self, images_NSSC):
        grey = images_NSSC[..., 0]
        return np.stack([grey > 190, grey > 100], axis=1).astype(np.float32)


def draw(height_px, width_px, *discs):
    """uint8 (H, W): for each (x, y, radius, grey) a disc."""
    frame = np.full((height_px, width_px), GROUND, np.uint8)
    for x, y, radius_px, grey in discs:
        cv2.circle(frame, (x, y), radius_px, grey, cv2.FILLED)
    return frame


def look_once(frame, **engines):
    (look,) = look_at_embryos(BrightnessEngines(**engines), [frame])
    return look


@given(st.integers(200, 500), st.integers(200, 500), st.integers(24, 90), st.data())
def test_masks_of_the_window_come_back_to_the_right_pixels(height_px, width_px, radius_px, data):
    x, y = data.draw(st.integers(0, width_px - 1)), data.draw(st.integers(0, height_px - 1))
    frame = draw(height_px, width_px, (x, y, radius_px, CELL), (x, y, radius_px // 2, FRAGMENT))
    look = look_once(frame)
    assert (look.num_embryos, look.canvas_SSC.shape) == (1, (INPUT_PX, INPUT_PX, 3))
    masks_KSS = BrightnessEngines().masks(look.canvas_SSC[None])[0]
    for got, true in zip(masks_in_frame(masks_KSS, look.box), (frame > 190, frame > 100), strict=True):
        # outlines move by no more than a canvas pixel
        reach = np.ones((2 * (1 + round(look.box.region_width_px / INPUT_PX)) + 1,) * 2, np.uint8)
        grown, shrunk = cv2.dilate(true.astype(np.uint8), reach), cv2.erode(true.astype(np.uint8), reach)
        assert not (got & (grown == 0)).any()
        assert not ((shrunk == 1) & ~got).any()


def test_embryo_fills_the_stated_share_of_the_canvas():
    for share in (0.5, 0.8):
        look = look_once(draw(600, 800, (500, 300, 60, CELL)), diameter_share=share)
        columns = np.flatnonzero((look.canvas_SSC[..., 0] > 100).any(axis=0))
        # the locator sees 12.5 px of the frame as one of its own
        assert np.ptp(columns) / INPUT_PX == pytest.approx(share, rel=0.12)
        assert columns.mean() == pytest.approx(INPUT_PX / 2, abs=INPUT_PX * 0.05)


def test_model_without_a_locator_looks_at_the_whole_frame():
    frame = draw(300, 400, (100, 100, 60, CELL))
    look = look_once(frame, cropped=False)
    assert (look.num_embryos, look.found, look.box.size_px) == (None, True, INPUT_PX)
    assert look.box.region == (slice(0, 300), slice(0, 400))


def test_nothing_found():
    engines = BrightnessEngines()
    empty, speck, there = look_at_embryos(
        engines, [draw(300, 300), draw(300, 300, (50, 50, 6, CELL)), draw(300, 300, (90, 90, 40, CELL))]
    )
    assert [(look.found, look.num_embryos) for look in (empty, speck, there)] == [(False, 0), (False, 0), (True, 1)]
    assert engines.batches == [(3, LOCATOR_PX, LOCATOR_PX, 3)]


@pytest.mark.parametrize(
    ("radius_px", "num_embryos"),
    [(60, 2), (45, 2), (25, 1)],  # of 60 px: area shares 1, 0.56, 0.17
)
def test_neighbours_are_counted_and_the_largest_is_looked_at(radius_px, num_embryos):
    frame = draw(400, 600, (110, 200, 61, CELL), (450, 200, radius_px, CELL))
    look = look_once(frame)
    assert look.num_embryos == num_embryos
    _, columns = look.box.region
    assert columns.start <= 50
    assert columns.stop < 300


def test_padding_of_the_first_look_is_never_an_embryo():
    """A bright embryo fills the frame's middle; the padding, of the content's mean, is bright too."""
    frame = draw(100, 400, (200, 50, 120, CELL))
    look = look_once(frame)
    assert look.num_embryos == 1
    _, columns = look.box.region
    assert (columns.start > 10, columns.stop < 390) == (True, True)


@given(st.integers(1, 60), st.integers(1, 60), st.floats(0.05, 1.0), st.integers(0, 2**32 - 1))
def test_whatever_a_locator_says_of_whatever_frame_there_is_a_look(height_px, width_px, share, seed):
    rng = np.random.default_rng(seed)
    engines = BrightnessEngines(diameter_share=share)
    blobs_LL = cv2.resize(rng.random((4, 4)).astype(np.float32), (LOCATOR_PX, LOCATOR_PX))
    engines.locate = lambda images_NLLC: blobs_LL[None]
    (look,) = look_at_embryos(engines, [draw(height_px, width_px)])
    rows, columns = look.box.region
    assert 0 <= rows.start < rows.stop <= height_px
    assert 0 <= columns.start < columns.stop <= width_px
    if look.found:
        masks_KSS = np.ones((2, INPUT_PX, INPUT_PX), np.float32)
        assert [mask.sum() for mask in masks_in_frame(masks_KSS, look.box)] == [
            (rows.stop - rows.start) * (columns.stop - columns.start)
        ] * 2


@given(st.permutations(range(5)), st.integers(1, 5))
def test_look_does_not_depend_on_the_batch(order, size):
    frames = [draw(200 + 30 * i, 250, (60 + 20 * i, 90, 20 + 5 * i, CELL)) for i in range(5)]
    alone = [look_once(frame) for frame in frames]
    chosen = order[:size]
    for index, look in zip(chosen, look_at_embryos(BrightnessEngines(), [frames[i] for i in chosen]), strict=True):
        assert look.box == alone[index].box
        assert np.array_equal(look.canvas_SSC, alone[index].canvas_SSC)
