import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embryofrag.grading.schemes import SCHEMES, grade_ratio
from embryofrag.training.conformal import MAX_RESIDUALS, Conformal, check_left_out, fit_conformal, min_frames

SCHEME = SCHEMES["regdeeplab"]


def drawn_frames(rng, count):
    """Two modules that err more where they disagree."""
    truth = rng.beta(1.2, 5, count)
    noise = rng.uniform(0.005, 0.08, count)
    ratio_reg = np.clip(truth + noise * rng.normal(size=count), 0, 1)
    ratio_mask = np.clip(truth + noise * rng.normal(size=count), 0, 1)
    return ratio_reg, ratio_mask, truth


def coverage(calibration, frames):
    inside = [
        low <= y <= high
        for reg, mask, y in zip(*frames, strict=True)
        for low, high in [calibration.interval(reg, mask)]
    ]
    return np.mean(inside)


@pytest.mark.parametrize("alpha", [0.1, 0.3])
@pytest.mark.parametrize("count", [19, 100])
def test_intervals_hold_the_share_they_promise(alpha, count):
    rng = np.random.default_rng(count)
    shares = [
        coverage(fit_conformal(*drawn_frames(rng, count), alpha=alpha), drawn_frames(rng, 200)) for _ in range(60)
    ]
    promised = 1 - alpha
    assert promised - 0.02 < np.mean(shares) < promised + 1 / (count + 1) + 0.02


def test_groups_left_out_are_held_as_often_as_new_groups():
    rng = np.random.default_rng(2)
    calibrating, new = drawn_frames(rng, 400), drawn_frames(rng, 2000)
    check = check_left_out(*calibrating, [str(i // 4) for i in range(400)])
    assert check["coverage"] == pytest.approx(coverage(fit_conformal(*calibrating), new), abs=0.03)


def test_frames_that_copy_their_group_do_not_flatter_the_check():
    few = drawn_frames(np.random.default_rng(3), 12)
    copied = [np.repeat(values, 20) for values in few]
    groups = [str(i // 20) for i in range(240)]
    assert check_left_out(*copied, groups) == pytest.approx(check_left_out(*few, groups[::20]), abs=0.1)
    assert check_left_out(*copied, groups)["coverage"] < coverage(fit_conformal(*copied), copied)


def test_one_group_alone_cannot_be_left_out():
    frames = drawn_frames(np.random.default_rng(3), 30)
    assert check_left_out(*frames, ["a"] * 30) is None


def test_the_quantile_is_the_one_of_the_theorem():
    truth = np.linspace(0.1, 0.9, 9)
    residuals = np.array([0.01, -0.09, 0.02, -0.03, 0.04, -0.05, 0.06, -0.07, 0.08])
    calibration = fit_conformal(truth - residuals, truth - residuals, truth, alpha=0.1, floor=0.5)
    assert calibration.quantile == pytest.approx(0.09 / 0.5)  # ceil(10 x .9) = 9th of 9
    assert fit_conformal(truth - residuals, truth - residuals, truth, alpha=0.2, floor=0.5).quantile == pytest.approx(
        0.08 / 0.5
    )


def test_intervals_widen_with_disagreement():
    calibration = fit_conformal(*drawn_frames(np.random.default_rng(0), 200))
    agreed, disagreed = calibration.interval(0.3, 0.3), calibration.interval(0.3, 0.2)
    assert disagreed[1] - disagreed[0] > agreed[1] - agreed[0] > 0


@settings(max_examples=40)
@given(ratio_reg=st.floats(0, 1), ratio_mask=st.floats(0, 1), count=st.sampled_from([9, 40, 500]))
def test_answers_are_proper_for_any_pair_of_ratios(ratio_reg, ratio_mask, count):
    calibration = fit_conformal(*drawn_frames(np.random.default_rng(count), count))
    low, high = calibration.interval(ratio_reg, ratio_mask)
    assert 0 <= low <= ratio_reg <= high <= 1
    probabilities = calibration.grade_probabilities(ratio_reg, ratio_mask, SCHEME)
    assert tuple(probabilities) == SCHEME.grades
    assert sum(probabilities.values()) == pytest.approx(1)
    assert min(probabilities.values()) >= 0


def test_grade_probabilities_are_the_shares_that_come_true():
    rng = np.random.default_rng(5)
    calibration = fit_conformal(*drawn_frames(rng, 2000))
    assert len(calibration.residuals) == MAX_RESIDUALS
    frames = drawn_frames(rng, 2000)
    said = [calibration.grade_probabilities(reg, mask, SCHEME) for reg, mask, _ in zip(*frames, strict=True)]
    for grade in ("A", "B", "C"):
        came_true = np.mean([grade_ratio(y, SCHEME) == grade for y in frames[2]])
        assert np.mean([one[grade] for one in said]) == pytest.approx(came_true, abs=0.03)


def test_a_calibration_survives_json():
    calibration = fit_conformal(*drawn_frames(np.random.default_rng(1), 30))
    assert Conformal.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration


def test_a_changed_calibration_is_refused():
    values = fit_conformal(*drawn_frames(np.random.default_rng(1), 30)).to_dict()
    del values["floor"]
    with pytest.raises(ValueError, match="floor"):
        Conformal.from_dict(values)


def test_too_few_frames_are_refused():
    frames = drawn_frames(np.random.default_rng(1), 8)
    assert min_frames(0.1) == 9
    with pytest.raises(ValueError, match="needs 9 frames"):
        fit_conformal(*frames)


@pytest.mark.parametrize("options", [{"alpha": 0.0}, {"alpha": 1.0}, {"floor": 0.0}])
def test_settings_without_meaning_are_refused(options):
    with pytest.raises(ValueError, match="alpha lies"):
        fit_conformal(*drawn_frames(np.random.default_rng(1), 30), **options)


def test_ratios_that_are_none_are_refused():
    ratio_reg, ratio_mask, truth = drawn_frames(np.random.default_rng(1), 30)
    truth[3] = np.nan
    with pytest.raises(ValueError, match=r"0\.\.1"):
        fit_conformal(ratio_reg, ratio_mask, truth)
