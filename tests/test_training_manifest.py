import numpy as np
import pytest
from drawn_labels import (
    COLUMNS,
    HEIGHT_PX,
    draw_image,
    draw_masks,
    grade_only,
    paired,
    polygon,
    write_labelme,
    write_manifest,
    write_png,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embryofrag.errors import EmbryofragError
from embryofrag.grading.ratio import measure_masks
from embryofrag.grading.schemes import SCHEMES
from embryofrag.phantom import write_frames
from embryofrag.training.manifest import ManifestError, Problem, check_manifest, read_manifest

SCHEME = SCHEMES["regdeeplab"]


def test_all_three_kinds_of_labels_are_read(tmp_path):
    cell = polygon("cell", [[10, 10], [30, 10], [30, 30], [10, 30]])
    fragment = polygon("fragment", [[10, 10], [20, 10], [20, 20], [10, 20]])
    rows = [
        paired(tmp_path, 0, patient="P1", stage="4-cell", grade="B"),
        grade_only(tmp_path, 1, grade="C", slide="S9", well="03"),
        {"image": grade_only(tmp_path, 2)["image"], "labelme": write_labelme(tmp_path / "2.json", [cell, fragment])},
    ]
    first, second, third = read_manifest(write_manifest(tmp_path, rows), SCHEME)
    assert (first.line, first.name, first.kind, first.stage, first.grade) == (2, "0.png", "paired", "4-cell", "B")
    assert first.ratio == measure_masks(*draw_masks()).ratio_mask
    assert (second.kind, second.ratio, second.grade, second.group) == ("grade_only", None, "C", "slide S9 well 3")
    assert (third.kind, third.ratio, third.group) == ("paired", 0.25, "image 2.png")
    assert first.image == tmp_path / "0.png" and third.labelme == tmp_path / "2.json"


def test_a_ratio_that_is_given_wins_over_the_masks(tmp_path):
    (row,) = read_manifest(write_manifest(tmp_path, [paired(tmp_path, 0, ratio="0.5")]), SCHEME)
    assert row.ratio == 0.5


def test_an_empty_well_is_a_paired_row_without_ratio(tmp_path):
    row = paired(tmp_path, 0)
    nothing = np.zeros_like(draw_masks()[0])
    for column in ("fragment_mask", "embryo_mask"):
        write_png(tmp_path / row[column], nothing)
    (read,) = read_manifest(write_manifest(tmp_path, [row]), SCHEME)
    assert (read.kind, read.ratio) == ("paired", None)


def test_drawn_frames_come_with_a_manifest_that_is_taken(tmp_path):
    rows = read_manifest(write_frames(tmp_path / "frames", 7, seed=1), SCHEME)
    assert len(rows) == 7 and len({row.group for row in rows}) == 2
    assert all(row.kind == "paired" and row.grade for row in rows)


def _cut(path):
    path.write_bytes(path.read_bytes()[:-40])
    return path.name


def _small_mask(folder):
    return write_png(folder / "small.png", np.zeros((HEIGHT_PX, 9), bool))


def _grey_mask(folder):
    return write_png(folder / "grey.png", draw_masks()[0].astype(np.uint8))


def _mask_elsewhere(folder):
    mask = np.zeros_like(draw_masks()[0])
    mask[:4, :4] = True
    return write_png(folder / "elsewhere.png", mask)


BAD_CELLS = {
    "no image": (lambda folder: {"image": ""}, "names no image"),
    "missing image": (lambda folder: {"image": "gone.png"}, "gone.png is no file"),
    "image is a folder": (lambda folder: {"image": "."}, "is no file"),
    "truncated image": (lambda folder: {"image": _cut(folder / "0.png")}, "0.png: "),
    "missing mask": (lambda folder: {"embryo_mask": "gone.png"}, "gone.png is no file"),
    "mask of another size": (lambda folder: {"fragment_mask": _small_mask(folder)}, "small.png is 40 x 9, its image"),
    "mask of 0 and 1": (lambda folder: {"fragment_mask": _grey_mask(folder)}, "holds the value 1"),
    "colour mask": (lambda folder: {"fragment_mask": "colour.png"}, "colour.png is 40 x 52 x 3"),
    "fragment outside": (lambda folder: {"fragment_mask": _mask_elsewhere(folder)}, "outside its embryo mask"),
    "one mask": (lambda folder: {"embryo_mask": ""}, "has a fragment_mask alone"),
    "masks and polygons": (lambda folder: {"labelme": "a.json"}, "masks and a LabelMe file"),
    "ratio in percent": (lambda folder: {"ratio": "12"}, "'12' is no number in 0..1"),
    "ratio with a comma": (lambda folder: {"ratio": "0,1"}, "'0,1' is no number in 0..1"),
    "ratio not a number": (lambda folder: {"ratio": "nan"}, "'nan' is no number in 0..1"),
    "unknown grade": (lambda folder: {"grade": "E"}, "'E' is none of A, B, C, D"),
    "no label": (lambda folder: {"fragment_mask": "", "embryo_mask": ""}, "neither masks nor ratio nor grade"),
    "well alone": (lambda folder: {"well": "3"}, "a well without its slide"),
}


def _spoil(folder, name):
    spoil, reason = BAD_CELLS[name]
    row = paired(folder, 0)
    write_png(folder / "colour.png", np.full((*draw_masks()[0].shape, 3), (0, 255, 0), np.uint8))
    return row | spoil(folder), reason


@pytest.mark.parametrize("name", BAD_CELLS)
def test_a_bad_row_is_named_with_line_and_reason(tmp_path, name):
    row, reason = _spoil(tmp_path, name)
    (problem,) = check_manifest(write_manifest(tmp_path, [grade_only(tmp_path, 1), row]), SCHEME)
    assert problem.line == 3
    assert reason in problem.reason


def test_every_bad_row_is_listed_at_once(tmp_path):
    rows = [
        paired(tmp_path, 0) | {"image": "gone.png"},
        grade_only(tmp_path, 1),
        grade_only(tmp_path, 2, grade="Z"),
        paired(tmp_path, 3, ratio="-1"),
    ]
    path = write_manifest(tmp_path, rows)
    with pytest.raises(ManifestError) as raised:
        read_manifest(path, SCHEME)
    assert [problem.line for problem in raised.value.problems] == [2, 4, 5]
    assert check_manifest(path, SCHEME) == raised.value.problems
    assert str(raised.value).count("\n") == 3 and "line 4: the grade 'Z'" in str(raised.value)


def test_the_same_picture_under_two_names_is_found(tmp_path):
    rows = [grade_only(tmp_path, 0), grade_only(tmp_path, 1)]
    (tmp_path / "copy.png").write_bytes((tmp_path / "0.png").read_bytes())
    path = write_manifest(tmp_path, [*rows, {"image": "copy.png", "grade": "A"}, rows[1]])
    assert check_manifest(path, SCHEME) == (
        Problem(line=4, reason="copy.png is the same picture as line 2"),
        Problem(line=5, reason="1.png is the same picture as line 3"),
    )


def test_one_well_of_two_patients_is_found(tmp_path):
    rows = [
        grade_only(tmp_path, 0, slide="S1", well="1", patient="P1"),
        grade_only(tmp_path, 1, slide="S1", well="01", patient=""),
        grade_only(tmp_path, 2, slide="S1", well="2", patient="P2"),
    ]
    (problem,) = check_manifest(write_manifest(tmp_path, rows), SCHEME)
    assert problem == Problem(line=3, reason="its patient is '', but line 2 of the same slide and well has 'P1'")


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "no column 'image'"),
        ("picture,grade\na.png,A\n", 1, "no column 'image'"),
        ("image;grade\na.png;A\n", 1, "separated by semicolons"),
        ("image,grade,grade\n", 1, "'grade' twice"),
        ("image,grade\n", 1, "no row follows"),
        ("image,grade\n\n , \n", 1, "no row follows"),
        ("image,grade\na.png,A,B\n", 2, "has 3 cells, the header 2"),
        ('image,grade\n"a.png,A\n', 2, "not readable as CSV"),
        ("image,grade\n\0,A\n", 2, "is no file"),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path, text, line, reason):
    (tmp_path / "manifest.csv").write_text(text)
    (problem,) = check_manifest(tmp_path / "manifest.csv", SCHEME)
    assert problem.line == line and reason in problem.reason


def test_a_spreadsheets_byte_order_mark_and_further_columns_do_no_harm(tmp_path):
    path = write_manifest(tmp_path, [grade_only(tmp_path, 0, notes="x\ny")], (*COLUMNS, "notes"))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_manifest(path, SCHEME)[0].grade == "B"


def test_a_manifest_that_cannot_be_read_stops(tmp_path):
    with pytest.raises(EmbryofragError, match="cannot be read"):
        read_manifest(tmp_path / "none.csv", SCHEME)
    (tmp_path / "latin.csv").write_bytes("image,grade\nä.png,A\n".encode("latin-1"))
    with pytest.raises(EmbryofragError, match="not UTF-8"):
        check_manifest(tmp_path / "latin.csv", SCHEME)


def test_grades_are_those_of_the_scheme_in_use(tmp_path):
    path = write_manifest(tmp_path, [grade_only(tmp_path, 0, grade="mild")])
    assert read_manifest(path, SCHEMES["istanbul-2011"])[0].grade == "mild"
    assert check_manifest(path, SCHEME)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_text_is_taken_or_refused_by_line(tmp_path, text):
    path = tmp_path / "manifest.csv"
    path.write_bytes(("image,grade,ratio\n" + text).encode())
    problems = check_manifest(path, SCHEME)
    assert problems
    assert all(problem.line >= 1 and problem.reason for problem in problems)


def test_pictures_differ_by_pixels_not_by_masks(tmp_path):
    """Two frames of one embryo with the same masks are two rows."""
    rows = [paired(tmp_path, 0), paired(tmp_path, 1)]
    assert not np.array_equal(draw_image(0, *draw_masks()), draw_image(1, *draw_masks()))
    assert check_manifest(write_manifest(tmp_path, rows), SCHEME) == ()
