import json

import pytest
from drawn import plant

from embryofrag.archive import scan_archive
from embryofrag.archive.clock import parse_times
from embryofrag.errors import ItemError
from embryofrag.records import Outcome

ID = "D2013.01.28_S0717_I132"
CSV = b"frame_index,time\n1,0.3\n2,0.55\n3,0.9\n"
RUNS = json.dumps({"ImageRuns": [{"Run": 1, "Time": 0.3}, {"Run": 3, "Time": 0.7}]}).encode()


def hours(scan):
    return [frame.hpi for frame in scan.frames]


def reasons(scan):
    return [(row.source, row.outcome, row.reason) for row in scan.set_aside]


@pytest.mark.parametrize(
    "sidecar",
    [
        "embryo_dataset_time_elapsed/AA83-7_timeElapsed.csv",
        "embryo_dataset/AA83-7/AA83-7_timeElapsed.csv",
        "embryo_dataset/AA83-7_timeElapsed.csv",
    ],
)
def test_elapsed_times_are_joined_by_run(tmp_path, sidecar):
    plant(tmp_path, *(f"embryo_dataset/AA83-7/{ID}_WELL7_RUN{run}.jpeg" for run in (2, 3, 9)))
    scan = scan_archive(plant(tmp_path, sidecar, content=CSV))
    assert hours(scan) == [0.55, 0.9, None]
    assert reasons(scan) == [(sidecar, Outcome.UNSUPPORTED, "times read for hpi")]


def test_image_runs_are_joined_by_embryo(tmp_path):
    plant(tmp_path, f"chart_{ID}_P-7/F0/RUN3.jpg", f"chart_{ID}_P-8/F0/RUN3.jpg")
    scan = scan_archive(plant(tmp_path, f"chart_{ID}_P-7/{ID}_P-7_imageruns.json", content=RUNS))
    assert hours(scan) == [0.7, None]


def test_times_of_another_embryo_are_not_used(tmp_path):
    plant(tmp_path, f"AA83-7/{ID}_WELL7_RUN1.jpeg")
    scan = scan_archive(plant(tmp_path, "AA83-7/AA83-8_timeElapsed.csv", content=CSV))
    assert hours(scan) == [None]
    assert reasons(scan)[0][2] == "times for hpi, but no frame found goes with them"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x_timeElapsed.csv", b"", "no header"),
        ("x_timeElapsed.csv", b"frame_index,time\n1,soon\n", "could not convert"),
        ("x_timeElapsed.csv", b"frame_index,time\n1\n", "float()"),
        ("x_timeElapsed.csv", b"frame_index,time\n1,nan\n", "no time after"),
        ("x_timeElapsed.csv", b"frame_index,time\n1,2\n1,3\n", "two times"),
        ("x_timeElapsed.csv", b"\xff\xfe\x00", "UnicodeDecodeError"),
        ("x_imageruns.json", b'{"ImageRuns": [{"Run": 1, "Time": 0.3}', "JSONDecodeError"),
        ("x_imageruns.json", b'{"ImageRuns": 5}', "no list ImageRuns"),
        ("x_imageruns.json", b'{"ImageRuns": [5]}', "TypeError"),
        ("x_imageruns.json", b'{"ImageRuns": [{"Run": 1}]}', "KeyError"),
        ("x_imageruns.json", b'{"ImageRuns": [{"Run": 1, "Time": 1e999}]}', "no time after"),
        ("x_imageruns.json", b'{"ImageRuns": [{"Run": 1e999, "Time": 1}]}', "OverflowError"),
        ("x_imageruns.json", b"[" * 200_000, "RecursionError"),
    ],
)
def test_a_broken_time_file_is_a_row_of_its_own(tmp_path, name, content, words):
    with pytest.raises(ItemError) as caught:
        parse_times(name, content)
    assert words in caught.value.reason
    plant(tmp_path, "x/1.jpg", "x/2.jpg")
    scan = scan_archive(plant(tmp_path, f"x/{name}", content=content))
    assert hours(scan) == [None, None]
    assert reasons(scan) == [(f"x/{name}", Outcome.DAMAGED, caught.value.reason)]


def test_times_override_the_name(tmp_path):
    plant(tmp_path, f"AA1-1/{ID}_WELL7_RUN1_50h.jpeg", f"AA1-1/{ID}_WELL7_RUN8_51h.jpeg")
    assert hours(scan_archive(plant(tmp_path, "AA1-1/AA1-1_timeElapsed.csv", content=CSV))) == [0.3, 51.0]
