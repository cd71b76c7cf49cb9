import json

import pytest
from click.testing import CliRunner
from drawn_results import graded, write_results, year_items

from embryofrag.cli import main

QUICK = ("--overlays", "none")


@pytest.fixture(scope="module")
def year(tmp_path_factory):
    return write_results(tmp_path_factory.mktemp("cli") / "out", year_items(num_slides=48, per_slide=3, num_frames=1))


def run(*arguments):
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


def test_the_report_is_named_and_the_baseline_frozen(year, tmp_path):
    baseline = tmp_path / "baseline.json"
    options = ("--by", "month", "--baseline", "2024-01-01", "2024-09-30", "--freeze-baseline", baseline)
    done = run(year, "--to", tmp_path / "a", *options, *QUICK)
    assert done.exit_code == 0, done.output
    assert "report.xlsx" in done.stdout
    assert "Research use only" in done.stdout
    again = run(year, "--to", tmp_path / "b", "--by", "month", "--baseline-file", baseline, "--json", *QUICK)
    assert again.exit_code == 0, again.output
    document = json.loads(again.stdout)
    assert document["made"]["options"]["by"] == "month"
    assert len(document["made"]["sha256"]["baseline_file"]) == 64
    assert document["tables"]["control"]["rows"][0]["in_baseline"] is True


def test_a_known_change_is_marked(year, tmp_path):
    done = run(year, "--to", tmp_path / "a", "--change", "2024-06-01=new lamp", "--json", *QUICK)
    marks = [row["change"] for row in json.loads(done.stdout)["tables"]["control"]["rows"]]
    assert "2024-06-01 new lamp" in marks


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--change", "lamp"), "--change is DATE=TEXT"),
        (("--since", "1.3.2024"), "is no date YYYY-MM-DD"),
        (("--scheme", "wrong"), "--scheme is one of"),
        (("--human", "none.csv"), "--human none.csv cannot be read"),
        (("--min-n", "0"), "--min-n is at least 1"),
    ],
)
def test_wrong_use_is_one_sentence(year, tmp_path, options, words):
    done = run(year, "--to", tmp_path / "a", *options, *QUICK)
    assert done.exit_code == 2
    assert words in done.output
    assert not (tmp_path / "a" / "report.xlsx").exists()


def test_no_results_are_one_sentence(tmp_path):
    done = run(tmp_path)
    assert done.exit_code == 1
    assert "holds no ledger.sqlite" in done.output


def test_a_baseline_that_is_not_there_cannot_be_frozen(tmp_path):
    out = write_results(tmp_path / "out", [graded("a", "1", 0.2)])
    done = run(out, "--freeze-baseline", tmp_path / "baseline.json", *QUICK)
    assert done.exit_code == 2
    assert "no baseline to freeze" in done.output
