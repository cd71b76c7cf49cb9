from datetime import datetime

import pytest
from drawn import draw_cells, encode, exif_block, frame_of, jpeg_with_exif, plant, vitrolife_exif
from hypothesis import given
from hypothesis import strategies as st

from embryofrag.archive import read_picture
from embryofrag.archive.directory import read_directory, read_form
from embryofrag.archive.header import NO_HEADER, parse_focal, parse_time, read_exif

ES = (500, 500)
ES_PLUS = (800, 800)


def test_an_embryoscope_header_is_read():
    header = read_exif(vitrolife_exif(), ES)
    assert header.focal_um == 0.0
    assert header.um_per_px == pytest.approx(0.5814, abs=1e-4)
    assert header.acquired_at == datetime(2017, 1, 10, 2, 26, 3)
    assert header.instrument == "Vitrolife A/S EmbryoScope"


def test_the_resolution_of_an_embryoscope_plus_is_ten_times_off():
    wrong = vitrolife_exif((73914, 10))
    assert read_exif(wrong, ES_PLUS).um_per_px == pytest.approx(0.3436, abs=1e-4)
    assert read_exif(wrong, ES).um_per_px is None
    right = vitrolife_exif((73914, 1))
    assert read_exif(right, ES_PLUS).um_per_px == pytest.approx(0.3436, abs=1e-4)


@pytest.mark.parametrize("resolution", [(96, 1), (0, 1), (300, 1), (1, 0), (4_000_000, 1)])
def test_an_implausible_resolution_is_unknown(resolution):
    assert read_exif(vitrolife_exif(resolution), ES).um_per_px is None


def test_oblong_pixels_have_no_single_size():
    block = exif_block({0x011A: (43688, 1), 0x011B: (21844, 1), 0x0128: 2}, {})
    assert read_exif(block, ES).um_per_px is None


def test_centimetres_and_the_other_byte_order_are_read():
    block = exif_block({0x011A: (20000, 1), 0x0128: 3}, {0x9003: b"2020:02:29 23:59:59\0"}, order=">")
    header = read_exif(block, ES)
    assert (header.um_per_px, header.acquired_at) == (0.5, datetime(2020, 2, 29, 23, 59, 59))


@pytest.mark.parametrize(
    ("comment", "focal_um"),
    [
        (b"UNICODE\0" + "Focal plane in mu: -15".encode("utf-16-le"), -15.0),
        (b"UNICODE\0" + "Focal plane in mu: 30".encode("utf-16-be"), 30.0),
        (b"ASCII\0\0\0Focal plane in mu: 7,5", 7.5),
        (b"Focal plane in mu: ", None),
        (b"something else", None),
        (b"", None),
    ],
)
def test_focal_planes_in_comments(comment, focal_um):
    assert parse_focal(comment) == focal_um


@pytest.mark.parametrize("text", [b"", b"2017:13:10 02:26:03", b"0000:00:00 00:00:00", b"yesterday"])
def test_impossible_times_are_unknown(text):
    assert parse_time(text) is None


@given(st.binary(max_size=200))
def test_no_block_raises(block):
    read_exif(block, ES)
    read_exif(b"Exif\0\0II*\0\x08\0\0\0" + block, ES)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), min_size=1, max_size=5))
def test_no_damage_to_a_real_block_raises(flips):
    block = bytearray(vitrolife_exif())
    for at, value in flips:
        block[at % len(block)] = value
    read_exif(bytes(block), ES)


def test_a_block_cut_short_gives_what_is_left():
    block = vitrolife_exif()
    assert read_exif(block[:20], ES) == NO_HEADER
    assert read_exif(block[:150], ES).focal_um is None


def test_a_broken_header_never_fails_a_good_image(tmp_path):
    plant(tmp_path, "a.jpg", content=jpeg_with_exif(draw_cells(), b"Exif\0\0II*\0\xff\xff\xff\xff" + bytes(50)))
    picture = read_picture(frame_of(tmp_path / "a.jpg"))
    assert picture.image.shape == draw_cells().shape
    assert (picture.focal_um, picture.um_per_px, picture.acquired_at, picture.instrument) == (None,) * 4


def test_a_picture_carries_its_header(tmp_path):
    plant(tmp_path, "a.jpg", content=jpeg_with_exif(draw_cells(), vitrolife_exif(focal="-15")))
    picture = read_picture(frame_of(tmp_path / "a.jpg"))
    assert picture.focal_um == -15.0
    assert picture.um_per_px == pytest.approx(0.5814, abs=1e-4)


def test_a_picture_without_header_has_none(tmp_path):
    plant(tmp_path, "a.jpg", content=encode(".jpg", draw_cells()))
    picture = read_picture(frame_of(tmp_path / "a.jpg"))
    assert (picture.focal_um, picture.um_per_px, picture.acquired_at, picture.instrument) == (None,) * 4


def test_a_directory_knows_how_far_it_reaches():
    block = vitrolife_exif().removeprefix(b"Exif\0\0")
    form = read_form(block)
    directory = read_directory(block, form.first_offset, form)
    assert directory.text(0x0110) == b"EmbryoScope\0"
    assert directory.number(0x0128) == 2
    assert directory.reach_bytes <= len(block)
    cut = read_directory(block[:90], form.first_offset, form)
    assert cut.reach_bytes == directory.reach_bytes
    assert 0x011B in directory.entries
    assert 0x011B not in cut.entries
