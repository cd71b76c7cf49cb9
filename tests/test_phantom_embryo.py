import cv2
import numpy as np
import pytest

from embryofrag.phantom import PhantomEmbryo, draw_embryo, draw_embryo_frame

EMBRYO = PhantomEmbryo(seed=4, instrument="embryoscope", well=3, lag=1.0, final_ratio=0.3)


def sharpness(image: np.ndarray, mask: np.ndarray) -> float:
    return float(cv2.Laplacian(image, cv2.CV_32F)[mask].var())


def test_cells_and_ratio_never_fall_before_60_hpi():
    hours = np.arange(18, 60, 0.5)
    cells = [EMBRYO.num_cells(hour) for hour in hours]
    ratios = [EMBRYO.ratio(hour) for hour in hours]
    assert cells == sorted(cells)
    assert ratios == sorted(ratios)
    assert (cells[0], cells[-1]) == (1, 8)


def test_planes_share_their_masks_and_blur_with_distance():
    sharp, blurred = draw_embryo_frame(EMBRYO, 44.0), draw_embryo_frame(EMBRYO, 44.0, focal_um=45)
    np.testing.assert_array_equal(sharp.fragment_mask, blurred.fragment_mask)
    np.testing.assert_array_equal(sharp.embryo_mask, blurred.embryo_mask)
    assert sharpness(blurred.image, blurred.embryo_mask) < 0.5 * sharpness(sharp.image, sharp.embryo_mask)


def test_well_stays_where_it_is_and_noise_does_not():
    early, late = draw_embryo_frame(EMBRYO, 30.0).image, draw_embryo_frame(EMBRYO, 62.0).image
    difference = np.abs(early.astype(int) - late)
    assert np.median(difference) <= 2
    assert difference.max() > 20
    assert draw_embryo_frame(EMBRYO, 44.0).image.tobytes() != draw_embryo_frame(EMBRYO, 44.2).image.tobytes()


def test_planes_and_hours_reach_the_asked_for_ratio():
    for hour in (30.0, 44.0, 66.0):
        assert draw_embryo_frame(EMBRYO, hour).ratio == pytest.approx(EMBRYO.ratio(hour), abs=0.03)


def test_empty_well_stays_empty():
    embryo = draw_embryo(9, empty=True)
    assert draw_embryo_frame(embryo, 44.0).stage == "empty"


def test_embryo_is_determined_by_its_seed():
    assert draw_embryo(9) == draw_embryo(9)
    assert draw_embryo(9) != draw_embryo(10)
