import numpy as np
import pytest
from drawn_results import SCHEME, graded, write_results
from sklearn.metrics import cohen_kappa_score

from embryofrag.errors import UsageError
from embryofrag.grading.schemes import grade_ratio
from embryofrag.report.agreement import agreement_tables
from embryofrag.report.calibration import calibration_tables, coverage_row, reliability_rows
from embryofrag.report.human import read_human
from embryofrag.report.overrides import add_overrides
from embryofrag.report.source import read_results

RATIOS = np.linspace(0.02, 0.7, 30)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    items = [
        graded(
            f"e{place:02}", "f", float(ratio), slide=f"s{place // 3}", ratio_lo90=float(ratio) - 0.01,
            ratio_hi90=float(ratio) + 0.05, grade_probabilities="A=0.70 B=0.30 C=0.00 D=0.00",
        )
        for place, ratio in enumerate(RATIOS)
    ]  # fmt: skip
    return read_results(write_results(tmp_path_factory.mktemp("human") / "out", items))


def written(folder, text: str):
    path = folder / "human.csv"
    path.write_text(text)
    return path


def two_raters(folder):
    lines = ["embryo,rater,ratio"]
    for place, ratio in enumerate(RATIOS):
        lines += [f"e{place:02},Mia,{ratio + 0.05:.4f}", f"e{place:02},Tom,{max(0, ratio - 0.03):.4f}"]
    return written(folder, "\n".join(lines))


def test_machine_against_each_rater_and_both_against_each_other(results, tmp_path):
    human = read_human(two_raters(tmp_path), results)
    tables = {table.name: table.data for table in agreement_tables(human, SCHEME)}
    scores, confusion = tables["agreement"], tables["confusion"]
    pairs = scores[["first", "second"]].drop_duplicates().to_numpy().tolist()
    assert pairs == [["Mia", "machine"], ["Tom", "machine"], ["Mia", "Tom"]]
    mia = scores[(scores["first"] == "Mia") & (scores["second"] == "machine")].set_index("measure")
    assert mia.loc["bias", "value"] == pytest.approx(-0.05, abs=1e-4)
    machine = [grade_ratio(ratio, SCHEME) for ratio in RATIOS]
    person = [grade_ratio(round(ratio + 0.05, 4), SCHEME) for ratio in RATIOS]
    expected = cohen_kappa_score(person, machine, weights="quadratic")
    assert mia.loc["kappa_quadratic", "value"] == pytest.approx(expected)
    assert (mia.loc["exact", "n"], mia.loc["exact", "patients"]) == (30, 10)
    assert mia.loc["kappa", "low95"] <= mia.loc["kappa", "value"] <= mia.loc["kappa", "high95"]
    assert confusion.filter(like="second_").to_numpy().sum() == 3 * 30
    assert tables["unmatched"].empty


def test_rows_without_a_counterpart_are_listed_with_the_reason(results, tmp_path):
    path = written(tmp_path, "embryo,frame,rater,grade\ne00,,Mia,A\nzz,,Mia,A\ne01,nine,Mia,A\n")
    human = read_human(path, results)
    assert len(human.matched) == 1
    assert human.unmatched[["line", "why"]].to_numpy().tolist() == [
        [3, "no such embryo here"],
        [4, "no such frame of this embryo"],
    ]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("embryo,grade\ne00,A\n", "lacks the column rater"),
        ("embryo,rater,mark\ne00,Mia,A\n", "unknown column 'mark'"),
        ("embryo,rater,grade\ne00,Mia,E\n", "line 2: 'E' is no grade of the scheme regdeeplab/1: A, B, C, D"),
        ("embryo,rater,ratio\ne00,Mia,15\n", "line 2: a ratio is a number from 0 to 1"),
        ("embryo,rater,grade\ne00,Mia,A\n\ne00,Mia,B\n", "line 4: this rater has graded the same"),
        ("embryo,rater,grade\ne00,,A\n", "line 2: an embryo and a rater are needed"),
        ("embryo,rater,grade,ratio\ne00,Mia,,\n", "line 2: a grade or a ratio is needed"),
        ("embryo,rater,grade,date\ne00,Mia,A,yesterday\n", "'yesterday' is no date"),
    ],
)
def test_grades_that_do_not_fit_are_refused(results, tmp_path, text, match):
    with pytest.raises(UsageError, match=match):
        read_human(written(tmp_path, text), results)


def test_a_spreadsheets_csv_is_read_too(results, tmp_path):
    path = tmp_path / "human.csv"
    path.write_bytes("\ufeffembryo;rater;ratio\r\ne00;Mia;0,12\r\n".encode())
    assert read_human(path, results).matched.loc[0, ["ratio", "grade"]].tolist() == [0.12, "B"]


def test_no_text_and_no_file_are_one_sentence(results, tmp_path):
    (tmp_path / "human.csv").write_bytes(b"embryo,rater,grade\n\xff\xfe,x,A\n")
    with pytest.raises(UsageError, match="is not UTF-8"):
        read_human(tmp_path / "human.csv", results)
    with pytest.raises(UsageError, match="cannot be read"):
        read_human(tmp_path / "none.csv", results)


def test_intervals_are_counted_against_the_persons_ratio(results, tmp_path):
    lines = ["embryo,frame,rater,ratio"]
    lines += [f"e{place:02},f,Mia,{ratio + (0.03 if place % 3 else 0.06):.4f}" for place, ratio in enumerate(RATIOS)]
    matched = read_human(written(tmp_path, "\n".join(lines)), results).matched
    row = coverage_row("Mia", matched)
    assert (row["frames"], row["inside"]) == (30, 20)


def test_calibration_error_is_the_gap_between_sureness_and_truth(results, tmp_path):
    """The likeliest grade is A at .70 everywhere, and 3 of 30 people say A: a gap of .60."""
    lines = ["embryo,frame,rater,grade", *(f"e{place:02},f,Mia,{'A' if place < 3 else 'B'}" for place in range(30))]
    human = read_human(written(tmp_path, "\n".join(lines)), results)
    table, error = reliability_rows(human.matched)
    assert error == pytest.approx(0.6)
    assert table["n"].tolist() == [30]
    risk = calibration_tables(human)[2].data
    assert risk["n"].tolist() == list(range(3, 31, 3))


def test_without_human_grades_the_tables_say_how_to_add_them():
    for tables in (agreement_tables(None, SCHEME), calibration_tables(None)):
        assert "--human" in tables[0].note
        assert tables[0].data.empty


def test_an_override_keeps_the_old_grade(results, tmp_path):
    path = written(tmp_path, "embryo,grade,who,when,why\ne00,D,Mia,2024-05-01,debris\n")
    row = add_overrides(results.embryos, path, SCHEME).iloc[0]
    assert (row["grade"], row["final_grade"], row["override_by"], row["override_why"]) == ("A", "D", "Mia", "debris")
    assert add_overrides(results.embryos, path, SCHEME).iloc[1]["final_grade"] == results.embryos.iloc[1]["grade"]


@pytest.mark.parametrize(
    ("row", "match"),
    [
        ("e00,D,Mia,2024-05-01,", "all needed"),
        ("e00,F,Mia,2024-05-01,x", "no grade of the scheme"),
        ("zz,D,Mia,2024-05-01,x", "no such embryo"),
        ("e00,D,Mia,2024-05-01,x\ne00,C,Mia,2024-05-01,x", "line 3: the embryo stands in an earlier row"),
        ("e00,D,Mia,soon,x", "no date"),
    ],
)
def test_overrides_that_do_not_fit_are_refused(results, tmp_path, row, match):
    path = written(tmp_path, f"embryo,grade,who,when,why\n{row}\n")
    with pytest.raises(UsageError, match=match):
        add_overrides(results.embryos, path, SCHEME)
