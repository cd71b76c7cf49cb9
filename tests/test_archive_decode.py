import hashlib
import io
import os
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import simplejpeg
import tifffile
from drawn import draw_cells, draw_colour, encode, exif_block, frame_of, jpeg_with_exif, plant, vitrolife_exif
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from embryofrag.archive import ReadLimits, decode_image, read_picture
from embryofrag.archive.decode import MAGIC
from embryofrag.errors import ItemError, UsageError
from embryofrag.records import Outcome

GREY, COLOUR = draw_cells(), draw_colour()
LIMITS = ReadLimits()


def tiff(image, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, image, **options)
    return file.getvalue()


def trouble(data, limits=LIMITS, suffix=".jpg"):
    with pytest.raises(ItemError) as caught:
        decode_image(data, limits, suffix)
    return caught.value.outcome, caught.value.reason


def outcome_of(data):
    """The outcome, or None for a picture, whose shape and type are then checked."""
    try:
        image, _ = decode_image(data, ReadLimits(max_pixels=1_000_000))
    except ItemError as error:
        assert error.reason.isprintable()
        assert len(error.reason) < 300
        return error.outcome
    assert image.dtype == np.uint8
    assert image.ndim == 2 or image.shape[2] == 3
    return None


LOSSLESS = {
    "png grey": (encode(".png", GREY), GREY),
    "png colour": (encode(".png", COLOUR), COLOUR),
    "bmp grey": (encode(".bmp", GREY), GREY),
    "bmp colour": (encode(".bmp", COLOUR), COLOUR),
    "tiff": (tiff(GREY), GREY),
    "tiff colour": (tiff(COLOUR, photometric="rgb"), COLOUR),
    "tiff planes apart": (tiff(np.moveaxis(COLOUR, -1, 0), photometric="rgb", planarconfig="separate"), COLOUR),
    "tiff lzw": (tiff(GREY, compression="lzw"), GREY),
    "tiff tiles": (tiff(GREY, compression="zlib", tile=(32, 32)), GREY),
    "tiff big": (tiff(GREY, bigtiff=True), GREY),
    "tiff big-endian": (tiff(GREY, byteorder=">"), GREY),
    "ome": (tiff(GREY, ome=True), GREY),
    "imagej": (tiff(GREY, imagej=True), GREY),
}
LOSSY = {
    "jpeg grey": (simplejpeg.encode_jpeg(GREY[:, :, None], quality=95, colorspace="GRAY"), GREY),
    "jpeg colour": (simplejpeg.encode_jpeg(COLOUR, quality=95, colorsubsampling="444"), COLOUR),
    "jpeg header": (jpeg_with_exif(GREY, vitrolife_exif()), GREY),
    "tiff jpeg": (tiff(COLOUR, compression="jpeg", compressionargs={"level": 95}), COLOUR),
}
ALL = LOSSLESS | LOSSY


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_images_come_back_exactly(kind):
    data, drawn = LOSSLESS[kind]
    assert np.array_equal(decode_image(data)[0], drawn)


@pytest.mark.parametrize("kind", LOSSY)
def test_lossy_images_come_back_closely(kind):
    data, drawn = LOSSY[kind]
    image = decode_image(data)[0]
    assert image.shape == drawn.shape
    assert np.abs(image.astype(int) - drawn).mean() < 3


@pytest.mark.parametrize("kind", ALL)
def test_an_image_cut_anywhere_is_incomplete(kind):
    data, _ = ALL[kind]
    for share in np.linspace(0, 0.999, 50):
        assert outcome_of(data[: int(len(data) * share)]) == Outcome.INCOMPLETE


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind.startswith(("png", "jpeg", "tiff jpeg"))])
def test_a_zero_tail_is_incomplete(kind):
    data, _ = ALL[kind]
    for share in np.linspace(0, 0.98, 50):
        kept = int(len(data) * share)
        assert outcome_of(data[:kept] + bytes(len(data) - kept)) == Outcome.INCOMPLETE


@pytest.mark.parametrize("kind", [kind for kind in LOSSLESS if not kind.startswith("png")])
def test_a_long_zero_tail_is_incomplete_where_only_its_length_can_tell(kind):
    data, _ = ALL[kind]
    for share in np.linspace(0.0, 0.85, 20):
        kept = int(len(data) * share)
        assert outcome_of(data[:kept] + bytes(len(data) - kept)) in {Outcome.INCOMPLETE, Outcome.DAMAGED}


def test_zeros_at_the_end_of_the_pixels_alone_are_black_pixels():
    dark = GREY.copy()
    dark[:30] = 0
    assert np.array_equal(decode_image(encode(".png", dark))[0], dark)
    assert np.array_equal(decode_image(encode(".bmp", dark[::-1]))[0], dark[::-1])
    assert np.array_equal(decode_image(tiff(dark))[0], dark)


def test_a_lost_block_of_a_jpeg_is_damage():
    data = bytearray(encode(".jpg", draw_cells(400, 400)))
    data[len(data) // 2 : len(data) // 2 + 512] = bytes(512)
    assert outcome_of(bytes(data)) == Outcome.DAMAGED


def test_bytes_behind_a_whole_jpeg_are_ignored():
    assert outcome_of(encode(".jpg", GREY) + bytes(100)) is None


@pytest.mark.parametrize("kind", ALL)
@settings(max_examples=40)
@given(flips=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=8), early=st.booleans())
def test_no_flipped_bytes_crash_a_decoder(kind, flips, early):
    data = bytearray(ALL[kind][0])
    for at, value in flips:
        data[at % (min(200, len(data)) if early else len(data))] = value
    outcome_of(bytes(data))


@given(magic=st.sampled_from([b"", *MAGIC]), rest=st.binary(max_size=300))
def test_no_bytes_crash_a_decoder(magic, rest):
    outcome_of(magic + rest)


def test_what_is_no_image_says_how_it_starts():
    assert trouble(b"%PDF-1.7 and more") == (
        Outcome.DAMAGED,
        "not an image: named .jpg but starts with b'%PDF-1.7'",
    )
    assert trouble(b"") == (Outcome.INCOMPLETE, "the file is empty")
    assert trouble(bytes(1000)) == (Outcome.INCOMPLETE, "the file starts with zeros")


def test_the_bytes_and_not_the_suffix_say_what_an_image_is():
    assert np.array_equal(decode_image(encode(".png", GREY), suffix=".jpg")[0], GREY)


def _bomb_png():
    header = struct.pack(">IIBBBBB", 30000, 30000, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def _bomb_jpeg():
    data = encode(".jpg", GREY)
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", 30000, 30000) + data[at + 4 :]


def _bomb_bmp():
    data = encode(".bmp", GREY)
    return data[:18] + struct.pack("<ii", 30000, -30000) + data[26:]


def _bomb_tiff():
    data = bytearray(tiff(GREY, compression="zlib"))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as tif:
        tags = tif.pages.first.tags
        for name in ("ImageWidth", "ImageLength"):
            assert tags[name].dtype in (3, 4)
            at = tags[name].valueoffset
            data[at : at + 4] = struct.pack("<I", 30000)
    return bytes(data)


@pytest.mark.parametrize("bomb", [_bomb_png, _bomb_jpeg, _bomb_bmp, _bomb_tiff])
def test_a_declared_size_over_the_limit_is_refused_before_decoding(bomb):
    outcome, reason = trouble(bomb())
    assert outcome == Outcome.DAMAGED
    assert reason == "declares 30000x30000 px, over the limit of 67108864 px"


def test_an_alpha_channel_is_dropped_and_a_palette_looked_up():
    def pillow(image, mode, suffix):
        file = io.BytesIO()
        image.convert(mode).save(file, suffix)
        return file.getvalue()

    colour, grey = Image.fromarray(COLOUR), Image.fromarray(GREY)
    for mode in ("RGBA", "RGB"):
        for suffix in ("PNG", "BMP", "TIFF"):
            assert np.array_equal(decode_image(pillow(colour, mode, suffix))[0], COLOUR)
    few = grey.quantize(16)
    for suffix in ("PNG", "BMP", "TIFF"):
        image = decode_image(pillow(few, "P", suffix))[0]
        assert np.array_equal(np.broadcast_to(image.reshape(*GREY.shape, -1), COLOUR.shape), few.convert("RGB"))
    for suffix in ("PNG", "BMP", "TIFF"):
        image = decode_image(pillow(grey, "1", suffix))[0]
        assert np.array_equal(image, np.asarray(grey.convert("1")).astype(np.uint8) * 255)


def test_a_32_bit_bmp_is_read():
    height, width = GREY.shape
    pixels = np.dstack([COLOUR[::-1, :, ::-1], np.zeros_like(GREY)])
    header = struct.pack(
        "<2sIIIIiiHHIIiiII", b"BM", 54 + pixels.nbytes, 0, 54, 40, width, height, 1, 32, 0, 0, 0, 0, 0, 0
    )
    # the unused fourth byte ends the file in a zero, no more
    assert np.array_equal(decode_image(header + pixels.tobytes())[0], COLOUR)


@pytest.mark.parametrize(("bits", "write"), [(12, "png"), (12, "tiff"), (16, "png"), (16, "tiff"), (8, "tiff")])
def test_16_bit_samples_are_scaled_by_their_bits(bits, write):
    full_scale = (1 << bits) - 1
    deep = np.round(GREY / 255 * full_scale).astype(np.uint16)
    deep[0, 0] = full_scale
    data = tiff(deep) if write == "tiff" else encode(".png", deep)
    image = decode_image(data)[0]
    assert np.abs(image.astype(int)[1:] - GREY[1:]).max() <= 1


def test_declared_bits_go_before_the_largest_value():
    dark = np.full((20, 20), 1000, np.uint16)
    image = decode_image(tiff(dark, extratags=[(281, 3, 1, 4095, True)]))[0]
    assert set(np.unique(image)) == {round(1000 / 4095 * 255)}


def test_min_is_white_is_inverted():
    assert np.array_equal(decode_image(tiff(GREY, photometric="miniswhite"))[0], 255 - GREY)


def test_floating_point_is_read_within_0_to_1_only():
    assert np.array_equal(decode_image(tiff((GREY / 255).astype(np.float32)))[0], GREY)
    outcome, reason = trouble(tiff(GREY.astype(np.float32)))
    assert (outcome, reason) == (
        Outcome.UNSUPPORTED,
        "a floating-point TIFF with values outside 0..1 is not read",
    )


@pytest.mark.parametrize("options", [{}, {"ome": True}, {"imagej": True}])
def test_a_stack_is_not_read(options):
    outcome, reason = trouble(tiff(np.stack([GREY] * 5), **options))
    assert (outcome, reason) == (Outcome.UNSUPPORTED, "a stack of 5 pages is not read")


def test_a_smaller_copy_on_a_second_page_is_passed_over():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(GREY)
        writer.write(GREY[::2, ::2], subfiletype=1)
    assert np.array_equal(decode_image(file.getvalue())[0], GREY)


def test_colours_that_are_not_read_say_so():
    cmyk = np.dstack([COLOUR, GREY])
    assert trouble(tiff(cmyk, photometric="separated"))[0] == Outcome.UNSUPPORTED
    assert trouble(tiff(GREY.astype(np.int16)))[1] == "a TIFF of int16 samples is not read"


def test_tiffs_that_would_swamp_memory_are_refused():
    many = tiff(np.repeat(GREY[:, :, None], 9, axis=2), photometric="minisblack", planarconfig="contig")
    assert trouble(many) == (Outcome.UNSUPPORTED, "a TIFF of 9 samples a pixel is not read")
    looped = bytearray(tiff(np.stack([GREY] * 5)))
    with tifffile.TiffFile(io.BytesIO(bytes(looped))) as tif:
        last = tif.pages[4].offset
        at = last + 2 + 12 * len(tif.pages[4].tags)
    looped[at : at + 4] = struct.pack("<I", 8)
    assert outcome_of(bytes(looped)) in {Outcome.UNSUPPORTED, Outcome.DAMAGED}


def test_a_palette_index_without_colour_is_damage():
    file = io.BytesIO()
    Image.fromarray(GREY).quantize(16).save(file, "TIFF")
    data = bytearray(file.getvalue())
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as tif:
        tag = tif.pages.first.tags["ColorMap"]
        data[tag.offset + 4 : tag.offset + 8] = struct.pack("<I", 3 * 8)
    assert outcome_of(bytes(data)) == Outcome.DAMAGED


def test_an_exif_orientation_is_not_applied():
    data = jpeg_with_exif(GREY, exif_block({0x0112: 6}, {}))
    assert decode_image(data)[0].shape == GREY.shape


def test_a_picture_has_the_hash_of_its_bytes(tmp_path):
    data = encode(".png", GREY)
    plant(tmp_path, "a.png", content=data)
    picture = read_picture(frame_of(tmp_path / "a.png"))
    assert np.array_equal(picture.image, GREY)
    assert picture.image.flags.c_contiguous
    assert picture.sha256 == hashlib.sha256(data).hexdigest()


def read_trouble(frame, limits=LIMITS):
    with pytest.raises(ItemError) as caught:
        read_picture(frame, limits)
    return caught.value.outcome, caught.value.reason


def test_a_file_that_changed_is_incomplete(tmp_path):
    plant(tmp_path, "a.png", content=encode(".png", GREY))
    frame = frame_of(tmp_path / "a.png")
    os.utime(tmp_path / "a.png", ns=(1, 1))
    assert read_trouble(frame) == (Outcome.INCOMPLETE, "changed since the scan")


def test_a_file_that_changes_meanwhile_is_incomplete(tmp_path, monkeypatch):
    plant(tmp_path, "a.png", content=encode(".png", GREY))
    frame = frame_of(tmp_path / "a.png")
    real = os.fstat
    calls = []

    def fstat(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            os.utime(tmp_path / "a.png", ns=(1, 1))
        return real(descriptor)

    monkeypatch.setattr("embryofrag.archive.decode.os.fstat", fstat)
    assert read_trouble(frame) == (Outcome.INCOMPLETE, "changed while it was read")


def test_a_file_that_cannot_be_opened_failed_without_its_path(tmp_path, monkeypatch):
    plant(tmp_path, "a.png", content=encode(".png", GREY))
    frame = frame_of(tmp_path / "a.png")
    real = os.open

    def refuse(path, *rest, **options):
        if str(path).endswith("a.png"):
            raise PermissionError(13, "Permission denied", path)
        return real(path, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr("embryofrag.archive.decode.os.open", refuse)
        assert read_trouble(frame) == (Outcome.FAILED, "cannot be read: Permission denied")
    (tmp_path / "a.png").unlink()
    assert read_trouble(frame) == (Outcome.FAILED, "cannot be read: No such file or directory")
    os.mkfifo(tmp_path / "a.png")
    assert read_trouble(frame) == (Outcome.FAILED, "is no longer a regular file")


def test_a_file_over_the_byte_limit_is_not_read(tmp_path):
    plant(tmp_path, "a.png", content=encode(".png", GREY))
    outcome, reason = read_trouble(frame_of(tmp_path / "a.png"), ReadLimits(max_bytes=100))
    assert outcome == Outcome.DAMAGED
    assert reason.endswith("over the limit of 100 bytes")


def test_limits_below_one_are_refused():
    with pytest.raises(UsageError):
        ReadLimits(max_pixels=0)


def test_decoders_run_in_threads():
    good = tiff(GREY, compression="zlib", tile=(16, 16))
    broken = bytearray(good)
    broken[len(broken) // 2] ^= 0xFF
    jobs = [good, bytes(broken)] * 20
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(outcome_of, jobs))
    assert outcomes[::2] == [None] * 20
    assert set(outcomes[1::2]) == {Outcome.DAMAGED}


def test_opencv_has_no_logger_line_left(capfd):
    assert outcome_of(b"BM" + bytes(range(1, 200))) is not None
    assert capfd.readouterr().err == ""
    assert cv2.utils.logging.getLogLevel() == cv2.utils.logging.LOG_LEVEL_SILENT
