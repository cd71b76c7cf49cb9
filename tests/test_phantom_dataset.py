import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from embryofrag.errors import EmbryofragError, UsageError
from embryofrag.phantom import INSTRUMENTS, OUT_OF_SCOPE, Mix, write_frames
from embryofrag.phantom.dataset import LATE_CELLS, MANIFEST_COLUMNS, grade_letter

MIX = Mix(out_of_scope_share=0.35, two_embryo_share=0.15)


def read_grey(path: Path) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    return write_frames(tmp_path_factory.mktemp("frames"), 18, seed=2, mix=MIX)


def read_rows(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_manifest_agrees_with_the_mask_files(manifest):
    rows = read_rows(manifest)
    assert len(rows) == 18
    assert tuple(rows[0]) == MANIFEST_COLUMNS
    for row in rows:
        fragment = read_grey(manifest.parent / row["fragment_mask"])
        embryo = read_grey(manifest.parent / row["embryo_mask"])
        assert set(np.unique(fragment)) | set(np.unique(embryo)) <= {0, 255}
        if row["stage"] in OUT_OF_SCOPE:
            assert (row["ratio"], row["grade"], embryo.any(), fragment.any()) == ("", "", False, False)
            continue
        ratio = ((fragment > 0) & (embryo > 0)).sum() / (embryo > 0).sum()
        assert float(row["ratio"]) == pytest.approx(ratio, abs=1e-6)
        assert row["grade"] == grade_letter(ratio)


def test_images_have_the_shape_of_their_instrument_and_all_instruments_occur(manifest):
    rows = read_rows(manifest)
    assert {row["instrument"] for row in rows} == set(INSTRUMENTS)
    for row in rows:
        shape = read_grey(manifest.parent / row["image"]).shape
        assert shape == read_grey(manifest.parent / row["embryo_mask"]).shape
        assert row["instrument"] == "bench" or shape == INSTRUMENTS[row["instrument"]].shape


def test_one_place_of_a_slide_is_used_once(manifest):
    places = [(row["slide"], row["well"]) for row in read_rows(manifest)]
    assert len(set(places)) == len(places)


def test_fewer_frames_of_the_same_seed_are_the_first_ones(manifest, tmp_path):
    write_frames(tmp_path / "few", 2, seed=2, mix=MIX)
    for name in ("000000.png", "000001.png", "000001_embryo.png"):
        assert (tmp_path / "few" / name).read_bytes() == (manifest.parent / name).read_bytes()


def test_more_workers_write_the_same_bytes(manifest, tmp_path):
    write_frames(tmp_path / "shared", 18, seed=2, mix=MIX, num_workers=2)
    written = sorted((tmp_path / "shared").iterdir())
    assert [path.name for path in written] == sorted(path.name for path in manifest.parent.iterdir())
    assert all(path.read_bytes() == (manifest.parent / path.name).read_bytes() for path in written)


def test_shares_of_one_draw_nothing_else(tmp_path):
    alone = write_frames(tmp_path / "alone", 6, seed=1, instruments=("embryoscope",), mix=Mix(out_of_scope_share=1.0))
    assert [row["stage"] for row in read_rows(alone)] == list(OUT_OF_SCOPE)
    pairs = write_frames(tmp_path / "pairs", 2, seed=1, mix=Mix(two_embryo_share=1.0))
    assert {row["stage"] for row in read_rows(pairs)} == {"two-embryos"}


@pytest.mark.parametrize(
    "mix", [Mix(out_of_scope_share=0.7, two_embryo_share=0.4), Mix(without=frozenset({"unicorns"}))]
)
def test_impossible_mix_is_refused_before_anything_is_written(tmp_path, mix):
    with pytest.raises(UsageError):
        write_frames(tmp_path / "new", 1, seed=0, mix=mix)
    assert not (tmp_path / "new").exists()


def test_folder_that_holds_something_is_refused(tmp_path):
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(EmbryofragError, match="not an empty folder"):
        write_frames(tmp_path, 1, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_unknown_instrument_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UsageError):
        write_frames(tmp_path / "new", 1, seed=0, instruments=("telescope",))
    assert not (tmp_path / "new").exists()


def test_a_mix_may_ask_for_many_cells_and_for_kinds_out_of_scope(tmp_path):
    mix = Mix(out_of_scope_share=0.4, out_of_scope_kinds=("black",), late_share=0.6)
    manifest = write_frames(tmp_path / "frames", 12, 3, mix=mix)
    rows = read_rows(manifest)
    assert {row["stage"] for row in rows if int(row["num_cells"]) == 0} == {"black"}
    cells = [int(row["num_cells"]) for row in rows if row["stage"] != "black"]
    assert cells and min(cells) >= LATE_CELLS
