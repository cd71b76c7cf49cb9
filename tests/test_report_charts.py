from html.parser import HTMLParser
from math import nan
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embryofrag.grading.schemes import SCHEMES
from embryofrag.report.axes import Axes, round_ticks
from embryofrag.report.charts import ControlPoint, Interval, draw_bland_altman, draw_control, draw_intervals
from embryofrag.report.curve import Curve, curve_frames, draw_curve, height
from embryofrag.report.markup import breakable, join, prose, tag

SCHEME = SCHEMES["regdeeplab"]
HOSTILE = "</text><script>alert('1')</script>&\"é"


class Words(HTMLParser):
    """Text and tags of a piece of markup."""

    def __init__(self):
        super().__init__()
        self.text, self.tags, self.attributes = "", [], {}

    def handle_starttag(self, name, attributes):
        self.tags.append(name)
        self.attributes |= dict(attributes)

    def handle_data(self, data):
        self.text += data


def parsed(markup: str) -> Words:
    words = Words()
    words.feed(markup)
    words.close()
    return words


def elements(svg: str, class_: str) -> list[ElementTree.Element]:
    return [element for element in ElementTree.fromstring(svg).iter() if class_ in element.get("class", "").split()]


def marks(svg: str, class_: str) -> int:
    """How many marks of a class are drawn: each begins with a move."""
    return sum(element.get("d").count("M") for element in elements(svg, class_))


def curve(**values) -> Curve:
    given_values = {
        "embryo": "e", "time": "hpi", "moments": [30.0, 40.0, 50.0], "ratios": [0.1, 0.2, 0.3],
        "intervals": [None] * 3, "referred": [False, True, False],
    }  # fmt: skip
    return Curve(**given_values | values)


@given(st.text(st.characters(exclude_characters="\r\0`", exclude_categories=["Cs", "Cn"])))
def test_any_text_comes_back_as_text(words):
    for markup in (tag("p", words), tag("p", join([words])), prose(words), breakable(words)):
        assert parsed(markup).text == words
        assert set(parsed(markup).tags) <= {"p", "wbr"}
    assert parsed(tag("p", title=words)).attributes == {"title": words}


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 12))
def test_ticks_lie_inside_and_are_few(low, span, most):
    ticks = round_ticks(low, low + span, most)
    assert len(ticks) <= most + 1
    assert all(low - 1e-6 * (abs(low) + span) <= tick <= low + span + 1e-6 * (abs(low) + span) for tick in ticks)


@given(st.floats(-10, 10))
def test_everything_is_drawn_inside_the_plot(value):
    axes = Axes(width_px=300, height_px=100, x=(0, 1), y=(0, 1))
    assert axes.left_px <= axes.x_px(value) <= 300 - axes.right_px
    assert axes.top_px <= axes.y_px(value) <= 100 - axes.bottom_px


def test_a_curve_stands_in_the_frame_that_it_names():
    drawn = curve()
    frames = curve_frames([drawn], SCHEME)
    svg = draw_curve(drawn, frames["hpi"])
    (use,) = ElementTree.fromstring(svg).iter("use")
    assert ElementTree.fromstring(frames["hpi"].symbol).get("id") == use.get("href").removeprefix("#")
    assert (marks(svg, "point"), marks(svg, "referred-mark")) == (2, 1)
    assert not elements(svg, "interval-area")


def test_curves_of_one_kind_of_time_share_their_axes():
    frames = curve_frames([curve(), curve(moments=[60.0, 61.0, 70.0]), curve(time="run")], SCHEME)
    assert set(frames) == {"hpi", "run"}
    low, high = frames["hpi"].axes.x
    assert low < 30 < 70 < high


@pytest.mark.parametrize(("highest", "top"), [(0.2, 0.3), (0.31, 0.6), (0.9, 1.0)])
def test_the_ratio_axis_holds_every_ratio_and_interval(highest, top):
    frame = curve_frames([curve(intervals=[None, None, (0.0, highest)], ratios=[0.0, 0.0, 0.1])], SCHEME)["hpi"]
    assert frame.axes.y == (0.0, height(top))


def test_an_interval_is_drawn_where_every_frame_has_one():
    drawn = curve(intervals=[(0.0, 0.2), (0.1, 0.3), (0.2, 0.4)])
    assert len(elements(draw_curve(drawn, curve_frames([drawn], SCHEME)["hpi"]), "interval-area")) == 1


def test_a_single_frame_is_a_point_without_a_line():
    drawn = curve(moments=[44.0], ratios=[0.2], intervals=[(0.1, 0.3)], referred=[False])
    svg = draw_curve(drawn, curve_frames([drawn], SCHEME)["hpi"])
    assert marks(svg, "point") == 1
    assert not elements(svg, "curve")


def control_points(values, **shared):
    limits = {"centre": 0.2, "warning": (0.1, 0.3), "control": (0.05, 0.35)}
    return [
        ControlPoint(label=f"2024-W{place:02}", value=value, **limits | shared) for place, value in enumerate(values)
    ]


def test_a_control_chart_marks_flags_baseline_and_changes():
    points = control_points([0.2, 0.21], in_baseline=True) + control_points([0.4], flags="1-3s", restart="new lamp")
    svg = draw_control(points, "Mean ratio", "mean ratio")
    assert (marks(svg, "point"), marks(svg, "referred-mark")) == (2, 1)
    words = [element.text for element in ElementTree.fromstring(svg).iter("text")]
    assert {"1-3s", "new lamp", "baseline", "mean", "3s", "-3s"} <= set(words)
    assert "1 of them flagged" in ElementTree.fromstring(svg).get("aria-label")


def test_a_control_chart_without_limits_draws_points_alone():
    points = control_points([0.1, 0.3], centre=nan, warning=(nan, nan), control=(nan, nan))
    svg = draw_control(points, "Mean ratio", "mean ratio")
    assert marks(svg, "point") == 2
    assert not elements(svg, "limit-3s")
    assert not elements(svg, "centre")


def test_limits_of_a_share_are_steps():
    points = control_points([0.1]) + control_points([0.3], control=(0.0, 0.5))
    upper = elements(draw_control(points, "Share", "share", percent=True), "limit-3s")[0].get("d")
    heights = [place.split()[1] for place in upper.removeprefix("M").split("L")]
    assert heights[0] == heights[1] != heights[2] == heights[3]


def test_intervals_may_be_unknown():
    rows = [
        Interval(label=HOSTILE, value=0.2, low=0.1, high=0.3, n=5),
        Interval(label="unknown", value=nan, low=nan, high=nan, n=0),
    ]
    svg = draw_intervals(rows, "share", percent=True, reference=0.9)
    assert marks(svg, "estimate") == 1
    assert len(elements(svg, "whisker")) == 3
    assert any(element.text.startswith(HOSTILE[:20]) for element in ElementTree.fromstring(svg).iter("text"))


def test_bland_altman_draws_every_pair_and_three_lines():
    svg = draw_bland_altman([0.1, 0.2], [0.0, 0.05], 0.025, (-0.05, 0.1), "machine minus anna")
    assert marks(svg, "sample") == 2
    assert (len(elements(svg, "centre")), len(elements(svg, "limit-3s"))) == (1, 2)
