import csv
import json
import re
from datetime import datetime
from itertools import pairwise

import pytest
from PIL import Image

from embryofrag.errors import EmbryofragError, UsageError
from embryofrag.phantom import write_archive

NAME = re.compile(
    r"""^D(?P<date>\d{4}[._-]\d{2}[._-]\d{2})_S(?P<slide>\d{3,6})_I(?P<instr>\d{2,5})
     (?:_(?P<kind>[A-Z])(?P<suffix>\d*))?
     (?:[_-]?WELL(?P<well>\d{1,2})|-(?P<well_id>\d{1,2}))?
     (?:_RUN(?P<run>\d{1,5}))?(?P<extra>(?:[_-].*)?)$""",
    re.IGNORECASE | re.VERBOSE,
)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantom")
    write_archive(folder, seed=1, num_embryos=2, frames_per_embryo=4, focal_planes_um=(0, -15), truth_masks=True)
    return folder


@pytest.fixture(scope="module")
def rows(out):
    with (out / "truth.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_truth_names_every_picture_of_the_archive_once(out, rows):
    files = {path.relative_to(out / "archive").as_posix() for path in (out / "archive").rglob("*") if path.is_file()}
    pictures = {file for file in files if file.endswith(".JPG")}
    assert pictures == {row["source"] for row in rows}
    assert len(rows) == len(pictures) == 3 * 4 * 2
    assert {file.rpartition("/")[2] for file in files - pictures} == {f"{row['embryo']}_imageruns.json" for row in rows}


def test_the_run_list_of_a_well_gives_its_hours(out, rows):
    for path in (out / "archive").rglob("*_imageruns.json"):
        times = {entry["Run"]: entry["Time"] for entry in json.loads(path.read_text())["ImageRuns"]}
        hours = {int(row["run"]): float(row["hpi"]) for row in rows if path.name.startswith(row["embryo"])}
        assert times == pytest.approx(hours, abs=0.051)


def test_names_follow_the_export_grammar(out, rows):
    for row in rows:
        slide, embryo, *plane, name = row["source"].split("/")
        match = NAME.match(name.removesuffix(".JPG"))
        assert name.startswith(embryo) and embryo.startswith(slide)
        assert (int(match["well"]), int(match["run"]), match["kind"]) == (int(row["well"]), int(row["run"]), "D")
        assert plane == ([] if row["focal_um"] == "0" else ["F-15"])


def test_header_says_what_the_export_says(out, rows):
    row = next(row for row in rows if row["focal_um"] == "-15")
    with Image.open(out / "archive" / row["source"]) as image:
        exif = image.getexif()
        details = exif.get_ifd(0x8769)
        assert (image.size, image.mode) == ((500, 500), "L")
        image.load()
    assert (exif[0x010F], exif[0x0110]) == ("Vitrolife A/S", "EmbryoScope")
    assert exif[0x0131] == "EmbryoScope/EmbryoViewer/EmbryoServer"
    assert (float(exif[0x011A]), float(exif[0x011B]), exif[0x0128]) == (43688, 43688, 2)
    assert details[0x9286] == b"UNICODE\0" + "Focal plane in mu: -15".encode("utf-16-le")
    stamp = details[0x9004]
    assert stamp.endswith("0x00")
    assert datetime.strptime(stamp.removesuffix("0x00"), "%Y:%m:%d %H:%M:%S").isoformat() == row["acquired_at"]


def test_clock_and_hours_agree(rows):
    first = [row for row in rows if row["well"] == "1" and row["focal_um"] == "0"]
    start, end = (datetime.fromisoformat(first[index]["acquired_at"]) for index in (0, -1))
    assert (end - start).total_seconds() / 3600 == pytest.approx(
        float(first[-1]["hpi"]) - float(first[0]["hpi"]), abs=0.01
    )


def test_first_embryo_lacks_a_run_and_the_last_well_is_empty(rows):
    runs = {well: sorted({int(row["run"]) for row in rows if row["well"] == well}) for well in "123"}
    steps = {well: [b - a for a, b in pairwise(numbers)] for well, numbers in runs.items()}
    assert max(steps["1"]) >= 1.9 * min(steps["1"])
    assert max(steps["2"]) <= 1.1 * min(steps["2"])
    assert {row["stage"] for row in rows if row["well"] == "3"} == {"empty"}
    assert {row["ratio"] for row in rows if row["well"] == "3"} == {""}


def test_truth_masks_lie_beside_the_archive(out, rows):
    hours = {(row["embryo"], row["run"]) for row in rows}
    assert (
        len(list((out / "truth").glob("*_fragment.png")))
        == len(list((out / "truth").glob("*_embryo.png")))
        == len(hours)
    )


def test_same_seed_same_bytes(out, rows, tmp_path):
    write_archive(tmp_path, seed=1, num_embryos=2, frames_per_embryo=4, focal_planes_um=(0, -15), truth_masks=True)
    assert (tmp_path / "truth.csv").read_bytes() == (out / "truth.csv").read_bytes()
    source = rows[0]["source"]
    assert (tmp_path / "archive" / source).read_bytes() == (out / "archive" / source).read_bytes()


def test_embryoscope_plus_claims_a_tenth_of_its_resolution(tmp_path):
    paths = write_archive(tmp_path, seed=1, num_embryos=1, frames_per_embryo=1, instrument="embryoscope_plus")
    with Image.open(paths[0]) as image:
        assert float(image.getexif()[0x011A]) == pytest.approx(7391.4)
        assert image.size == (800, 800)
    assert NAME.match(paths[0].stem)["kind"] == "P"


def test_refusals(tmp_path):
    with pytest.raises(UsageError, match="embryoscope_plus"):
        write_archive(tmp_path / "new", seed=1, instrument="bench")
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(EmbryofragError, match="not an empty folder"):
        write_archive(tmp_path, seed=1)
