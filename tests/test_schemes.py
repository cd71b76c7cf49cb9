import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from embryofrag.grading.schemes import SCHEMES, Scheme, cut_distance, grade_ratio

ratios = st.floats(0.0, 1.0)
schemes = st.sampled_from(list(SCHEMES.values()))


@pytest.mark.parametrize(
    ("name", "cut", "below", "on", "above"),
    [
        ("regdeeplab", 0.10, "A", "B", "B"),
        ("regdeeplab", 0.25, "B", "C", "C"),
        ("regdeeplab", 0.50, "C", "C", "D"),
        ("istanbul-2011", 0.10, "mild", "moderate", "moderate"),
        ("istanbul-2011", 0.25, "moderate", "moderate", "severe"),
    ],
)
def test_cuts_belong_where_the_source_says(name, cut, below, on, above):
    scheme = SCHEMES[name]
    assert grade_ratio(np.nextafter(cut, 0.0), scheme) == below
    assert grade_ratio(cut, scheme) == on
    assert grade_ratio(np.nextafter(cut, 1.0), scheme) == above
    assert cut_distance(cut, scheme) == 0.0


@pytest.mark.parametrize("name", SCHEMES)
def test_ends_get_the_first_and_last_grade(name):
    scheme = SCHEMES[name]
    assert scheme.name == name
    assert grade_ratio(0.0, scheme) == scheme.grades[0]
    assert grade_ratio(1.0, scheme) == scheme.grades[-1]


@given(ratios, ratios, schemes)
def test_a_higher_ratio_never_gets_a_lower_grade(one, other, scheme):
    low, high = sorted((one, other))
    assert scheme.grades.index(grade_ratio(low, scheme)) <= scheme.grades.index(grade_ratio(high, scheme))


@given(ratios, schemes)
def test_moving_less_than_the_cut_distance_keeps_the_grade(ratio, scheme):
    step = 0.999 * cut_distance(ratio, scheme)
    assume(step > 1e-12)
    neighbours = (max(0.0, ratio - step), min(1.0, ratio + step))
    assert {grade_ratio(neighbour, scheme) for neighbour in neighbours} == {grade_ratio(ratio, scheme)}


@given(st.integers(1, 10_000).flatmap(lambda whole: st.tuples(st.integers(0, whole), st.just(whole))))
def test_ratios_of_counts_are_graded_as_exact_fractions(part_and_whole):
    part, whole = part_and_whole
    expected = "A" if 10 * part < whole else "B" if 4 * part < whole else "C" if 2 * part <= whole else "D"
    assert grade_ratio(part / whole, SCHEMES["regdeeplab"]) == expected


@pytest.mark.parametrize("ratio", [-1e-9, 1.0000001, math.nan, math.inf, -math.inf])
def test_refuses_what_is_no_ratio(ratio):
    for measure in (grade_ratio, cut_distance):
        with pytest.raises(ValueError, match=r"lies in 0\.\.1"):
            measure(ratio, SCHEMES["regdeeplab"])


@pytest.mark.parametrize(
    "change",
    [
        {"cuts": (0.1, 0.5)},
        {"cuts": (0.5,), "cut_joins_lower": ()},
        {"cuts": (0.0,)},
        {"cuts": (1.0,)},
        {"grades": ("x",)},
    ],
)
def test_refuses_schemes_that_do_not_add_up(change):
    fields = {"grades": ("low", "high"), "cuts": (0.5,), "cut_joins_lower": (True,)} | change
    with pytest.raises(ValueError, match="scheme lab"):
        Scheme(name="lab", version="1", source="own", **fields)


def test_refuses_falling_or_repeated_cuts():
    for cuts in ((0.5, 0.2), (0.2, 0.2)):
        with pytest.raises(ValueError, match="must rise"):
            Scheme(
                name="lab", version="1", source="own", grades=("a", "b", "c"), cuts=cuts, cut_joins_lower=(True, True)
            )


def test_label_names_the_version():
    assert [scheme.label for scheme in SCHEMES.values()] == ["regdeeplab/1", "istanbul-2011/1"]
