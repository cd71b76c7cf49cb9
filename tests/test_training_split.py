from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embryofrag.errors import EmbryofragError, UsageError
from embryofrag.training.row import Row
from embryofrag.training.split import PARTS, read_split, split_rows, write_split

GROUPS = st.lists(st.lists(st.sampled_from("ABCD"), min_size=1, max_size=5), min_size=1, max_size=25)


def make_rows(groups: list) -> tuple[Row, ...]:
    """Rows of one patient for each list of grades."""
    graded = [(f"P{number}", grade) for number, grades in enumerate(groups) for grade in grades]
    return tuple(
        Row(line=line, image=Path(f"{line}.png"), patient=patient, grade=grade)
        for line, (patient, grade) in enumerate(graded, start=2)
    )


def groups_of(rows: tuple[Row, ...]) -> set[str]:
    return {row.group for row in rows}


@given(GROUPS, st.integers(0, 2**32))
def test_no_group_is_cut_and_no_row_lost(groups, seed):
    rows = make_rows(groups)
    split = split_rows(rows, seed)
    parts = [getattr(split, part) for part in PARTS]
    assert sorted(row.line for part in parts for row in part) == [row.line for row in rows]
    assert sum(len(groups_of(part)) for part in parts) == len(groups)
    assert all(list(part) == sorted(part, key=lambda row: row.line) for part in parts)
    assert split == split_rows(rows, seed)


@given(GROUPS, st.integers(0, 100))
def test_a_part_is_empty_only_for_want_of_groups(groups, seed):
    split = split_rows(make_rows(groups), seed)
    assert [bool(getattr(split, part)) for part in PARTS] == [len(groups) >= needed for needed in (1, 2, 3)]


@pytest.mark.parametrize("seed", range(5))
def test_parts_come_near_their_share_of_every_grade(seed):
    rows = make_rows([[grade] * size for grade, size in zip("ABCD" * 30, [1, 2, 3, 4, 5] * 24, strict=True)])
    split = split_rows(rows, seed)
    total = Counter(row.grade for row in rows)
    for part, share in zip(PARTS, (0.7, 0.15, 0.15), strict=True):
        held = Counter(row.grade for row in getattr(split, part))
        assert all(abs(held[grade] / total[grade] - share) < 0.04 for grade in "ABCD")


@pytest.mark.parametrize("seed", range(5))
def test_a_large_group_does_not_upset_the_shares(seed):
    split = split_rows(make_rows([["A"]] * 14 + [["A"] * 6]), seed)
    assert [len(getattr(split, part)) for part in PARTS] == [14, 3, 3]


def test_ratios_stand_in_for_grades():
    ratios = [0.05, 0.6] * 20
    rows = tuple(Row(line=i, image=Path(f"{i}.png"), ratio=ratio) for i, ratio in enumerate(ratios))
    split = split_rows(rows, 0)
    assert Counter(row.ratio for row in split.val) == Counter(row.ratio for row in split.test) == {0.05: 3, 0.6: 3}


def test_the_seed_decides():
    rows = make_rows([["A"]] * 40)
    assert len({split_rows(rows, seed).test for seed in range(5)}) > 1


def test_a_share_of_nothing_stays_empty():
    split = split_rows(make_rows([["A"]] * 10), 0, val_share=0.3, test_share=0.0)
    assert (len(split.train), len(split.val), len(split.test)) == (7, 3, 0)


@pytest.mark.parametrize(("val_share", "test_share"), [(-0.1, 0.1), (0.5, 0.5), (0.2, 1.0), (float("nan"), 0.1)])
def test_shares_that_leave_no_training_rows_are_refused(val_share, test_share):
    with pytest.raises(UsageError, match="leave no training rows"):
        split_rows(make_rows([["A"]]), 0, val_share, test_share)


def test_a_written_split_reads_back(tmp_path):
    rows = make_rows([["A", "B"]] * 9)
    split = split_rows(rows, 3)
    write_split(tmp_path / "split.csv", split)
    assert read_split(tmp_path / "split.csv", rows) == split
    assert (tmp_path / "split.csv").read_text().splitlines()[:1] == ["group,part"]
    some = read_split(tmp_path / "split.csv", rows[:4])
    assert len(some.train + some.val + some.test) == 4


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("group,part\npatient P0,train\npatient P0,test\n", "'patient P0' in train and in test"),
        ("group,part\npatient P1,train\n", "does not say where 'patient P0' \\(line 2"),
        ("group,part\npatient P0,holdout\n", "is no split"),
        ("group,part\npatient P0\n", "is no split"),
        ("patient P0,train\n", "is no split"),
        ("", "is no split"),
    ],
)
def test_a_split_that_leaks_or_does_not_fit_is_refused(tmp_path, text, reason):
    (tmp_path / "split.csv").write_text(text)
    with pytest.raises(EmbryofragError, match=reason):
        read_split(tmp_path / "split.csv", make_rows([["A"]]))


def test_a_missing_split_is_named(tmp_path):
    with pytest.raises(EmbryofragError, match=r"none\.csv cannot be read"):
        read_split(tmp_path / "none.csv", ())
