import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from embryofrag.imaging.png import decode_mask_png, encode_mask_png


@given(hnp.arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_masks_return(mask):
    np.testing.assert_array_equal(decode_mask_png(encode_mask_png(mask)), mask)


def test_other_readers_see_8_bit_grey_of_0_and_255():
    mask = np.zeros((30, 50), bool)
    mask[5:9, 7:30] = True
    picture = Image.open(io.BytesIO(encode_mask_png(mask)))
    assert (picture.mode, picture.size) == ("L", (50, 30))
    np.testing.assert_array_equal(np.asarray(picture), mask * np.uint8(255))


def test_same_mask_same_bytes_whatever_its_memory_layout():
    mask = np.random.default_rng(0).random((64, 80)) > 0.5
    assert encode_mask_png(mask) == encode_mask_png(np.asfortranarray(mask)) == encode_mask_png(mask[::-1][::-1])


def test_a_smooth_mask_is_small():
    rows, columns = np.mgrid[:800, :800]
    assert len(encode_mask_png((rows - 380) ** 2 + (columns - 420) ** 2 < 200**2)) < 6000


@pytest.mark.parametrize("mask", [np.zeros((3, 3), np.uint8), np.zeros((3, 3, 1), bool)])
def test_refuses_what_is_no_mask(mask):
    with pytest.raises(ValueError, match="bool"):
        encode_mask_png(mask)


def write_png(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    "data", [b"", b"not a png", write_png(np.zeros((3, 3, 3), np.uint8)), write_png(np.zeros((3, 3), np.uint16))]
)
def test_refuses_other_bytes(data):
    with pytest.raises(ValueError, match="8-bit grey PNG"):
        decode_mask_png(data)
