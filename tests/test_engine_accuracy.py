"""The gate of int8: counted on labelled frames, over the whole way of a frame."""

from types import SimpleNamespace

import numpy as np
import pytest

from embryofrag.engine.accuracy import LabelledFrame, Scores, compare_scores, score_pair
from embryofrag.engine.calibration import _CALIBRATION_SEED, _JUDGED_SEED, NUM_CALIBRATION_FRAMES
from embryofrag.engine.model import Crop


def scores(ratios, *, fragment=(8, 10, 10), embryo=(90, 100, 100), true=0.2):
    return Scores(
        overlaps_FK3=np.array([[fragment, embryo]] * len(ratios)),
        ratios_F=np.array(ratios, np.float64),
        true_ratios_F=np.full(len(ratios), true),
    )


def test_same_answers_pass():
    accuracy = compare_scores(scores([0.2, 0.3]), scores([0.2, 0.3]))
    assert accuracy.passed
    assert (accuracy.dice_loss, accuracy.ratio_mae_loss, accuracy.grade_changes_frac) == (0, 0, 0)
    assert (accuracy.dice_fragment, accuracy.dice_embryo, accuracy.ratio_mae) == pytest.approx((0.8, 0.9, 0.05))


@pytest.mark.parametrize("mask", ["fragment", "embryo"])
def test_loss_of_either_mask_fails_and_a_gain_does_not(mask):
    better, worse = scores([0.2], **{mask: (900, 1000, 1000)}), scores([0.2], **{mask: (894, 1000, 1000)})
    assert not compare_scores(better, worse).masks_passed
    assert compare_scores(better, worse).ratios_passed
    assert compare_scores(worse, better).passed
    assert compare_scores(better, scores([0.2], **{mask: (896, 1000, 1000)})).passed


def test_ratio_error_may_grow_a_little():
    assert compare_scores(scores([0.20]), scores([0.2029])).passed
    assert not compare_scores(scores([0.20]), scores([0.2031])).passed
    assert compare_scores(scores([0.23]), scores([0.21])).passed


def test_grade_changes():
    exact = scores([0.099] * 100, true=0.1)
    changed = [0.101] + [0.099] * 99
    assert compare_scores(exact, scores(changed, true=0.1)).passed
    changed[1] = 0.101
    accuracy = compare_scores(exact, scores(changed, true=0.1))
    assert (accuracy.grade_changes_frac, accuracy.passed) == (0.02, False)
    assert "2.0% of the grades change (limit 1%)" in str(accuracy)


def test_embryo_that_is_no_longer_located_is_a_change():
    accuracy = compare_scores(scores([0.2, 0.3]), scores([0.2, np.nan]))
    assert (accuracy.num_located, accuracy.grade_changes_frac, accuracy.passed) == (1, 0.5, False)
    assert compare_scores(scores([np.nan, 0.3]), scores([np.nan, 0.3])).passed
    assert not compare_scores(scores([np.nan]), scores([np.nan])).passed


def test_dice_of_masks_that_are_empty():
    assert scores([0.2], fragment=(0, 0, 0)).dice_K[0] == 1
    assert scores([0.2], fragment=(0, 0, 5)).dice_K[0] == 0


class Threshold:
    """Stands in for a pair: the embryo is what is bright, the fragment what is very bright."""

    def __init__(self, crop=None):
        model = SimpleNamespace(denominator="embryo")
        self.choice = SimpleNamespace(crop=crop, input_px=64, mask_threshold=0.5, model=model)

    def masks(self, images_NHWC):
        return np.stack([images_NHWC[..., 0] > 200, images_NHWC[..., 0] > 100], axis=1).astype(np.float32)

    def ratios(self, images_NHWC):
        return np.full(len(images_NHWC), 0.25, np.float32)

    def masks_and_ratios(self, images_NHWC):
        return self.masks(images_NHWC), self.ratios(images_NHWC)

    def locate(self, images_NLLC):
        return (images_NLLC[..., 0] > 100).astype(np.float32)


def labelled(grey):
    image = np.full((128, 128), 30, np.uint8)
    image[32:96, 32:96] = grey
    fragment, embryo = np.zeros((2, 128, 128), bool)
    embryo[32:96, 32:96] = True
    image[32:64, 32:64] = min(grey * 2, 255)
    fragment[32:64, 32:64] = True
    return LabelledFrame(image=image, fragment_mask=fragment, embryo_mask=embryo)


@pytest.mark.parametrize("crop", [None, Crop(locator={"input_px": 32}, diameter_share=0.7)])
def test_masks_are_compared_in_the_frame(crop):
    got = score_pair(Threshold(crop), [labelled(120)] * 9)
    assert (got.dice_K > 0.97).all()
    assert got.overlaps_FK3[:, :, 2].tolist() == [[32 * 32, 64 * 64]] * 9
    assert got.true_ratios_F.tolist() == [0.25] * 9
    assert got.grades_F == ["C"] * 9


def test_frame_in_which_nothing_is_located():
    crop = Crop(locator={"input_px": 32}, diameter_share=0.7)
    got = score_pair(Threshold(crop), [labelled(40), labelled(120)])
    assert np.isnan(got.ratios_F).tolist() == [True, False]
    assert got.overlaps_FK3[0, :, :2].tolist() == [[0, 0], [0, 0]]
    assert got.grades_F == [None, "C"]


def test_no_frame_is_in_both_sets():
    assert _CALIBRATION_SEED + NUM_CALIBRATION_FRAMES <= _JUDGED_SEED
