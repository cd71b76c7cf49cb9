import numpy as np
import pytest

from embryofrag.imaging.letterbox import letterbox, place_frame
from embryofrag.imaging.masks import component_areas_px, count_components, find_circle, mask_confidence, masks_in_frame

BOX = place_frame(20, 40, 40)
"""A 40 x 20 frame on a 40 px canvas: content in rows 10 to 29, at its own scale."""


def draw_maps() -> np.ndarray:
    maps_KSS = np.ones((2, 40, 40), np.float32)
    maps_KSS[:, 10:30] = 0
    maps_KSS[0, 12:16, 3:8] = 0.7
    maps_KSS[1, 14:24, 5:25] = 0.9
    return maps_KSS


def test_masks_land_in_frame_pixels_unclipped():
    fragment, embryo = masks_in_frame(draw_maps(), BOX, 0.5)
    expected_fragment, expected_embryo = np.zeros((2, 20, 40), bool)
    expected_fragment[2:6, 3:8] = True
    expected_embryo[4:14, 5:25] = True
    np.testing.assert_array_equal(fragment, expected_fragment)
    np.testing.assert_array_equal(embryo, expected_embryo)


def test_threshold_is_inclusive_and_counts():
    maps_KSS = np.full((2, 40, 40), 0.5, np.float32)
    assert all(mask.all() for mask in masks_in_frame(maps_KSS, BOX, 0.5))
    assert not any(mask.any() for mask in masks_in_frame(maps_KSS, BOX, 0.51))


def test_bool_maps_give_the_same_masks():
    maps_KSS = draw_maps() >= 0.5
    for mask, expected in zip(masks_in_frame(maps_KSS, BOX), masks_in_frame(draw_maps(), BOX), strict=True):
        assert mask.dtype == np.bool_
        np.testing.assert_array_equal(mask, expected)


def test_outline_lands_between_canvas_pixels():
    box = place_frame(400, 400, 100)
    maps_KSS = np.zeros((2, 100, 100), np.float32)
    maps_KSS[:, :, 50:] = 1.0
    maps_KSS[:, :, 49] = 0.25
    fragment, _ = masks_in_frame(maps_KSS, box)
    # between the pixel centres at 49.5 (.25) and 50.5 (1) the value .5 lies a third of the way on, at 49.83
    assert fragment.argmax(axis=1).tolist() == [round(4 * (49.5 + 1 / 3))] * 400


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.01, float("nan")])
def test_refuses_thresholds(threshold):
    with pytest.raises(ValueError, match="threshold"):
        masks_in_frame(draw_maps(), BOX, threshold)


def test_refuses_other_shapes():
    with pytest.raises(ValueError, match="fragment then embryo"):
        masks_in_frame(np.zeros((3, 40, 40), np.float32), BOX)


def test_confidence_is_the_mean_inside_and_knows_no_padding():
    maps_KSS = draw_maps()
    maps_KSS[1, 14:24, 5:15] = 0.7
    assert mask_confidence(maps_KSS[1], BOX) == pytest.approx(0.8)
    maps_KSS[1, 10:30] = 0.4
    assert mask_confidence(maps_KSS[1], BOX) is None


def test_components():
    mask = np.zeros((12, 12), bool)
    assert count_components(mask) == 0
    assert component_areas_px(mask) == ()
    mask[0, 0] = mask[1, 1] = mask[2, 2] = True
    mask[5:9, 5:9] = True
    mask[11, 0] = True
    assert count_components(mask) == 3
    assert component_areas_px(mask) == (16, 3, 1)


@pytest.mark.parametrize("shape", [(300, 400), (500, 500), (401, 233)])
def test_the_circle_found_on_the_canvas_is_the_one_in_the_frame(shape):
    x_px, y_px, radius_px = shape[1] * 0.4, shape[0] * 0.55, min(shape) * 0.22
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    disc = np.hypot(columns - x_px, rows - y_px) <= radius_px
    canvas, box = letterbox(disc.astype(np.uint8) * 255, 128)
    circle = find_circle(canvas[:, :, 0].astype(np.float32) / 255, box)
    frame_px_per_canvas_px = max(shape) / 128
    found = np.array([circle.x_px, circle.y_px, circle.radius_px])
    assert np.abs(found - (x_px, y_px, radius_px)).max() < 0.8 * frame_px_per_canvas_px


def test_an_empty_map_has_no_circle():
    _, box = letterbox(np.zeros((30, 40), np.uint8), 64)
    assert find_circle(np.full((64, 64), 0.4, np.float32), box) is None
