import dataclasses
import hashlib
import os

import cv2
import numpy as np
import pandas as pd
import pytest
from drawn_results import graded, write_results

from embryofrag.errors import UsageError
from embryofrag.imaging.overlay import EMBRYO_RGB, encode_jpeg
from embryofrag.imaging.png import encode_mask_png
from embryofrag.report.contact_sheet import Tile, draw_sheet
from embryofrag.report.gallery import MAX_REFERRED, NUM_OTHERS, choose_embryos, over_time, write_gallery
from embryofrag.report.pictures import THUMBNAIL_PX, Album, middle_shot
from embryofrag.report.source import read_results
from embryofrag.run.outputs import Outputs

SIDE_PX = 200
RATIOS = (0.1, 0.2, 0.6)


def disc(radius_px: float) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE_PX, :SIDE_PX]
    return (rows - 120) ** 2 + (columns - 90) ** 2 < radius_px**2


@pytest.fixture
def run(tmp_path):
    """Two embryos of three frames each, with an archive and masks."""
    out, archive = tmp_path / "out", tmp_path / "archive"
    items, outputs = [], Outputs(out)
    for embryo in ("one", "two"):
        for place, ratio in enumerate(RATIOS):
            picture = np.full((SIDE_PX, SIDE_PX), 60 + 20 * place, np.uint8)
            data = cv2.imencode(".png", picture)[1].tobytes()
            item = graded(
                embryo, f"RUN{place}", ratio, source=f"{embryo}/{place}.png", run=place, hpi=40.0 - place, slide="S",
                sha256=hashlib.sha256(data).hexdigest(), referred=embryo == "one",
            )  # fmt: skip
            items.append(item)
            (archive / embryo).mkdir(parents=True, exist_ok=True)
            (archive / item.source).write_bytes(data)
            for path, mask in (
                (outputs.fragment_mask(embryo, item.frame), disc(8)),
                (outputs.embryo_mask(embryo, item.frame), disc(40)),
            ):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(encode_mask_png(mask))
    return write_results(out, items, archive=str(archive))


def decode(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def is_blue(rgb: np.ndarray) -> np.ndarray:
    return np.abs(rgb.astype(int) - EMBRYO_RGB).max(axis=-1) < 60


def write_overlay(run, embryo: str, frame: str, grey: int, age_s: float) -> None:
    """The overlay of a run, so many seconds younger than its mask."""
    outputs = Outputs(run)
    path, mask = outputs.overlay(embryo, frame), outputs.fragment_mask(embryo, frame)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_jpeg(np.full((SIDE_PX, SIDE_PX, 3), grey, np.uint8)))
    written_s = mask.stat().st_mtime - age_s
    os.utime(path, (written_s, written_s))


def test_frames_are_in_the_order_of_hours_and_the_middle_one_stands_for_all(run):
    shots = Album(read_results(run)).shots["one"]
    assert [shot.frame for shot in shots] == ["RUN2", "RUN1", "RUN0"]
    assert middle_shot(shots).ratio_reg == 0.2


def test_a_thumbnail_shows_the_outlined_embryo_alone(run):
    album = Album(read_results(run))
    rgb = decode(album.thumbnail("one"))
    assert rgb.shape == (THUMBNAIL_PX, THUMBNAIL_PX, 3)
    blue = is_blue(rgb)
    assert blue[THUMBNAIL_PX // 2, : THUMBNAIL_PX // 4].any()
    assert blue[THUMBNAIL_PX // 2, 3 * THUMBNAIL_PX // 4 :].any()
    assert not album.missing


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda run, archive: (archive / "one" / "1.png").unlink(), "the archive's frame is gone or cannot be read"),
        (
            lambda run, archive: (archive / "one" / "1.png").write_bytes(b"other"),
            "the archive's frame has changed since it was graded",
        ),
        (lambda run, archive: Outputs(run).embryo_mask("one", "RUN1").unlink(), "the run wrote no masks"),
        (lambda run, archive: Outputs(run).embryo_mask("one", "RUN1").write_bytes(b"x"), "a mask cannot be read"),
        (
            lambda run, archive: Outputs(run).embryo_mask("one", "RUN1").write_bytes(encode_mask_png(disc(9)[:50])),
            "two masks of one frame differ in size",
        ),
    ],
)
def test_a_picture_that_cannot_be_had_is_counted_with_its_reason(run, spoil, reason):
    spoil(run, run.parent / "archive")
    album = Album(read_results(run))
    assert album.thumbnail("one") is None
    assert dict(album.missing) == {reason: 1}
    assert album.thumbnail("two") is not None


def test_without_the_archive_the_overlay_of_the_run_is_shown(run):
    (run.parent / "archive").rename(run.parent / "away")
    write_overlay(run, "one", "RUN1", grey=200, age_s=-5)
    album = Album(read_results(run))
    assert decode(album.thumbnail("one")).mean() == pytest.approx(200, abs=2)
    assert album.thumbnail("two") is None
    assert dict(album.missing) == {f"the archive {run.parent / 'archive'} is gone": 1}


def test_an_overlay_older_than_its_mask_is_not_shown(run):
    write_overlay(run, "one", "RUN1", grey=200, age_s=5)
    album = Album(read_results(run))
    shot = middle_shot(album.shots["one"])
    assert not album.has_overlay(shot)
    assert is_blue(decode(album.overlay(shot))).any()


def test_an_overlay_names_the_grade_of_the_scheme_asked_for(run):
    write_overlay(run, "one", "RUN1", grey=200, age_s=-5)
    as_graded, anew = Album(read_results(run)), Album(read_results(run, scheme="istanbul-2011"))
    shots = [middle_shot(album.shots["one"]) for album in (as_graded, anew)]
    assert as_graded.overlay(shots[0]) == Outputs(run).overlay("one", "RUN1").read_bytes()
    assert anew.overlay(shots[1]) != as_graded.overlay(shots[0])


def test_the_gallery_holds_overlays_strips_and_a_sheet_of_the_slide(run):
    results = read_results(run)
    folder = run / "report"
    gallery = write_gallery(results, Album(results), folder)
    assert gallery.num_overlays == len(list((folder / "overlays").rglob("*.jpg"))) == 6
    assert gallery.strips == {name: folder / "strips" / f"{name}.jpg" for name in ("one", "two")}
    assert gallery.sheets == {"S": folder / "contact_sheets" / "S.jpg"}
    assert gallery.left_out == ()


def test_no_gallery_where_none_is_wanted_or_nothing_can_be_shown(run):
    results = read_results(run)
    write_gallery(results, Album(results), run / "report", "none")
    (run.parent / "archive").rename(run.parent / "away")
    gallery = write_gallery(results, Album(read_results(run)), run / "report")
    assert (gallery.strips, gallery.sheets, gallery.num_overlays) == ({}, {}, 0)
    assert not (run / "report").exists()
    with pytest.raises(UsageError, match="some, all, none"):
        write_gallery(results, Album(results), run / "report", "most")


def test_pictures_of_another_scheme_lie_apart(run):
    results = read_results(run, scheme="istanbul-2011")
    write_gallery(results, Album(results), run)
    assert (run / "overlays-istanbul-2011" / "one" / "RUN0.jpg").is_file()
    assert not (run / "overlays").exists()


def test_a_few_embryos_are_chosen_of_many_always_the_same():
    names = [f"e{place:03}" for place in range(200)]
    table = pd.DataFrame({"embryo": names, "num_graded": 3, "referred": [place % 2 == 0 for place in range(200)]})
    chosen, left_out = choose_embryos(table, "some")
    assert len(chosen) == MAX_REFERRED + NUM_OTHERS
    assert chosen == sorted(chosen)
    shuffled = table.sample(frac=1, random_state=1)
    assert set(choose_embryos(shuffled, "some")[0]) == set(chosen)
    assert left_out == [
        "Overlays and strips were made for 40 of 100 referred embryos and for 10 of 100 others "
        "(`--overlays all` makes all)."
    ]
    assert choose_embryos(table, "all") == (names, [])


@pytest.mark.parametrize("count", [1, 8, 9, 100])
def test_a_strip_spans_all_of_the_time(run, count):
    (shot, *_) = Album(read_results(run)).shots["one"]
    shots = [dataclasses.replace(shot, run=place) for place in range(count)]
    runs = [chosen.run for chosen in over_time(shots)]
    assert len(runs) == min(count, 8)
    assert (runs[0], runs[-1]) == (0, count - 1)
    assert runs == sorted(set(runs))


def test_a_sheet_has_room_for_every_tile_and_marks_the_referred():
    grey = np.full((60, 60, 3), 128, np.uint8)
    plain = [Tile(rgb=grey, lines=("a",)), Tile(rgb=None, lines=("b",)), Tile(rgb=grey, lines=("c",))]
    sheet = draw_sheet("a title much too wide for a sheet of this size " * 3, plain, 2, 60)
    marked = draw_sheet("t", [dataclasses.replace(tile, referred=True) for tile in plain], 2, 60)
    assert marked.shape[0] > sheet.shape[0]
    orange = (np.abs(marked.astype(int) - (176, 58, 0)).max(axis=2) < 30).sum()
    assert orange > 2 * (np.abs(sheet.astype(int) - (176, 58, 0)).max(axis=2) < 30).sum()
