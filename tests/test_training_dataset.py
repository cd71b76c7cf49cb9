import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_labels import grade_only, paired, write_manifest, write_png
from hypothesis import given, settings
from hypothesis import strategies as st

from embryofrag.errors import EmbryofragError
from embryofrag.grading.schemes import SCHEMES
from embryofrag.imaging.letterbox import letterbox, place_frame
from embryofrag.imaging.masks import EMBRYO, FRAGMENT
from embryofrag.imaging.window import Window
from embryofrag.phantom import draw_frame
from embryofrag.phantom.overlay import burn_overlay
from embryofrag.training.augment import AugmentConfig
from embryofrag.training.dataset import Batch, EpochSampler, FrameDataset, collate, make_loader
from embryofrag.training.labelled import read_labelled
from embryofrag.training.manifest import read_manifest
from embryofrag.training.row import Row

SCHEME = SCHEMES["regdeeplab"]
SIZE_PX = 48


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> tuple[Row, ...]:
    """Four paired and five grade-only rows."""
    folder = tmp_path_factory.mktemp("rows")
    drawn = [paired(folder, seed, ratio="0.4" if seed == 1 else "") for seed in range(4)]
    drawn += [grade_only(folder, seed, grade="ABCDB"[seed - 4]) for seed in range(4, 9)]
    return read_manifest(write_manifest(folder, drawn), SCHEME)


def make_dataset(rows: tuple[Row, ...], augment: AugmentConfig | None = None, seed: int = 0) -> FrameDataset:
    return FrameDataset(rows, SIZE_PX, scheme=SCHEME, augment=augment, seed=seed)


def same(first: Batch, second: Batch) -> bool:
    """Equal to the bit, nan included."""
    return all(
        np.array_equal(getattr(first, name), getattr(second, name), name == "ratio_N") for name in Batch.__slots__
    )


def test_a_batch_has_the_shapes_types_and_truths_of_its_rows(rows):
    (batch,) = make_loader(make_dataset(rows), 9, shuffle=False, seed=0, num_workers=0)
    assert len(batch) == 9
    assert batch.images_NHWC.shape == (9, SIZE_PX, SIZE_PX, 3) and batch.images_NHWC.dtype == torch.uint8
    assert batch.masks_NKHW.shape == (9, 2, SIZE_PX, SIZE_PX) and batch.masks_NKHW.dtype == torch.float32
    assert set(batch.masks_NKHW.unique().tolist()) == {0.0, 1.0}
    assert batch.has_masks_N.tolist() == [True] * 4 + [False] * 5
    assert batch.ratio_N.dtype == torch.float32 and batch.index_N.tolist() == list(range(9))
    assert batch.ratio_N[1] == np.float32(0.4) and batch.ratio_N[0] == np.float32(rows[0].ratio)
    assert batch.ratio_N[4:].isnan().all() and not batch.masks_NKHW[4:].any()
    expected = [(0, 1)] * 4 + [(0, 0.1), (0.1, 0.25), (0.25, 0.5), (0.5, 1), (0.1, 0.25)]
    assert np.allclose(batch.interval_N2, expected)


def test_masks_lie_on_the_embryo_that_the_canvas_shows(rows):
    sample = make_dataset(rows)[0]
    grey, (fragment, embryo) = sample.images_NHWC[0, ..., 0].float(), sample.masks_NKHW[0] > 0
    assert grey[fragment].min() > grey[embryo & ~fragment].mean() > grey[~embryo].mean() + 30
    rows_of_content, _ = place_frame(40, 52, SIZE_PX).content
    assert rows_of_content.start > 0 and not sample.masks_NKHW[0, :, : rows_of_content.start].any()
    on_canvas = sample.masks_NKHW[0, FRAGMENT].sum() / sample.masks_NKHW[0, EMBRYO].sum()
    assert on_canvas.item() == pytest.approx(rows[0].ratio, abs=0.02)


def test_the_ratio_is_that_of_the_frame_before_augmentation(rows):
    dataset = make_dataset(rows, AugmentConfig(scale=(0.5, 0.6)))
    assert dataset[0].ratio_N.item() == np.float32(rows[0].ratio)
    unmeasured = Row(line=2, image=rows[0].image, fragment_mask=rows[0].fragment_mask, embryo_mask=rows[0].embryo_mask)
    assert make_dataset((unmeasured,))[0].ratio_N.item() == np.float32(rows[0].ratio)


def test_an_empty_well_has_masks_but_no_ratio(tmp_path):
    row = paired(tmp_path, 0)
    for column in ("fragment_mask", "embryo_mask"):
        write_png(tmp_path / row[column], np.zeros((40, 52), bool))
    sample = make_dataset(read_manifest(write_manifest(tmp_path, [row]), SCHEME), AugmentConfig())[0]
    assert sample.has_masks_N.all() and math.isnan(sample.ratio_N.item()) and not sample.masks_NKHW.any()


@pytest.mark.parametrize("num_workers", [1, 2])
def test_workers_change_nothing_and_see_each_epoch(rows, num_workers):
    here, there = (make_dataset(rows, AugmentConfig(), seed=3) for _ in range(2))
    loaders = [
        make_loader(dataset, 2, shuffle=True, seed=3, num_workers=workers)
        for dataset, workers in ((here, 0), (there, num_workers))
    ]
    epochs = []
    for epoch in range(2):
        here.set_epoch(epoch), there.set_epoch(epoch)
        pairs = list(zip(*loaders, strict=True))
        assert len(pairs) == 4
        assert all(same(first, second) for first, second in pairs)
        epochs.append([first for first, _ in pairs])
    assert not any(same(first, second) for first, second in zip(*epochs, strict=True))


def test_an_epoch_comes_out_the_same_when_it_is_resumed(rows):
    dataset = make_dataset(rows, AugmentConfig())
    dataset.set_epoch(5)
    first = dataset[2]
    dataset.set_epoch(6)
    assert not torch.equal(dataset[2].images_NHWC, first.images_NHWC)
    fresh = make_dataset(rows, AugmentConfig())
    fresh.set_epoch(5)
    assert same(fresh[2], first) and fresh.epoch == 5
    assert not same(make_dataset(rows, AugmentConfig(), seed=1)[2], first)


def test_the_callers_generator_is_left_alone(rows):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    make_dataset(rows, AugmentConfig())[0]
    assert torch.equal(torch.get_rng_state(), before)


def test_a_burned_in_overlay_is_blanked_as_in_grading(tmp_path):
    frame = draw_frame(4, instrument="embryoscope")
    samples = []
    for name, well in (("plain.png", None), ("burned.png", 7)):
        image = frame.image.copy()
        image[-80:] = 120  # the drawn frame's own overlay, if it has one
        burn_overlay(image, well, None)
        write_png(tmp_path / name, image)
        samples.append(make_dataset((Row(line=2, image=tmp_path / name, grade="A"),))[0].images_NHWC.float())
    assert (samples[0] - samples[1]).abs().max() <= 2


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_file_that_vanishes_stops_with_its_line(tmp_path, num_workers):
    rows = read_manifest(write_manifest(tmp_path, [paired(tmp_path, 0)]), SCHEME)
    (tmp_path / "0_embryo.png").unlink()
    with pytest.raises(EmbryofragError, match=r"line 2 of the manifest: .*0_embryo\.png is no file"):
        list(make_loader(make_dataset(rows), 1, shuffle=False, seed=0, num_workers=num_workers))


def test_batches_join_and_move(rows):
    dataset = make_dataset(rows)
    batch = collate([collate([dataset[0], dataset[5]]), dataset[2]])
    assert batch.index_N.tolist() == [0, 5, 2]
    assert same(batch.to("cpu"), batch)
    assert batch.to("meta").images_NHWC.device.type == "meta"


def test_a_last_batch_that_is_not_full_is_left_out_of_training_only(rows):
    dataset = make_dataset(rows)
    sizes = {
        shuffle: [len(batch) for batch in make_loader(dataset, 4, shuffle=shuffle, seed=0, num_workers=0)]
        for shuffle in (True, False)
    }
    assert sizes == {True: [4, 4], False: [4, 4, 1]}
    assert [len(batch) for batch in make_loader(dataset, 20, shuffle=True, seed=0, num_workers=0)] == [9]


def undrawn(num_paired: int, num_grade_only: int) -> FrameDataset:
    """A data set whose files do not exist, to be ordered but not read."""
    return make_dataset(
        tuple(Row(line=i, image=Path("x.png"), labelme=Path("x.json")) for i in range(num_paired))
        + tuple(Row(line=i, image=Path("x.png"), grade="A") for i in range(num_grade_only))
    )


@settings(max_examples=40)
@given(st.integers(0, 12), st.integers(1, 30), st.integers(1, 5), st.integers(0, 9))
def test_processes_share_an_epoch_evenly(num_paired, num_grade_only, world_size, seed):
    dataset = undrawn(num_paired, num_grade_only)
    for shuffle in (True, False):
        samplers = [
            EpochSampler(dataset, shuffle=shuffle, seed=seed, rank=rank, world_size=world_size)
            for rank in range(world_size)
        ]
        shares = [list(sampler) for sampler in samplers]
        assert [len(share) for share in shares] == [len(sampler) for sampler in samplers]
        taken = [index for share in shares for index in share]
        assert set(taken) == set(range(len(dataset)))
        if shuffle:
            assert len({len(share) for share in shares}) == 1 and len(taken) - len(dataset) < world_size
        else:
            assert len(taken) == len(dataset)


def test_paired_rows_are_spread_over_the_epoch_in_an_order_of_its_own():
    dataset = undrawn(10, 50)
    orders = []
    for epoch in range(20):
        dataset.set_epoch(epoch)
        orders.append(list(EpochSampler(dataset, shuffle=True, seed=0)))
        for fifth in np.array_split(np.array(orders[-1]), 5):
            assert 1 <= (fifth < 10).sum() <= 3
    assert len({tuple(order) for order in orders}) == 20


def test_a_cropped_canvas_shows_the_embryo_at_its_share_of_the_side(rows):
    frames = FrameDataset(rows, 64, scheme=SCHEME, augment=None, seed=0, diameter_share=0.6)
    for index in range(4):
        mask = frames[index].masks_NKHW[0, EMBRYO].numpy()
        down, across = np.nonzero(mask)
        reach_px = np.hypot(down - 31.5, across - 31.5).max() + 0.5
        assert abs(2 * reach_px / 64 - 0.6) < 0.06
        assert frames[index].ratio_N.item() == pytest.approx(rows[index].ratio)


def test_without_a_labelled_embryo_the_row_says_what_to_show(rows):
    window = Window(top_px=1, left_px=2, side_px=9)
    row = replace(rows[5], window=window)
    shown = FrameDataset((row,), 32, scheme=SCHEME, augment=None, seed=0, diameter_share=0.6)[0].images_NHWC[0].numpy()
    expected, _ = letterbox(read_labelled(row).image, 32, window)
    assert np.array_equal(shown, expected)


def test_the_ratio_is_that_of_the_embryo_which_the_canvas_shows(tmp_path):
    masks = np.zeros((2, 60, 120), bool)
    masks[EMBRYO, 10:50, 5:45] = masks[EMBRYO, 20:44, 90:114] = True
    masks[FRAGMENT, 10:30, 5:45] = True
    files = {
        "image": write_png(tmp_path / "two.png", np.full((60, 120), 90, np.uint8)),
        "fragment_mask": write_png(tmp_path / "f.png", masks[FRAGMENT]),
        "embryo_mask": write_png(tmp_path / "e.png", masks[EMBRYO]),
    }
    (row,) = read_manifest(write_manifest(tmp_path, [files]), SCHEME)
    assert row.ratio == pytest.approx(800 / (1600 + 576))
    cropped = FrameDataset((row,), 64, scheme=SCHEME, augment=None, seed=0, diameter_share=0.9)[0]
    assert cropped.ratio_N.item() == pytest.approx(0.5)
