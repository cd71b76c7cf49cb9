import json
import sqlite3
from contextlib import closing
from datetime import date

import pandas as pd
import pytest
from conftest import run_grade
from drawn_results import graded, write_results, year_items

from embryofrag.errors import EmbryofragError, UsageError
from embryofrag.records import SCHEMA_VERSION
from embryofrag.report.source import read_results
from embryofrag.run.ledger import LEDGER_NAME
from embryofrag.run.lock import hold_lock

EMBRYO = "D2024.10.20_S01055_I4778_WELL06"


@pytest.fixture(scope="module")
def run(tmp_path_factory, drawn_export, model_dir):
    out = tmp_path_factory.mktemp("report") / "out"
    done = run_grade(drawn_export, out, model_dir)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def year(tmp_path_factory):
    return write_results(tmp_path_factory.mktemp("year"), year_items())


def test_embryos_are_summed_up_as_the_run_did(run):
    theirs = pd.read_csv(run / "embryos.csv", dtype={"refer_reasons": "str"})
    ours = read_results(run).embryos
    for column in theirs:
        expected, found = theirs[column], ours[column]
        if pd.api.types.is_float_dtype(expected):
            assert found.astype("float64").to_numpy() == pytest.approx(expected.to_numpy(), abs=5e-3, nan_ok=True), (
                column
            )
        else:
            assert found.fillna("").astype(str).tolist() == expected.fillna("").astype(str).tolist(), column


def test_frames_and_files_are_those_of_the_tables(run):
    results = read_results(run)
    tables = [pd.read_csv(path) for path in sorted((run / "embryos").glob("*.csv"))]
    assert sorted(results.frames["source"]) == sorted(pd.concat(tables)["source"])
    assert results.files["source"].tolist() == pd.read_csv(run / "files.csv")["source"].tolist()


def test_nothing_in_the_output_folder_changes(run):
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    read_results(run)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_names_tell_instrument_and_date(year):
    first = read_results(year).embryos.iloc[0]
    assert (first["instrument"], str(first["date"].date())) == ("I4778", "2024-01-01")
    assert first["patient"] == first["slide"]


def test_a_period_keeps_its_embryos_frames_and_files(year):
    results = read_results(year, since=date(2024, 2, 1), until=date(2024, 2, 29))
    assert results.embryos["date"].between("2024-02-01", "2024-02-29").all()
    assert set(results.frames["embryo"]) == set(results.embryos["embryo"])
    assert set(results.files["embryo"]) <= set(results.embryos["embryo"])
    assert len(results.embryos) < len(read_results(year).embryos)


def test_a_period_without_embryos_is_refused(year):
    with pytest.raises(UsageError, match=r"no embryo .* is dated between 2030-01-01"):
        read_results(year, since=date(2030, 1, 1))


def test_embryos_without_a_date_are_counted(tmp_path):
    out = write_results(tmp_path / "out", [graded("plain", "f", 0.1), graded(EMBRYO, "f", 0.1, slide=EMBRYO[:-7])])
    assert read_results(out).embryos["date"].isna().tolist() == [True, False]
    assert read_results(out, since=date(2024, 1, 1)).num_undated == 1


def test_another_scheme_grades_the_stored_ratios(tmp_path):
    items = [
        graded("a", "1", 0.26, referred=True, refer_reasons="near_cut unsure_grade"),
        graded("b", "1", 0.49, referred=True, refer_reasons="near_cut"),
    ]
    results = read_results(write_results(tmp_path / "out", items), scheme="istanbul-2011")
    assert results.frames["grade"].tolist() == ["severe", "severe"]
    assert results.frames["refer_reasons"].tolist() == ["near_cut", ""]
    assert results.frames["referred"].tolist() == [True, False]
    assert set(results.embryos["scheme"]) == {"istanbul-2011/1"}


def test_an_unknown_scheme_is_refused(year):
    with pytest.raises(UsageError, match="--scheme is one of regdeeplab"):
        read_results(year, scheme="wrong")


def test_context_fills_in_what_no_name_says(tmp_path):
    out = write_results(tmp_path / "out", [graded("a", "1", 0.2), graded("b", "1", 0.2)])
    (tmp_path / "context.csv").write_text("embryo;operator;date\na;Mia;2024-03-01\n", encoding="utf-8-sig")
    embryos = read_results(out, context=tmp_path / "context.csv").embryos
    assert embryos["operator"].fillna("").tolist() == ["Mia", ""]
    assert embryos["date"].dt.strftime("%Y-%m-%d").fillna("").tolist() == ["2024-03-01", ""]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("embryo,colour\na,red\n", "unknown column 'colour'"),
        ("operator\nMia\n", "one filled column that says whose rows"),
        ("embryo,operator\na,Mia\na,Tom\n", "names embryo a twice"),
        ("embryo,operator\nzz,Mia\n", "zz, which the run does not hold"),
        ("embryo,date\na,1.3.2024\n", "line 2: '1.3.2024' is no date YYYY-MM-DD"),
        ("embryo,operator\na\n", "line 2 has 1 cells and the header 2"),
    ],
)
def test_context_that_does_not_fit_is_refused(tmp_path, text, match):
    out = write_results(tmp_path / "out", [graded("a", "1", 0.2)])
    (tmp_path / "context.csv").write_text(text)
    with pytest.raises(UsageError, match=match):
        read_results(out, context=tmp_path / "context.csv")


def test_no_folder_and_a_folder_of_something_else(tmp_path):
    with pytest.raises(EmbryofragError, match="there is no folder"):
        read_results(tmp_path / "none")
    with pytest.raises(EmbryofragError, match=r"holds no ledger.sqlite; name the --out folder"):
        read_results(tmp_path)


def test_a_run_in_progress_is_refused(year):
    with hold_lock(year), pytest.raises(EmbryofragError, match=r"a run is writing to .*; wait"):
        read_results(year)
    read_results(year)


def test_a_run_that_did_not_end_is_refused(tmp_path):
    out = write_results(tmp_path / "out", [graded("a", "1", 0.2)], run_number=7)
    with pytest.raises(EmbryofragError, match=r"the last run in .* did not end"):
        read_results(out)
    (out / "run.json").unlink()
    with pytest.raises(EmbryofragError, match=r"holds no run.json: its run did not end"):
        read_results(out)


def test_an_empty_run_is_refused(tmp_path):
    with pytest.raises(EmbryofragError, match="found no files"):
        read_results(write_results(tmp_path / "out", []))


def test_a_ledger_of_another_schema_is_refused(tmp_path):
    out = write_results(tmp_path / "out", [graded("a", "1", 0.2)])
    with closing(sqlite3.connect(out / LEDGER_NAME)) as other:
        other.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(EmbryofragError, match="has schema"):
        read_results(out)


def test_a_damaged_ledger_and_settings_are_one_sentence(tmp_path):
    out = write_results(tmp_path / "out", [graded("a", "1", 0.2)])
    run = json.loads((out / "run.json").read_text())
    del run["settings"]["grading"]["referral"]
    (out / "run.json").write_text(json.dumps(run))
    with pytest.raises(EmbryofragError, match=r"the settings in run.json cannot be read"):
        read_results(out)
    (out / LEDGER_NAME).write_bytes(b"no database, but long enough to be read as a header of one" * 20)
    with pytest.raises(EmbryofragError, match="cannot be read"):
        read_results(out)
