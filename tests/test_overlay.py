import cv2
import numpy as np
import pytest

from embryofrag.imaging.overlay import EMBRYO_RGB, FRAGMENT_RGB, draw_overlay, encode_jpeg

GREY = 120


def draw_case(side_px: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    image = np.full((side_px, side_px), GREY, np.uint8)
    rows, columns = np.mgrid[:side_px, :side_px]
    embryo = (rows - 0.65 * side_px) ** 2 + (columns - 0.6 * side_px) ** 2 < (0.2 * side_px) ** 2
    fragment = np.zeros_like(embryo)
    middle = round(0.65 * side_px)
    fragment[middle : middle + 2, middle : middle + 2] = True
    return image, fragment, embryo


@pytest.mark.parametrize("side_px", [224, 500, 1200])
def test_outlines_run_just_outside_their_masks(side_px):
    image, fragment, embryo = draw_case(side_px)
    rgb = draw_overlay(image, fragment, embryo, [])
    assert (rgb.shape, rgb.dtype) == ((side_px, side_px, 3), np.uint8)
    ring = cv2.dilate(embryo.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & ~embryo
    touching = cv2.dilate(embryo.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))) > 0
    assert np.all(rgb[touching & ~embryo] == EMBRYO_RGB)
    assert np.any(ring & ~touching)
    far = cv2.erode(embryo.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    far[round(0.6 * side_px) : round(0.7 * side_px), round(0.6 * side_px) : round(0.7 * side_px)] = False
    assert np.all(rgb[far] == GREY)


def test_small_fragment_stays_visible_inside_its_ring():
    image, fragment, embryo = draw_case(224)
    image[fragment] = 200
    rgb = draw_overlay(image, fragment, embryo, [])
    assert np.abs(rgb[fragment].astype(int) - 200).max() <= 40
    row, column = np.argwhere(fragment)[0]
    assert tuple(rgb[row - 1, column]) == FRAGMENT_RGB
    assert tuple(rgb[row, column - 1]) == FRAGMENT_RGB


def test_outlines_are_drawn_over_the_caption():
    image, fragment, embryo = draw_case(224)
    embryo[:] = False
    fragment[:] = False
    fragment[4, 4] = True
    rgb = draw_overlay(image, fragment, embryo, ["caption"])
    assert tuple(rgb[3, 4]) == FRAGMENT_RGB


@pytest.mark.parametrize("grey", [0, 255])
def test_caption_is_readable_on_any_background(grey):
    empty = np.zeros((300, 300), bool)
    rgb = draw_overlay(np.full((300, 300), grey, np.uint8), empty, empty, ["grade B  ratio 0.182"])
    box = rgb[:12, :100].mean(axis=2)
    assert box.max() > 200
    assert np.median(box) <= 0.4 * grey + 1


def test_bottom_corners_stay_free():
    image, fragment, embryo = draw_case(500)
    rgb = draw_overlay(image, fragment, embryo, ["one", "two", "three"])
    assert np.all(rgb[450:, :120] == GREY)
    assert np.all(rgb[450:, 380:] == GREY)


def test_long_lines_are_wrapped_and_all_words_drawn():
    empty = np.zeros((300, 300), bool)
    image = np.full((300, 300), GREY, np.uint8)
    one_row = draw_overlay(image, empty, empty, ["word"])
    wrapped = draw_overlay(image, empty, empty, ["word " * 40])
    darkened = [np.count_nonzero((rgb != GREY).any(axis=(1, 2))) for rgb in (one_row, wrapped)]
    assert darkened[1] >= 2 * darkened[0]


def test_draws_on_a_copy_of_colour_and_of_tiny_frames():
    image = np.full((9, 5, 3), GREY, np.uint8)
    mask = np.eye(9, 5, dtype=bool)
    draw_overlay(image, mask, mask, ["größer als das Bild"])
    assert np.all(image == GREY)


def test_refuses_masks_of_another_size():
    image, fragment, embryo = draw_case(224)
    with pytest.raises(ValueError, match="image's size"):
        draw_overlay(image, fragment[1:], embryo, [])


def test_jpeg_keeps_colours_and_is_deterministic():
    rgb = np.zeros((64, 64, 3), np.uint8)
    rgb[:] = FRAGMENT_RGB
    data = encode_jpeg(rgb)
    assert data == encode_jpeg(rgb.copy())
    returned = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    assert np.abs(returned.astype(int) - FRAGMENT_RGB).max() <= 3
