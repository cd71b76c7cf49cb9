from dataclasses import replace

import numpy as np
import pytest

from embryofrag.archive import ScanOptions, merge_evidence
from embryofrag.errors import ItemError
from embryofrag.records import Frame, Outcome, Picture

FRAME = Frame(source="a", path="a", size_bytes=1, mtime_ns=1, embryo="E", frame="F", layout="plain")
PICTURE = Picture(image=np.zeros((2, 2), np.uint8), sha256="0")


def merge(*, named=None, header=None, asked=0.0):
    frame, picture = replace(FRAME, focal_um=named), replace(PICTURE, focal_um=header)
    return merge_evidence(frame, picture, ScanOptions(focal_um=asked)).focal_um


@pytest.mark.parametrize(
    ("named", "header", "merged"), [(None, None, None), (None, 0.0, 0.0), (0.0, None, 0.0), (0.0, 0.2, 0.0)]
)
def test_the_name_goes_first_and_unknown_stays_unknown(named, header, merged):
    assert merge(named=named, header=header) == merged


def test_a_contradiction_is_a_conflict():
    with pytest.raises(ItemError) as caught:
        merge(named=0.0, header=-15.0)
    assert caught.value.outcome == Outcome.CONFLICT
    assert caught.value.reason == "focal plane in um: the name says 0, the header says -15"


def test_another_plane_by_the_header_alone_is_set_aside():
    with pytest.raises(ItemError) as caught:
        merge(header=-15.0)
    assert caught.value.outcome == Outcome.OTHER_PLANE
    assert caught.value.reason == "focal plane -15 um, asked for 0 um, by the header"
    assert merge(header=-15.0, asked=None) == -15.0


def test_the_size_of_a_pixel_is_filled_in_only():
    picture = replace(PICTURE, um_per_px=0.5)
    assert merge_evidence(FRAME, picture, ScanOptions()).um_per_px == 0.5
    assert merge_evidence(replace(FRAME, um_per_px=0.3), picture, ScanOptions()).um_per_px == 0.3
