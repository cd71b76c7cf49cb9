import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, jaccard_score

from embryofrag.training.metrics import count_overlap, dice, iou, score_masks

NAN = float("nan")


@settings(max_examples=50)
@given(seed=st.integers(0, 2**31), share=st.floats(0.05, 0.95))
def test_dice_and_iou_are_scikit_learns(seed, share):
    rng = np.random.default_rng(seed)
    predicted, truth = rng.random((2, 12, 9)) < share
    truth[0, 0] = True
    counts = np.array(count_overlap(predicted, truth))
    assert dice(counts) == pytest.approx(f1_score(truth.ravel(), predicted.ravel()))
    assert iou(counts) == pytest.approx(jaccard_score(truth.ravel(), predicted.ravel()))


def test_a_mask_is_counted_in_pixels():
    predicted = np.zeros((4, 4), bool)
    truth = np.zeros((4, 4), bool)
    predicted[:2] = True
    truth[1:] = True
    assert count_overlap(predicted, truth) == (4, 8, 12)


@pytest.mark.parametrize("truth", [np.zeros((3, 3), bool), np.zeros((2, 2), np.uint8)])
def test_masks_that_do_not_fit_are_refused(truth):
    with pytest.raises(ValueError, match="one size"):
        count_overlap(np.zeros((2, 2), bool), truth)


def test_pooled_scores_are_those_of_one_large_image():
    rng = np.random.default_rng(3)
    pairs = rng.random((5, 2, 20, 20)) < 0.4
    scores = score_masks(np.array([count_overlap(*pair) for pair in pairs]))
    predicted, truth = pairs[:, 0].ravel(), pairs[:, 1].ravel()
    assert scores["dice_pooled"] == pytest.approx(f1_score(truth, predicted))
    assert scores["iou_pooled"] == pytest.approx(jaccard_score(truth, predicted))
    assert scores["dice_per_image"] == pytest.approx(
        np.mean([f1_score(truth.ravel(), predicted.ravel()) for predicted, truth in pairs])
    )


def test_images_without_an_object_are_scored_apart():
    scores = score_masks(np.array([[4, 4, 4], [0, 7, 0], [0, 0, 0]]))
    assert scores["dice_per_image"] == 1
    assert scores["dice_pooled"] == pytest.approx(8 / 15)
    assert scores["false_share"] == 0.5


def test_images_without_a_label_are_left_out():
    with_label = np.array([[2, 3, 4], [1, 5, 2]])
    with_nan = np.vstack([with_label, [NAN, NAN, NAN]])
    assert score_masks(with_nan) == pytest.approx(score_masks(with_label), nan_ok=True)


def test_no_images_have_no_scores():
    assert all(np.isnan(value) for value in score_masks(np.zeros((0, 3))).values())
