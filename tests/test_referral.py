import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embryofrag.grading.embryo_presence import EmbryoEvidence
from embryofrag.grading.referral import REASONS, ReferralSettings, is_unclear, refer
from embryofrag.grading.schemes import SCHEMES
from embryofrag.imaging.focus import SOFT_FOCUS_BELOW

CLEAR = EmbryoEvidence(frame_share=0.14, largest_share=1.0, border_share=0.0, confidence=0.95)
NEVER = ReferralSettings(
    max_disagreement=1.0,
    cut_margin=0.0,
    min_embryo_confidence=0.0,
    min_largest_share=0.0,
    max_border_share=1.0,
    min_focus=0.0,
)


def refer_with(settings: ReferralSettings | None = None, **changes) -> tuple[str, ...]:
    case = {"ratio_reg": 0.175, "ratio_mask": 0.18, "embryo": CLEAR, "focus": 0.8} | changes
    return refer(**case, scheme=SCHEMES["regdeeplab"], settings=settings or ReferralSettings())


def test_a_clear_frame_is_not_referred():
    assert refer_with() == ()


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"ratio_mask": 0.28}, ("modules_disagree",)),
        ({"ratio_mask": 0.07}, ("modules_disagree",)),
        ({"ratio_mask": 0.27}, ()),
        ({"ratio_mask": None}, ()),
        ({"ratio_reg": 0.119}, ("near_cut",)),
        ({"ratio_reg": 0.121}, ()),
        ({"ratio_reg": 0.2375}, ("near_cut",)),
        ({"ratio_reg": 0.5, "ratio_mask": 0.5}, ("near_cut",)),
        ({"embryo": dataclasses.replace(CLEAR, confidence=0.7)}, ("unclear_embryo",)),
        ({"embryo": dataclasses.replace(CLEAR, num_embryos=1)}, ()),
        ({"embryo": dataclasses.replace(CLEAR, num_embryos=2)}, ("several_embryos",)),
        ({"embryo": None}, ()),
        ({"focus": 0.44}, ("soft_focus",)),
        ({"focus": 0.45}, ()),
        ({"focus": None}, ()),
    ],
)
def test_reasons(changes, reasons):
    assert refer_with(**changes) == reasons


def test_reasons_come_in_fixed_order():
    unclear = dataclasses.replace(CLEAR, largest_share=0.5, num_embryos=2)
    torn = {"A": 0.4, "B": 0.3, "C": 0.3}
    everything = refer_with(
        ratio_reg=0.10, ratio_mask=0.9, embryo=unclear, focus=0.1, grade_probabilities=torn, out_of_scope=True
    )
    assert everything == REASONS
    assert " ".join(REASONS) == (
        "out_of_scope modules_disagree near_cut unsure_grade unclear_embryo several_embryos soft_focus"
    )


@pytest.mark.parametrize(("likeliest", "reasons"), [(0.49, ("unsure_grade",)), (0.5, ())])
def test_a_grade_that_is_not_probable_enough_is_referred(likeliest, reasons):
    rest = {"A": likeliest, "B": (1 - likeliest) / 2, "C": (1 - likeliest) / 2}
    assert refer_with(grade_probabilities=rest) == reasons


@pytest.mark.parametrize(
    ("change", "unclear"),
    [
        ({}, False),
        ({"confidence": 0.74}, True),
        ({"confidence": 0.75}, False),
        ({"confidence": None}, False),
        ({"largest_share": 0.89}, True),
        ({"largest_share": 0.9}, False),
        ({"largest_share": None}, True),
        ({"border_share": 0.26}, True),
        ({"border_share": 0.25}, False),
        ({"border_share": None}, True),
    ],
)
def test_unclear_embryos(change, unclear):
    assert is_unclear(dataclasses.replace(CLEAR, **change), ReferralSettings()) is unclear


ratios = st.floats(0.0, 1.0)


@given(ratios, ratios, ratios)
def test_every_reason_can_be_switched_off(ratio_reg, ratio_mask, focus):
    poor = EmbryoEvidence(frame_share=0.1, largest_share=0.2, border_share=0.9, confidence=0.5)
    assert refer_with(NEVER, ratio_reg=ratio_reg, ratio_mask=ratio_mask, embryo=poor, focus=focus) == ()


@given(ratios, ratios, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_wider_margin_never_refers_less(ratio_reg, ratio_mask, one, other):
    narrow, wide = sorted((one, other))
    case = {"ratio_reg": ratio_reg, "ratio_mask": ratio_mask}
    few = refer_with(ReferralSettings(cut_margin=narrow, max_disagreement=wide), **case)
    many = refer_with(ReferralSettings(cut_margin=wide, max_disagreement=narrow), **case)
    assert set(few) <= set(many)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(ReferralSettings)])
@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan")])
def test_settings_are_checked(name, value):
    with pytest.raises(ValueError, match=name):
        ReferralSettings(**{name: value})


def test_the_default_focus_limit_is_the_one_measured():
    assert ReferralSettings().min_focus == SOFT_FOCUS_BELOW
