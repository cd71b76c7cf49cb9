import pytest
from drawn import plant
from hypothesis import given
from hypothesis import strategies as st

from embryofrag.archive import ScanOptions, scan_archive
from embryofrag.archive.layouts.embryoscope import EmbryoScopeId, embryo_key, parse_id
from embryofrag.records import Outcome

SLIDE = "D2024.10.20_S1055_I4778"


def scan_one(tmp_path, name, **options):
    scan = scan_archive(plant(tmp_path, name), ScanOptions(focal_um=None, **options))
    return scan.frames[0]


@pytest.mark.parametrize(
    ("text", "slide", "well", "run"),
    [
        ("D2013.01.28_S0717_I132_WELL7_RUN1", "D2013.01.28_S0717_I132", 7, 1),
        ("D2021.01.20_S00120_I0939_D_WELL01_RUN212", "D2021.01.20_S0120_I939", 1, 212),
        ("D2024.10.20_S01055_I4778_P_WELL06_RUN141", SLIDE, 6, 141),
        ("D2024_06_02_S00699_I4778_P_WELL01_RUN248", "D2024.06.02_S0699_I4778", 1, 248),
        ("D2017_05_05_S1477_I313_pdb", "D2017.05.05_S1477_I313", None, None),
        ("D2024.10.20_S01055_I4778_P-12", SLIDE, 12, None),
        ("D2020.03.05_S00711_I0141_D18553", "D2020.03.05_S0711_I141", None, None),
        ("D2022.08.17_S00149_I4203_P_WELL01_CAMPIONATO", "D2022.08.17_S0149_I4203", 1, None),
        ("d2024.10.20_s01055_i4778_p_well6_run141", SLIDE, 6, 141),
    ],
)
def test_every_known_spelling_is_read(text, slide, well, run):
    parsed = parse_id(text)
    assert (parsed.slide, parsed.well, parsed.run) == (slide, well, run)


@pytest.mark.parametrize("text", ["", "D2013.01.28", "S0717_I132", "D2013.1.28_S0717_I132", "xD2013.01.28_S0717_I132"])
def test_other_text_is_no_id(text):
    assert parse_id(text) is None


@given(
    date=st.dates(),
    slide=st.integers(0, 99999),
    instrument=st.integers(0, 99999),
    kind=st.sampled_from(["", "_D", "_P", "_D18553"]),
    well=st.none() | st.integers(0, 99),
    run=st.none() | st.integers(0, 99999),
    spelling=st.sampled_from(
        [("{:%Y.%m.%d}", 5, "_WELL{:02}", 3), ("{:%Y_%m_%d}", 4, "_WELL{}", 1), ("{:%Y-%m-%d}", 3, "-{}", 5)]
    ),
)
def test_an_id_round_trips_in_every_spelling(date, slide, instrument, kind, well, run, spelling):
    date_form, width, well_form, run_width = spelling
    dated = date.replace(year=2000 + date.year % 100)
    text = f"D{date_form.format(dated)}_S{slide:0{width}}_I{instrument:0{width}}{kind}"
    text += "" if well is None else well_form.format(well)
    text += "" if run is None else f"_RUN{run:0{run_width}}"
    canonical = f"D{dated:%Y.%m.%d}_S{slide:04}_I{instrument:03}"
    assert parse_id(text) == EmbryoScopeId(slide=canonical, well=well, run=run)
    if well is not None:
        assert parse_id(embryo_key(canonical, well)) == EmbryoScopeId(slide=canonical, well=well)


@pytest.mark.parametrize(
    ("name", "frame", "focal_um"),
    [
        (f"{SLIDE}_P_WELL06_RUN141.JPG", "RUN0141", None),
        (f"AA83-7/{SLIDE}_WELL6_RUN141.jpeg", "RUN0141", None),
        (f"embryo_dataset/AA83-7/{SLIDE}_WELL6_RUN141.jpeg", "RUN0141_F0", 0),
        (f"embryo_dataset_F-15/AA83-7/{SLIDE}_WELL6_RUN141.jpeg", "RUN0141_F-15", -15),
        (f"{SLIDE}_pdb/WELL06/F-13/141.jpg", "RUN0141_F-13", -13),
        (f"123456_{SLIDE}_P-6/F15/RUN141.jpg", "RUN0141_F15", 15),
        (f"{SLIDE}_P_WELL06/RUN141.jpg", "RUN0141", None),
        (f"{SLIDE}_P_WELL06_CAMPIONATO/{SLIDE}_P_WELL06_RUN141_F30.jpg", "RUN0141_F30", 30),
        (f"{SLIDE}_P_WELL02/{SLIDE}_P_WELL06/{SLIDE}_P_WELL06_RUN141.jpg", "RUN0141", None),
    ],
)
def test_every_known_folder_shape_is_read(tmp_path, name, frame, focal_um):
    found = scan_one(tmp_path, name)
    assert (found.layout, found.embryo, found.frame) == ("embryoscope", f"{SLIDE}_WELL06", frame)
    assert (found.slide, found.well, found.run, found.focal_um) == (SLIDE, 6, 141, focal_um)


def test_seven_planes_of_one_name_are_seven_frames(tmp_path):
    folders = ["", "_F15", "_F-15", "_F30", "_F-30", "_F45", "_F-45"]
    plant(tmp_path, *(f"embryo_dataset{f}/AB91-1/{SLIDE}_WELL1_RUN{r}.jpeg" for f in folders for r in (2, 10, 1)))
    scan = scan_archive(tmp_path)
    assert [frame.run for frame in scan.frames] == [1, 2, 10]
    assert len(scan.set_aside) == 18
    all_planes = scan_archive(tmp_path, ScanOptions(focal_um=None)).frames
    assert len({frame.frame for frame in all_planes}) == 21
    assert not any(frame.twin_of for frame in all_planes)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (f"{SLIDE}_WELL01/{SLIDE}_WELL10_RUN5.jpg", "well: the folder says 1, the name says 10"),
        (
            f"D2024.10.20_S1056_I4778/{SLIDE}_WELL10_RUN5.jpg",
            "slide: the folder says D2024.10.20_S1056_I4778, the name",
        ),
        (f"F15/{SLIDE}_WELL10_RUN5_F0.jpg", "focal plane in um: the folder says 15, the name says 0"),
    ],
)
def test_folder_and_name_that_contradict_are_a_conflict(tmp_path, name, reason):
    (row,) = scan_archive(plant(tmp_path, name)).set_aside
    assert row.outcome == Outcome.CONFLICT
    assert row.reason.startswith(reason)


def test_an_id_without_a_run_is_a_frame_of_its_embryo(tmp_path):
    frame = scan_one(tmp_path, f"{SLIDE}_P-06.png")
    assert (frame.embryo, frame.run, frame.frame) == (f"{SLIDE}_WELL06", None, f"{SLIDE}_P-06")


def test_a_plane_behind_the_instrument_is_no_kind_letter(tmp_path):
    frame = scan_one(tmp_path, f"WELL06/{SLIDE}_F30.png")
    assert (frame.embryo, frame.focal_um) == (f"{SLIDE}_WELL06", 30.0)


def test_a_slide_without_a_well_is_not_guessed(tmp_path):
    assert scan_one(tmp_path, f"{SLIDE}_RUN5.jpg").layout == "plain"


def test_hours_in_the_name_are_read(tmp_path):
    assert scan_one(tmp_path, f"{SLIDE}_WELL06_RUN141_37.9h.jpg").hpi == 37.9
