import dataclasses
import json
import pickle

import numpy as np
import pytest

from embryofrag.grading.embryo_presence import find_embryo
from embryofrag.grading.frame import FrameGrade, GradingSettings, grade_frame
from embryofrag.grading.ratio import measure_masks
from embryofrag.grading.referral import ReferralSettings
from embryofrag.records import Outcome


def draw_masks(embryo_side_px: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """A 100 x 100 frame with a square embryo and one fragment of 12 x 20 px inside it."""
    fragment, embryo = np.zeros((2, 100, 100), bool)
    embryo[30 : 30 + embryo_side_px, 30 : 30 + embryo_side_px] = True
    fragment[35:47, 35:55] = True
    return fragment, embryo


def grade(
    masks: tuple[np.ndarray, np.ndarray], ratio_reg: float, settings: GradingSettings | None = None, **changes
) -> FrameGrade:
    settings = settings or GradingSettings()
    fragment, embryo = masks
    measured = {
        "areas": measure_masks(fragment, embryo, settings.denominator),
        "embryo": find_embryo(embryo, (int(embryo.sum()),), 0.95),
        "num_fragments": 1,
        "focus": 0.8,
    }
    return grade_frame(**(measured | changes), ratio_reg=ratio_reg, settings=settings)


def test_a_clear_frame():
    assert grade(draw_masks(), 0.17) == FrameGrade(
        outcome=Outcome.GRADED,
        ratio_mask=0.15,
        ratio_reg=0.17,
        grade="B",
        scheme="regdeeplab/1",
        denominator="embryo",
        fragment_area_px=240,
        embryo_area_px=1600,
        num_fragments=1,
        referred=False,
        refer_reasons=(),
        focus=0.8,
        reason="",
    )


def test_the_grade_follows_module_b():
    verdict = grade(draw_masks(), 0.30)
    assert (verdict.ratio_mask, verdict.grade) == (0.15, "C")
    assert (verdict.referred, verdict.refer_reasons) == (True, ("modules_disagree",))


def test_another_scheme():
    settings = GradingSettings(scheme="istanbul-2011")
    assert (grade(draw_masks(), 0.30, settings).grade, grade(draw_masks(), 0.30, settings).scheme) == (
        "severe",
        "istanbul-2011/1",
    )


def test_no_embryo_has_no_ratio_and_no_grade():
    fragment, embryo = draw_masks()
    verdict = grade((fragment, np.zeros_like(embryo)), 0.3)
    assert verdict.outcome is Outcome.NO_EMBRYO
    assert (verdict.ratio_mask, verdict.ratio_reg, verdict.grade) == (None, None, None)
    assert (verdict.referred, verdict.refer_reasons) == (False, ())
    assert verdict.reason == "no embryo found"
    assert (verdict.embryo_area_px, verdict.focus) == (0, 0.8)


@pytest.mark.parametrize(("side_px", "outcome"), [(7, Outcome.NO_EMBRYO), (8, Outcome.GRADED)])
def test_a_speck_is_no_embryo(side_px, outcome):
    """Half a percent of 100 x 100 px is 50 px: 7 x 7 lies below, 8 x 8 above."""
    verdict = grade(draw_masks(side_px), 0.15)
    assert verdict.outcome is outcome
    if outcome is Outcome.NO_EMBRYO:
        assert verdict.reason == "embryo mask covers 0.49% of the frame, below 0.50%"


def test_no_embryo_even_where_every_share_will_do():
    fragment, embryo = draw_masks()
    settings = GradingSettings(min_embryo_share=0.0)
    assert grade((fragment, np.zeros_like(embryo)), 0.3, settings).outcome is Outcome.NO_EMBRYO


def test_image_denominator_needs_no_embryo_mask():
    fragment, embryo = draw_masks()
    verdict = grade((fragment, np.zeros_like(embryo)), 0.03, GradingSettings(denominator="image"))
    assert verdict.outcome is Outcome.GRADED
    assert (verdict.ratio_mask, verdict.denominator, verdict.refer_reasons) == (0.024, "image", ())


def test_focus_refers():
    assert grade(draw_masks(), 0.17, focus=0.2).refer_reasons == ("soft_focus",)
    assert grade(draw_masks(), 0.17, focus=None).refer_reasons == ()


@pytest.mark.parametrize(("scope", "reasons"), [(None, ()), (0.39, ("out_of_scope",)), (0.4, ()), (1.0, ())])
@pytest.mark.parametrize("denominator", ["embryo", "image"])
def test_out_of_scope_is_graded_and_referred(denominator, scope, reasons):
    settings = GradingSettings(scope_threshold=0.4, denominator=denominator)
    verdict = grade(draw_masks(), 0.05, settings, scope=scope, areas=measure_masks(*draw_masks(12), "image"))
    assert (verdict.outcome, verdict.grade, verdict.refer_reasons) == (Outcome.GRADED, "A", reasons)
    assert verdict.referred is bool(reasons)


@pytest.mark.parametrize("ratio_reg", [float("nan"), -0.1, 1.1])
def test_refuses_a_ratio_that_is_none(ratio_reg):
    with pytest.raises(ValueError, match=r"0\.\.1"):
        grade(draw_masks(), ratio_reg)


def test_settings_travel_and_hash():
    settings = GradingSettings(scheme="istanbul-2011", referral=ReferralSettings(cut_margin=0.03))
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert hash(settings) == hash(dataclasses.replace(settings))
    plain = json.loads(json.dumps(settings.to_dict()))
    assert plain["scheme"] == "istanbul-2011/1"
    assert plain["referral"]["cut_margin"] == 0.03
    assert set(plain) == {field.name for field in dataclasses.fields(GradingSettings)}


@pytest.mark.parametrize(
    "change",
    [
        {"scheme": "gardner"},
        {"denominator": "zona"},
        {"mask_threshold": 0.0},
        {"scope_threshold": -0.1},
        {"scope_threshold": float("nan")},
        {"mask_threshold": float("nan")},
        {"min_embryo_share": 1.0},
        {"min_embryo_share": -0.1},
    ],
)
def test_settings_are_checked(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        GradingSettings(**change)
