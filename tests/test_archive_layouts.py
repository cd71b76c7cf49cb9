import pytest
from drawn import plant

from embryofrag.archive import ScanOptions, scan_archive
from embryofrag.records import Outcome


def scan_all(tmp_path, *names, **options):
    return scan_archive(plant(tmp_path, *names), ScanOptions(**({"focal_um": None} | options)))


def embryos(scan):
    return {frame.source: frame.embryo for frame in scan.frames}


def test_database_dumps_are_read(tmp_path):
    scan = scan_all(
        tmp_path,
        "D2019.04.26_S02266_I0141_D_8_13_-15_43581.6681344444.jpg",
        "M0831_S00479_W8_F0_3363.jpg",
        "D2019.04.26_S02266_I0141_D_WELL08_RUN013.jpg",
    )
    by_run, _, by_minute = scan.frames
    assert (by_run.layout, by_run.embryo, by_run.run) == ("pdb_dump", "D2019.04.26_S2266_I141_WELL08", 13)
    assert (by_run.frame, by_run.focal_um, by_run.hpi) == ("RUN0013_F-15", -15.0, None)
    assert (by_minute.layout, by_minute.embryo, by_minute.well) == ("pdb_dump", "M0831_S00479_WELL08", 8)
    assert (by_minute.frame, by_minute.focal_um, by_minute.hpi) == ("MIN03363_F0", 0.0, pytest.approx(56.05))
    assert len({frame.embryo for frame in scan.frames}) == 2


def test_a_dump_in_the_wrong_well_folder_is_a_conflict(tmp_path):
    (row,) = scan_all(tmp_path, "WELL07/M0831_S00479_W8_F0_3363.jpg").set_aside
    assert (row.outcome, row.reason) == (Outcome.CONFLICT, "well: the folder says 7, the name says 8")


def test_the_plane_in_a_name_is_read(tmp_path):
    names = [f"good_23765483_{plane}_3AA.jpg" for plane in (-45, -15, 0, 15)]
    scan = scan_archive(plant(tmp_path, *names, "sets/dish-3-F15-157.jpg", "sets/dish-3-F0-157.jpg"))
    assert [(frame.embryo, frame.focal_um, frame.run) for frame in scan.frames] == [
        ("good_23765483", 0.0, None),
        ("sets__dish-3", 0.0, 157),
    ]
    assert {(row.embryo, row.outcome) for row in scan.set_aside} == {
        ("good_23765483", Outcome.OTHER_PLANE),
        ("sets__dish-3", Outcome.OTHER_PLANE),
    }


def test_numbers_in_a_plain_series_are_no_planes(tmp_path):
    scan = scan_all(tmp_path, "emb_7_15_001.jpg", "emb_7_15_002.jpg")
    assert {frame.focal_um for frame in scan.frames} == {None}


def test_a_folder_of_numbered_images_is_one_embryo(tmp_path):
    scan = scan_all(tmp_path, "dish 1/e1/001.jpg", "dish 1/e1/002.jpg", "dish 1/e2/001.jpg", "dish 1/e2/002.jpg")
    assert set(embryos(scan).values()) == {"dish_x201__e1", "dish_x201__e2"}
    assert [frame.run for frame in scan.frames] == [1, 2, 1, 2]


def test_stems_that_differ_otherwise_are_embryos(tmp_path):
    scan = scan_all(tmp_path, "m/1cell.jpg", "m/2cells.jpg", "m/3cells.jpg", "t/1cell.png", "t/single_7.png")
    assert len(set(embryos(scan).values())) == 5
    assert all(frame.run is None for frame in scan.frames)


def test_two_series_in_one_folder_are_two_embryos(tmp_path):
    scan = scan_all(tmp_path, "d/a_1.jpg", "d/a_2.jpg", "d/b_1.jpg", "d/b_2.jpg", "d/overview.jpg")
    assert set(embryos(scan).values()) == {"d__a", "d__b", "d__overview"}


def test_a_stray_file_leaves_the_keys_of_a_series_alone(tmp_path):
    before = embryos(scan_all(tmp_path, "d/t_1.jpg", "d/t_2.jpg"))
    after = embryos(scan_all(tmp_path, "d/thumb.png"))
    assert before.items() < after.items()


def test_a_folder_and_a_file_of_one_name_are_two_embryos(tmp_path):
    scan = scan_all(tmp_path, "d/x.jpg", "d/x/1.jpg", "d/x/2.jpg")
    keys = embryos(scan)
    assert keys["d/x/1.jpg"] == keys["d/x/2.jpg"] == "d__x"
    assert keys["d/x.jpg"] != "d__x"


def test_focal_folders_belong_to_the_folder_above(tmp_path):
    scan = scan_all(tmp_path, "E1/F-15/016.jpg", "E1/F0/016.jpg", "E1/F15/016.jpg")
    assert {(frame.embryo, frame.frame, frame.focal_um) for frame in scan.frames} == {
        ("E1", "016_F-15", -15.0),
        ("E1", "016_F0", 0.0),
        ("E1", "016_F15", 15.0),
    }


def test_the_user_may_say_what_an_embryo_is(tmp_path):
    plant(tmp_path, "d/a_1.jpg", "d/a_2.jpg", "d/b.jpg", "top.jpg")
    by_folder = embryos(scan_archive(tmp_path, ScanOptions(embryo_by="folder")))
    assert set(by_folder.values()) == {"d", "archive_root"}
    by_stem = embryos(scan_archive(tmp_path, ScanOptions(embryo_by="stem")))
    assert len(set(by_stem.values())) == 4


def test_one_stem_with_two_suffixes_is_two_frames(tmp_path):
    first, second = scan_all(tmp_path, "d/a.jpg", "d/a.png").frames
    assert (first.frame, first.embryo) == ("a", second.embryo)
    assert second.frame.startswith("a-")
    assert second.twin_of is None


def test_a_plain_folder_named_like_an_embryo_stays_apart(tmp_path):
    name = "D2013.01.28_S0717_I132_WELL07"
    scan = scan_all(tmp_path, f"{name}_RUN1.jpg", f"{name}/x.jpg", embryo_by="folder")
    assert embryos(scan) == {f"{name}_RUN1.jpg": name, f"{name}/x.jpg": f"{name}-plain"}


def test_a_time_stamp_is_no_run(tmp_path):
    scan = scan_all(tmp_path, "d/20230405123456789012.jpg", "d/20230405123456789013.jpg")
    assert [(frame.embryo, frame.run) for frame in scan.frames] == [("d", None), ("d", None)]


def test_hours_in_plain_names_are_read(tmp_path):
    scan = scan_all(tmp_path, "dish7_37.9h.jpg", "dish7_44h.jpg", "dish8_45.5hpi.jpg", "dish8_46hours.jpg")
    assert [(frame.embryo, frame.hpi) for frame in scan.frames] == [
        ("dish7", 37.9),
        ("dish7", 44.0),
        ("dish8_45.5hpi", 45.5),
        ("dish8_46hours", None),
    ]


def test_a_pattern_explains_and_refuses(tmp_path):
    scan = scan_all(
        tmp_path,
        "p1/w3_t007_z-15_44.5.jpg",
        "p1/other.jpg",
        "p1/w3_t007_z0_late.jpg",
        pattern=r"(?P<embryo>p\d+)/w(?P<well>\d+)_t(?P<run>\d+)_z(?P<focal>-?\d+)_(?P<hpi>[\w.]+)\.",
    )
    (frame,) = scan.frames
    assert (frame.layout, frame.embryo, frame.frame) == ("pattern", "WELL03__p1", "RUN0007_F-15")
    assert (frame.well, frame.run, frame.focal_um, frame.hpi) == (3, 7, -15.0, 44.5)
    assert {row.source: (row.outcome, row.reason) for row in scan.set_aside} == {
        "p1/other.jpg": (Outcome.UNPARSED, "the pattern does not match"),
        "p1/w3_t007_z0_late.jpg": (Outcome.UNPARSED, "the pattern's hpi is no number: late"),
    }


def test_a_pattern_without_runs_makes_no_twins(tmp_path):
    scan = scan_all(tmp_path, "p1/a.jpg", "p1/b.jpg", "F15/p1/a.jpg", pattern="(?P<embryo>p[0-9])/")
    assert [(frame.frame, frame.twin_of) for frame in scan.frames] == [("a_F15", None), ("a", None), ("b", None)]
