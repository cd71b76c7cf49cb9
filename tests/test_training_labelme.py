from itertools import pairwise

import numpy as np
import pytest
from drawn_labels import HEIGHT_PX, WIDTH_PX, polygon, write_labelme
from hypothesis import given
from hypothesis import strategies as st

from embryofrag.errors import ItemError
from embryofrag.training.labelme import fill_polygon, read_labelme

SQUARE = [[10, 10], [20, 10], [20, 20], [10, 20]]
# quarters of a pixel hit centres, corners and edges often
COORDINATES = st.integers(-40, 200).map(lambda quarters: quarters / 4)
CORNERS = st.lists(st.tuples(COORDINATES, COORDINATES), min_size=3, max_size=9)


def test_masks_are_cells_and_fragments_together(tmp_path):
    shapes = [polygon("cell", SQUARE), polygon("fragment", [[18, 18], [24, 18], [24, 22], [18, 22]])]
    write_labelme(tmp_path / "a.json", shapes)
    fragment, embryo = read_labelme(tmp_path / "a.json", HEIGHT_PX, WIDTH_PX)
    assert fragment.shape == embryo.shape == (HEIGHT_PX, WIDTH_PX)
    assert fragment.sum() == 6 * 4
    assert embryo.sum() == 100 + 24 - 2 * 2
    assert embryo[19, 19] and fragment[19, 19] and not embryo[9, 10] and not embryo[20, 10]


def test_cells_without_fragments_give_an_empty_fragment_mask(tmp_path):
    write_labelme(tmp_path / "a.json", [polygon("cell", SQUARE)])
    fragment, embryo = read_labelme(tmp_path / "a.json", HEIGHT_PX, WIDTH_PX)
    assert not fragment.any() and embryo.sum() == 100


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        ([polygon("fragment", SQUARE)], "no polygon labelled 'cell'"),
        ([], "no polygon labelled 'cell'"),
        ([polygon("cell", SQUARE), polygon("fragments", SQUARE)], "shape 2 labelled 'fragments'"),
        ([polygon("cell", SQUARE) | {"shape_type": "circle"}], "shape 1 that is a circle"),
        ([polygon("cell", SQUARE[:2])], "without three corners"),
        ([polygon("cell", None)], "without three corners"),
        ([polygon("cell", [["a", 1], [2, 3], [4, 5]])], "points are no numbers"),
        ([polygon("cell", [[1, 2], [3], [4, 5]])], "points are no numbers"),
        ([polygon("cell", [[float("nan"), 2], [3, 4], [4, 5]])], "no place in an image"),
        ([polygon("cell", [[1e300, 2], [3, 4], [4, 5]])], "no place in an image"),
        ([polygon("cell", [[10**400, 2], [3, 4], [4, 5]])], "points are no numbers"),
        (["cell"], "shape 1 that is no LabelMe shape"),
        (None, "no list of shapes"),
    ],
)
def test_what_cannot_be_true_is_refused_with_its_reason(tmp_path, shapes, reason):
    write_labelme(tmp_path / "a.json", shapes)
    with pytest.raises(ItemError, match=reason):
        read_labelme(tmp_path / "a.json", HEIGHT_PX, WIDTH_PX)


def test_labels_of_another_image_size_are_refused(tmp_path):
    write_labelme(tmp_path / "a.json", [polygon("cell", SQUARE)], height_px=99)
    with pytest.raises(ItemError, match="image of 99 x 52 px, not 40 x 52"):
        read_labelme(tmp_path / "a.json", HEIGHT_PX, WIDTH_PX)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1]", b"[" * 200_000], ids=lambda c: repr(c[:4]))
def test_what_is_no_labelme_file_is_refused(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ItemError, match=r"is not JSON|is not a LabelMe file"):
        read_labelme(tmp_path / "a.json", HEIGHT_PX, WIDTH_PX)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ItemError, match=r"a\.json is no file"):
        read_labelme(tmp_path / "a.json", HEIGHT_PX, WIDTH_PX)


@given(CORNERS)
def test_a_polygon_is_the_sum_of_its_triangles(corners):
    """Neighbours share no pixel of their common edge and leave none out."""
    points = np.array(corners)
    fan = np.zeros((40, 50), bool)
    for second, third in pairwise(points[1:]):
        fan ^= fill_polygon(np.array([points[0], second, third]), 40, 50)
    assert np.array_equal(fan, fill_polygon(points, 40, 50))


@given(CORNERS, st.integers(0, 8))
def test_neither_start_nor_direction_matters(corners, start):
    points = np.array(corners)
    mask = fill_polygon(points, 40, 50)
    assert np.array_equal(mask, fill_polygon(np.roll(points, start, axis=0), 40, 50))
    assert np.array_equal(mask, fill_polygon(points[::-1], 40, 50))


@given(st.floats(8, 32), st.floats(8, 42), st.floats(1, 7), st.integers(3, 40))
def test_a_filled_polygon_has_the_polygons_area(y, x, radius, num_corners):
    angle = np.linspace(0, 2 * np.pi, num_corners, endpoint=False)
    points = np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)
    area = num_corners / 2 * radius**2 * np.sin(2 * np.pi / num_corners)
    perimeter = 2 * num_corners * radius * np.sin(np.pi / num_corners)
    assert abs(fill_polygon(points, 40, 50).sum() - area) <= 0.5 * perimeter + 1
