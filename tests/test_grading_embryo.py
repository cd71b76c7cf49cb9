import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embryofrag.grading.embryo import EmbryoFrame, EmbryoSettings, EmbryoSummary, Spread, Window, summarise_embryo
from embryofrag.grading.frame import GradingSettings

GRADING = GradingSettings()


def frame(ratio_reg: float | None = 0.2, **changes) -> EmbryoFrame:
    fields = {"hpi": None, "run": None, "ratio_mask": ratio_reg, "referred": False} | changes
    return EmbryoFrame(ratio_reg=ratio_reg, **fields)


def test_a_time_lapse_by_hand():
    frames = [
        frame(0.04, hpi=42.9, run=1),
        frame(0.16, hpi=43.0, run=2),
        frame(0.18, hpi=44.0, run=3, referred=True),
        frame(0.22, hpi=45.0, run=4),
        frame(None, hpi=45.0, run=5),
        frame(0.40, hpi=68.0, run=6),
    ]
    assert summarise_embryo(frames, GRADING) == EmbryoSummary(
        num_frames=6,
        num_graded=5,
        num_referred=1,
        ratio=Spread(num_frames=5, median=0.18, iqr=pytest.approx(0.06), grade="B"),
        ratio_min=0.04,
        ratio_max=0.40,
        ratio_last=0.40,
        ratio_mask_median=0.18,
        windows={
            "day2": Spread(num_frames=3, median=0.18, iqr=pytest.approx(0.03), grade="B"),
            "day3": Spread(num_frames=1, median=0.40, iqr=None, grade="C"),
        },
        scheme="regdeeplab/1",
        referred=False,
        refer_reasons=(),
    )


def test_a_window_without_frames_is_blank():
    windows = summarise_embryo([frame(hpi=44.0)], GRADING).windows
    assert windows["day3"] == Spread(num_frames=0, median=None, iqr=None, grade=None)


def test_windows_are_unknown_where_no_hpi_is_known():
    windows = summarise_embryo([frame(run=1), frame(run=2)], GRADING).windows
    assert windows["day2"] == windows["day3"] == Spread(num_frames=None, median=None, iqr=None, grade=None)


def test_windows_can_be_chosen():
    settings = EmbryoSettings(windows=(Window(name="eqa3", start_hpi=66.0, end_hpi=68.0),))
    summary = summarise_embryo([frame(0.3, hpi=66.0), frame(0.9, hpi=68.5)], GRADING, settings)
    assert list(summary.windows) == ["eqa3"]
    assert (summary.windows["eqa3"].num_frames, summary.windows["eqa3"].median) == (1, 0.3)


@pytest.mark.parametrize("frames", [[], [frame(None, hpi=44.0, run=1)]])
def test_nothing_graded(frames):
    summary = summarise_embryo(frames, GRADING)
    assert (summary.num_frames, summary.num_graded) == (len(frames), 0)
    assert summary.ratio == Spread(num_frames=0, median=None, iqr=None, grade=None)
    assert (summary.ratio_min, summary.ratio_max, summary.ratio_last, summary.ratio_mask_median) == (None,) * 4
    assert (summary.referred, summary.refer_reasons) == (False, ())


@pytest.mark.parametrize(
    ("frames", "last"),
    [
        ([frame(0.1, hpi=50.0, run=9), frame(0.2, hpi=60.0, run=1)], 0.2),
        ([frame(0.1, hpi=50.0, run=9), frame(0.2, hpi=None, run=1)], 0.1),
        ([frame(0.1, hpi=50.0, run=None), frame(0.2, hpi=None, run=1)], None),
        ([frame(0.1, run=2), frame(0.5, run=3), frame(0.3, run=3)], 0.4),
        ([frame(0.1, run=2), frame(None, run=3)], 0.1),
    ],
)
def test_last_is_the_latest_time_point(frames, last):
    assert summarise_embryo(frames, GRADING).ratio_last == last


@pytest.mark.parametrize(
    ("frames", "reasons"),
    [
        ([frame(), frame(referred=True)], ()),
        ([frame(), frame(referred=True), frame(referred=True)], ("frames_referred",)),
        ([frame(0.09), frame(0.11)], ("near_cut",)),
        ([frame(0.01), frame(0.36)], ("wide_spread",)),
        ([frame(0.01, hpi=20.0), frame(0.36, hpi=68.0)], ()),
        ([frame(0.01, hpi=67.0), frame(0.36, hpi=68.0)], ("wide_spread",)),
        ([frame(0.01, hpi=20.0), frame(0.36, hpi=30.0)], ("wide_spread",)),
        ([frame(0.0, referred=True), frame(0.5, referred=True)], ("frames_referred", "near_cut", "wide_spread")),
    ],
)
def test_reasons_for_an_embryo(frames, reasons):
    summary = summarise_embryo(frames, GRADING)
    assert summary.refer_reasons == reasons
    assert summary.referred == bool(reasons)


frames_in_time = st.lists(
    st.builds(
        EmbryoFrame,
        hpi=st.none() | st.floats(0, 140),
        run=st.none() | st.integers(1, 500),
        ratio_reg=st.none() | st.floats(0, 1),
        ratio_mask=st.none() | st.floats(0, 1),
        referred=st.booleans(),
    ),
    max_size=12,
)


@given(frames_in_time, st.randoms(use_true_random=False))
def test_order_of_the_frames_does_not_matter(frames, shuffler: random.Random):
    summary = summarise_embryo(frames, GRADING)
    shuffled = list(frames)
    shuffler.shuffle(shuffled)
    assert summarise_embryo(shuffled, GRADING) == summary


@given(frames_in_time)
def test_numbers_hang_together(frames):
    summary = summarise_embryo(frames, GRADING)
    assert summary.num_referred <= summary.num_graded <= summary.num_frames
    assert (summary.ratio.median is None) == (summary.ratio.grade is None) == (summary.num_graded == 0)
    if summary.num_graded:
        assert summary.ratio_min <= summary.ratio.median <= summary.ratio_max
    for window in summary.windows.values():
        assert (window.median is None) == (not window.num_frames)


@pytest.mark.parametrize("change", [{"max_referred_share": 1.1}, {"max_iqr": -0.1}, {"max_iqr": float("nan")}])
def test_settings_are_checked(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        EmbryoSettings(**change)


def test_windows_are_checked():
    with pytest.raises(ValueError, match="span of time"):
        Window(name="day2", start_hpi=45.0, end_hpi=43.0)
    day2 = Window(name="day2", start_hpi=43.0, end_hpi=45.0)
    with pytest.raises(ValueError, match="must differ"):
        EmbryoSettings(windows=(day2, day2))
