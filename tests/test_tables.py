import csv

import pytest

from embryofrag.grading.embryo import WINDOW_COLUMNS
from embryofrag.records import Outcome
from embryofrag.run.ledger import open_ledger
from embryofrag.run.outputs import Outputs
from embryofrag.run.results import Item
from embryofrag.run.settings import RunSettings
from embryofrag.run.tables import EMBRYO_COLUMNS, FILE_COLUMNS, FRAME_COLUMNS, write_tables

GRADED = {
    "size_bytes": 1, "mtime_ns": 1, "outcome": Outcome.GRADED, "ratio_mask": 0.2, "scheme": "regdeeplab/1",
    "denominator": "embryo", "fragment_area_px": 20, "embryo_area_px": 100, "num_fragments": 2, "referred": False,
    "model": "m@1", "engine_a": "a", "engine_b": "b", "slide": "S", "well": 3,
}  # fmt: skip


def frame(embryo: str, run: int, ratio: float | None, **values) -> Item:
    base = GRADED | {"embryo": embryo, "frame": f"RUN{run}", "source": f"{embryo}/{run}.jpg", "run": run}
    return Item(**base | {"ratio_reg": ratio, "grade": None if ratio is None else "B"} | values)


@pytest.fixture
def tables(tmp_path):
    """Write the tables of some items; returns name -> rows."""

    def write(*items: Item, settings: RunSettings = RunSettings()) -> dict[str, list[dict]]:  # noqa: B008 - frozen
        with open_ledger(tmp_path) as ledger:
            ledger.record(items)
            ledger.begin_run(item.source for item in items)
            write_tables(ledger, Outputs(tmp_path), settings)
        return {path.name: list(csv.DictReader(path.open(newline=""))) for path in tmp_path.rglob("*.csv")}

    return write


def test_columns_are_the_contract(tables, tmp_path):
    tables(frame("e", 1, 0.2))
    header = {path.name: path.read_text().splitlines()[0].split(",") for path in tmp_path.rglob("*.csv")}
    assert tuple(header["files.csv"]) == FILE_COLUMNS
    assert tuple(header["e.csv"]) == FRAME_COLUMNS
    windows = [f"{window}_{column}" for window in ("day2", "day3") for column in WINDOW_COLUMNS]
    assert header["embryos.csv"] == [*EMBRYO_COLUMNS, *windows]


def test_numbers_have_fixed_decimals_and_unknown_is_blank(tables):
    (row,) = tables(frame("e", 1, 0.123456, hpi=33.0, focal_um=-15.0, um_per_px=0.58139))["e.csv"]
    assert (row["ratio_reg"], row["hpi"], row["focal_um"], row["um_per_px"]) == ("0.1235", "33.00", "-15.0", "0.5814")
    (row,) = tables(frame("e", 1, None, outcome=Outcome.DAMAGED, ratio_mask=None, referred=None))["e.csv"]
    assert (row["ratio_reg"], row["ratio_mask"], row["hpi"], row["referred"]) == ("", "", "", "")


def test_an_embryo_is_summed_up_over_its_graded_frames(tables):
    (row,) = tables(
        frame("e", 1, 0.10, hpi=43.5),
        frame("e", 2, 0.20, hpi=44.5),
        frame("e", 3, 0.60, hpi=60.0, referred=True),
        frame("e", 4, None, outcome=Outcome.NO_EMBRYO, hpi=61.0),
        Item(source="e/x.jpg", size_bytes=1, mtime_ns=1, embryo="e", outcome=Outcome.OTHER_PLANE, reason="15 um"),
    )["embryos.csv"]
    counts = [row[f"num_{name}"] for name in ("frames", "graded", "no_embryo", "referred")]
    assert counts == ["4", "3", "1", "1"]
    assert (row["ratio_median"], row["ratio_max"], row["ratio_last"], row["grade"]) == (
        "0.2000",
        "0.6000",
        "0.6000",
        "B",
    )
    assert (row["day2_n"], row["day2_ratio_median"], row["day2_grade"]) == ("2", "0.1500", "B")
    assert (row["day3_n"], row["day3_ratio_median"], row["day3_grade"]) == ("0", "", "")
    assert (row["hpi_first"], row["hpi_last"], row["slide"], row["well"]) == ("43.50", "61.00", "S", "3")


def test_an_embryo_without_hours_has_blank_windows(tables):
    (row,) = tables(frame("e", 1, 0.3))["embryos.csv"]
    assert (row["day2_n"], row["day2_ratio_median"], row["hpi_first"]) == ("", "", "")


def test_an_empty_well_has_no_ratio(tables):
    (row,) = tables(frame("e", 1, None, outcome=Outcome.NO_EMBRYO, ratio_mask=None, referred=None))["embryos.csv"]
    assert (row["num_graded"], row["num_no_embryo"], row["ratio_median"], row["grade"]) == ("0", "1", "", "")


def test_files_without_an_embryo_are_in_the_list_of_files_alone(tables):
    text = Item(source="a, b.txt", size_bytes=1, mtime_ns=1, outcome=Outcome.UNSUPPORTED, reason='said "no"')
    rows = tables(text, frame("e", 1, 0.2))
    assert rows["files.csv"][0] == {
        "source": "a, b.txt", "embryo": "", "outcome": "unsupported", "reason": 'said "no"',
    }  # fmt: skip
    assert [row["embryo"] for row in rows["embryos.csv"]] == ["e"]


def test_tables_of_embryos_that_left_go(tables, tmp_path):
    tables(frame("e", 1, 0.2), frame("f", 1, 0.2))
    tables(frame("e", 1, 0.2))
    assert {path.name for path in (tmp_path / "embryos").iterdir()} == {"e.csv"}
