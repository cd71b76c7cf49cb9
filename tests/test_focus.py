import itertools

import cv2
import numpy as np
import pytest

from embryofrag.imaging.focus import SOFT_FOCUS_BELOW, focus_score


def draw_embryo(side_px: int = 500, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A textured disc with overlapping cells on an even background, and its mask."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side_px, :side_px]
    embryo = (rows - 0.52 * side_px) ** 2 + (columns - 0.47 * side_px) ** 2 < (0.23 * side_px) ** 2
    field = np.full((side_px, side_px), 110, np.float32)
    texture = cv2.GaussianBlur(rng.normal(0, 50, field.shape).astype(np.float32), (0, 0), 1.5)
    field[embryo] += texture[embryo]
    for dx, dy in ((-0.08, 0.0), (0.08, 0.05), (0.0, -0.1)):
        centre = (round((0.47 + dx) * side_px), round((0.52 + dy) * side_px))
        cell = np.zeros_like(field)
        cv2.circle(cell, centre, round(0.1 * side_px), 25.0, cv2.FILLED, cv2.LINE_AA)
        cv2.circle(cell, centre, round(0.1 * side_px), -40.0, max(2, side_px // 160), cv2.LINE_AA)
        field += cell
    return np.clip(np.rint(field), 0, 255).astype(np.uint8), embryo


def blur(image: np.ndarray, sigma_px: float) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), sigma_px)


@pytest.mark.parametrize("seed", range(3))
def test_falls_monotonically_with_blur(seed):
    image, embryo = draw_embryo(seed=seed)
    scores = [focus_score(image, embryo), *(focus_score(blur(image, s), embryo) for s in (0.7, 1, 1.5, 2, 3, 4, 6))]
    assert all(sharper > softer for sharper, softer in itertools.pairwise(scores))
    assert scores[0] > SOFT_FOCUS_BELOW > scores[5]


def test_knows_neither_gain_nor_brightness():
    image, embryo = draw_embryo()
    score = focus_score(image, embryo)
    assert focus_score((image * 0.5 + 90).astype(np.uint8), embryo) == pytest.approx(score, rel=0.02)
    assert focus_score(255 - image, embryo) == pytest.approx(score, rel=1e-5)


def test_hardly_knows_the_picture_size():
    image, embryo = draw_embryo()
    larger = cv2.resize(image, (1000, 1000), interpolation=cv2.INTER_CUBIC)
    larger_embryo = cv2.resize(embryo.astype(np.uint8), (1000, 1000), interpolation=cv2.INTER_NEAREST) > 0
    assert focus_score(larger, larger_embryo) == pytest.approx(focus_score(image, embryo), rel=0.1)


def test_noise_does_not_make_a_blurred_frame_sharp():
    image, embryo = draw_embryo()
    noise = np.random.default_rng(1).normal(0, 5, image.shape)
    noisy = np.clip(np.rint(blur(image, 3) + noise), 0, 255).astype(np.uint8)
    assert focus_score(noisy, embryo) < SOFT_FOCUS_BELOW


def test_measures_the_embryo_and_not_its_surroundings():
    image, embryo = draw_embryo()
    surroundings = np.random.default_rng(2).integers(0, 256, image.shape, np.uint8)
    near = cv2.dilate(embryo.astype(np.uint8), np.ones((91, 91), np.uint8)) > 0
    score = focus_score(np.where(near, image, surroundings), embryo)
    assert score == pytest.approx(focus_score(image, embryo), rel=1e-3)


def test_a_far_speck_in_the_mask_changes_nothing():
    image, embryo = draw_embryo()
    speckled = embryo.copy()
    speckled[3:6, 490:494] = True
    assert focus_score(image, speckled) == focus_score(image, embryo)


def test_colour_is_measured_as_grey():
    image, embryo = draw_embryo()
    assert focus_score(np.repeat(image[:, :, None], 3, axis=2), embryo) == focus_score(image, embryo)


def test_whole_frame_without_a_mask():
    image, _ = draw_embryo()
    assert focus_score(image) > focus_score(blur(image, 3)) > 0


def test_nothing_to_judge():
    image, embryo = draw_embryo()
    assert focus_score(image, np.zeros_like(embryo)) is None
    assert focus_score(np.full_like(image, 90), embryo) == 0.0
    assert focus_score(np.full((1, 1), 90, np.uint8), np.ones((1, 1), bool)) == 0.0


def test_refuses_a_mask_of_another_size():
    image, embryo = draw_embryo()
    with pytest.raises(ValueError, match="image's size"):
        focus_score(image, embryo[1:])
