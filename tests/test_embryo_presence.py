import numpy as np
import pytest

from embryofrag.grading.embryo_presence import EmbryoEvidence, find_embryo


def draw_disc(centre_xy: tuple[int, int], radius_px: int, side_px: int = 400) -> np.ndarray:
    rows, columns = np.mgrid[:side_px, :side_px]
    return (columns - centre_xy[0]) ** 2 + (rows - centre_xy[1]) ** 2 <= radius_px**2


def test_empty_mask():
    evidence = find_embryo(np.zeros((8, 9), bool), ())
    assert evidence == EmbryoEvidence(frame_share=0.0, largest_share=None, border_share=None, confidence=None)


def test_shares_by_hand():
    mask = np.zeros((10, 20), bool)
    mask[2:8, 2:12] = True
    mask[5, 15:19] = True
    evidence = find_embryo(mask, (60, 4), 0.93)
    assert evidence == EmbryoEvidence(frame_share=0.32, largest_share=60 / 64, border_share=0.0, confidence=0.93)


@pytest.mark.parametrize(("centre_x", "border_share"), [(100, 0.0), (70, 0.23), (50, 0.31), (0, 0.45)])
def test_border_share_of_a_disc_cut_by_one_side(centre_x, border_share):
    """By geometry: chord over the perimeter of a disc of the visible area, for a radius of 100 px."""
    mask = draw_disc((centre_x + 1 if border_share == 0 else centre_x, 200), 100)
    area_px = int(mask.sum())
    assert find_embryo(mask, (area_px,)).border_share == pytest.approx(border_share, abs=0.01)


def test_border_of_the_window_counts_as_the_frames_does():
    """A disc whose right half lies outside of the columns that were looked at."""
    mask = draw_disc((200, 200), 100)
    region = (slice(50, 350), slice(0, 201))
    mask[:, 201:] = False
    whole = find_embryo(mask, (int(mask.sum()),))
    windowed = find_embryo(mask, (int(mask.sum()),), region=region, num_embryos=2)
    assert whole.border_share == 0.0
    assert windowed.border_share == pytest.approx(0.45, abs=0.01)
    assert (windowed.frame_share, windowed.num_embryos) == (whole.frame_share, 2)


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (2, 2)])
def test_frames_that_are_all_border(shape):
    evidence = find_embryo(np.ones(shape, bool), (shape[0] * shape[1],))
    assert evidence.frame_share == 1.0
    assert evidence.border_share == pytest.approx(np.sqrt(shape[0] * shape[1] / (4 * np.pi)))
