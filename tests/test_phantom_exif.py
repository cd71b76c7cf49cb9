import io
from datetime import datetime

import numpy as np
import pytest
from PIL import Image

from embryofrag.phantom.camera import encode_jpeg
from embryofrag.phantom.exif import build_exif, insert_exif

EXIF = build_exif("embryoscope", datetime(2024, 3, 5, 2, 26, 3), 15)


def test_segment_is_read_back_and_pixels_stay():
    plain = encode_jpeg(np.tile(np.arange(64, dtype=np.uint8), (64, 1)), 95)
    marked = insert_exif(plain, EXIF, 43688)
    with Image.open(io.BytesIO(plain)) as before, Image.open(io.BytesIO(marked)) as after:
        np.testing.assert_array_equal(np.asarray(before), np.asarray(after))
        details = after.getexif().get_ifd(0x8769)
        assert after.info["jfif_density"] == (43688, 43688)
    assert details[0x9004] == "2024:03:05 02:26:030x00"
    assert details[0x9286][8:].decode("utf-16-le") == "Focal plane in mu: 15"


def test_other_bytes_are_refused():
    with pytest.raises(ValueError, match="JFIF"):
        insert_exif(b"\xff\xd8\xff\xe1\0\0Exif\0\0", EXIF, 43688)
