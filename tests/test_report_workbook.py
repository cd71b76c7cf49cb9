import csv
import io
import json
import zipfile
from xml.etree import ElementTree

import openpyxl
import pytest
from drawn_results import graded, write_results, year_items

from embryofrag.records import Outcome
from embryofrag.report import make as make_module
from embryofrag.report.choices import ReportChoices
from embryofrag.report.csv_files import FORMULA_STARTS, machine_csv, spreadsheet_csv
from embryofrag.report.json_file import contents_json
from embryofrag.report.make import make_report
from embryofrag.report.pictures import Album
from embryofrag.report.sections import make_contents
from embryofrag.report.source import read_results
from embryofrag.report.summary import outcome_table
from embryofrag.report.workbook import write_workbook
from embryofrag.run.atomic import OutputError
from embryofrag.run.results import Item

SECTIONS = [
    "about", "summary", "embryos", "frames", "control", "agreement", "bias", "calibration", "drift", "failures",
    "provenance",
]  # fmt: skip
HOSTILE = ["=1+1", "+cmd|' /C calc'!A0", "-2", "@SUM(A1)", "007", "1e5", "_x0041_", "http://a/b"]


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    out = write_results(tmp_path_factory.mktemp("book") / "out", year_items(num_slides=40, per_slide=3, num_frames=2))
    return make_contents(read_results(out), ReportChoices(min_n=3), {"embryofrag": "0"})[0]


@pytest.fixture(scope="module")
def book_path(contents, tmp_path_factory):
    path = tmp_path_factory.mktemp("xlsx") / "report.xlsx"
    write_workbook(contents, Album(contents.results), path)
    return path


def cells(sheet):
    return [cell for row in sheet.iter_rows() for cell in row if cell.value is not None]


def test_every_section_is_a_sheet_with_its_tables(contents, book_path):
    book = openpyxl.load_workbook(book_path)
    assert book.sheetnames == SECTIONS == list(contents.sections)
    for name, tables in contents.sections.items():
        shown = {cell.value for cell in cells(book[name])}
        assert all(name == "control" or table.title in shown for table in tables), name
    assert book["frames"].max_row == 3 + len(contents.results.frames)
    assert book["frames"].freeze_panes == "B4"
    assert book["embryos"].auto_filter.ref
    assert len(book["control"]._charts) >= 5
    assert len(book["summary"]._charts) == 2


def test_all_parts_of_the_workbook_are_well_formed(book_path):
    with zipfile.ZipFile(book_path) as book:
        assert book.testzip() is None
        for name in book.namelist():
            if name.endswith((".xml", ".rels")):
                ElementTree.fromstring(book.read(name))


def test_names_are_text_and_none_is_ever_a_formula(tmp_path):
    items = [graded(f"e{place}", text, 0.1, source=text, slide=text) for place, text in enumerate(HOSTILE)]
    items.append(Item(source="=bad", size_bytes=1, mtime_ns=1, outcome=Outcome.DAMAGED, reason="=HYPERLINK(1)"))
    results = read_results(write_results(tmp_path / "out", items))
    contents, _ = make_contents(results, ReportChoices(), {})
    write_workbook(contents, Album(results), tmp_path / "report.xlsx")
    book = openpyxl.load_workbook(tmp_path / "report.xlsx")
    assert not [cell.coordinate for sheet in book for cell in cells(sheet) if cell.data_type == "f"]
    shown = {cell.value: cell.data_type for cell in cells(book["frames"])}
    assert all(shown.get(text) in ("s", "inlineStr") for text in HOSTILE if text != "_x0041_")
    with zipfile.ZipFile(tmp_path / "report.xlsx") as parts:
        assert not any(b"<f>" in parts.read(name) for name in parts.namelist() if "worksheets/sheet" in name)


def test_the_counts_add_up_to_the_files_found(contents):
    files = outcome_table(contents.results).data["files"]
    assert files.iloc[:-1].sum() == files.iloc[-1] == len(contents.results.files)


def test_grade_shares_add_up_in_every_group(contents):
    for table in contents.sections["summary"][2:]:
        shares = table.data[[f"share_{grade}" for grade in "ABCD"]]
        assert shares.sum(axis=1).to_numpy() == pytest.approx(1)
        assert table.data["graded"].sum() == len(contents.results.embryos)


def test_a_workbook_that_cannot_be_written_leaves_the_old_one(contents, tmp_path, monkeypatch):
    path = tmp_path / "report.xlsx"
    path.write_bytes(b"old")

    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("embryofrag.report.workbook.write_embryo_sheet", no_space)
    with pytest.raises(OutputError, match="No space left"):
        write_workbook(contents, Album(contents.results), path)
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["report.xlsx"]


def test_the_csv_for_programs_reads_back(contents):
    text = machine_csv(contents.results.embryos).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert not text.startswith("\ufeff")
    assert "\r" not in text
    assert [row["embryo"] for row in rows] == contents.results.embryos["embryo"].tolist()
    assert (rows[0]["date"], rows[0]["referred"]) == ("2024-01-01", "false")


def test_the_csv_for_spreadsheets_holds_no_formula(contents):
    data = contents.results.embryos.assign(slide=[HOSTILE[place % 4] for place in range(len(contents.results.embryos))])
    raw = spreadsheet_csv(data, ";")
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""), delimiter=";"))
    assert raw.count(b"\r\n") == len(rows)
    assert not any(cell.startswith(FORMULA_STARTS) for row in rows for cell in row)
    assert "," in rows[1][rows[0].index("ratio_median")]


def test_the_json_holds_every_table_but_the_long_ones(contents):
    document = json.loads(contents_json(contents, {"embryofrag": "0"}))
    names = {table.name for section, tables in contents.sections.items() for table in tables
             if section not in ("embryos", "frames")}  # fmt: skip
    assert set(document["tables"]) == names
    assert document["tables"]["outcomes"]["rows"][-1]["outcome"] == "files found"


def test_a_run_without_a_single_grade_still_has_a_report(tmp_path):
    broken = Item(source="a.jpg", size_bytes=1, mtime_ns=1, outcome=Outcome.DAMAGED, reason="ends too soon")
    out = write_results(tmp_path / "out", [broken])
    report = make_report(out, None, ReportChoices(overlays="none"), lambda _: None)
    book = openpyxl.load_workbook(report.folder / "report.xlsx")
    assert "a.jpg" in {cell.value for cell in cells(book["failures"])}


def test_the_whole_report_lies_in_its_folder(tmp_path, monkeypatch):
    out = write_results(tmp_path / "out", [graded("a", "1", 0.2), graded("b", "1", 0.3)])
    told = []
    report = make_report(out, tmp_path / "there", ReportChoices(overlays="none"), told.append)
    names = {path.name for path in report.folder.iterdir()}
    assert {"report.xlsx", "report.html", "report.json", "csv", "csv-excel"} <= names
    tables = {path.stem for path in (report.folder / "csv").iterdir()}
    assert tables == {path.stem for path in (report.folder / "csv-excel").iterdir()}
    assert {"embryos", "frames", "outcomes", "control"} <= tables
    assert told[0] == "reading the ledger"
    assert make_module.PAGE_NAME in " ".join(told)
