import cv2
import numpy as np
import pytest

from embryofrag.archive import blank_overlay
from embryofrag.archive.overlay import find_overlay


def draw_frame(size_px, ground=150, seed=0):
    """uint8 (H, W): a bright rim on smooth ground, as seen towards the edge of a well."""
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(0, 60, (size_px, size_px)), (0, 0), 4)
    rows, columns = np.mgrid[:size_px, :size_px]
    radius = np.hypot(rows - size_px / 2, columns - size_px / 2)
    rim = 110 * np.exp(-(((radius - 0.52 * size_px) / (0.01 * size_px)) ** 2))
    return np.clip(ground + noise + rim, 0, 255).astype(np.uint8)


def burn_in(image, text, left, bottom):
    """Write text into a white box; returns the box as rows and columns."""
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
    box = slice(bottom - height - 8, bottom), slice(left, left + width + 4)
    image[box] = 255
    cv2.putText(image, text, (left + 2, bottom - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1)
    return box


def through_jpeg(image):
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])[1], cv2.IMREAD_UNCHANGED)


@pytest.mark.parametrize("size_px", [500, 800])
@pytest.mark.parametrize("ground", [3, 90, 150, 200])
def test_both_boxes_are_blanked_and_nothing_else(size_px, ground):
    image = draw_frame(size_px, ground)
    bare = image.copy()
    boxes = [burn_in(image, "Well 10", 9, size_px - 10), burn_in(image, "33.0 h", size_px - 62, size_px - 10)]
    image = through_jpeg(image)
    blanked = blank_overlay(image)
    near = np.zeros(image.shape, bool)
    for rows, columns in boxes:
        patch = blanked[rows, columns].astype(int)
        assert np.ptp(patch) == 0
        assert abs(patch[0, 0] - np.median(bare[rows, columns])) < 25
        near[rows.start - 8 : rows.stop + 8, max(0, columns.start - 8) : columns.stop + 8] = True
    assert np.array_equal(blanked[~near], image[~near])
    assert not find_overlay(blanked)


def test_a_colour_frame_is_blanked_in_every_channel():
    image = draw_frame(500)
    box = burn_in(image, "Well 3", 9, 490)
    colour = np.dstack([image, image, np.minimum(image, 240)])
    blanked = blank_overlay(colour)
    assert blanked.shape == colour.shape
    assert blanked[box].reshape(-1, 3).std(axis=0).max() == 0
    assert blanked[box][0, 0].max() < 200


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("ground", [30, 150, 235])
def test_a_frame_without_overlay_stays(seed, ground):
    image = draw_frame(500, ground, seed)
    assert np.array_equal(blank_overlay(image), image)


def test_white_shapes_without_text_stay():
    image = draw_frame(500)
    image[470:490, 10:60] = 255
    cv2.circle(image, (450, 480), 12, 255, -1)
    assert np.array_equal(blank_overlay(image), image)


def test_a_box_in_the_middle_stays():
    image = draw_frame(500)
    burn_in(image, "Well 3", 220, 490)
    burn_in(image, "Well 3", 9, 300)
    assert np.array_equal(blank_overlay(image), image)


@pytest.mark.parametrize("shape", [(1, 1), (10, 300), (300, 10), (40, 40, 3)])
def test_any_size_is_taken(shape):
    image = np.full(shape, 255, np.uint8)
    assert np.array_equal(blank_overlay(image), image)


def test_the_input_is_left_alone():
    image = draw_frame(500)
    burn_in(image, "Well 3", 9, 490)
    before = image.copy()
    blanked = blank_overlay(image)
    assert np.array_equal(image, before)
    assert not np.shares_memory(image, blanked)
