from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import tv_tensors

from embryofrag.training.augment import AugmentConfig, GreyNoise, RandomPlacement, build_augment
from embryofrag.training.clutter import ZONA_REACH, burn_text_box, scatter_debris

SIZE_PX = 96
SEEDS = st.integers(0, 2**63 - 1)
STILL = AugmentConfig(
    brightness=0.0,
    contrast=0.0,
    gamma=(1.0, 1.0),
    blur_probability=0.0,
    noise_probability=0.0,
    overlay_probability=0.0,
    debris_probability=0.0,
)
"""Geometry alone."""
FLIPS = AugmentConfig(
    rotation_deg=0,
    scale=(1, 1),
    shift_share=0,
    blur_probability=0.0,
    noise_probability=0.0,
    overlay_probability=0.0,
    debris_probability=0.0,
)
"""Flips and quarter turns, and the tone curve."""


def disc(y: float, x: float, radius_px: float) -> np.ndarray:
    rows, columns = np.mgrid[:SIZE_PX, :SIZE_PX] + 0.5
    return (rows - y) ** 2 + (columns - x) ** 2 < radius_px**2


def draw_sample(y: float = 40.0, x: float = 55.0, radius_px: float = 24.0) -> dict:
    """An image that shows its masks: fragment in red, embryo in green, constant blue."""
    embryo = disc(y, x, radius_px)
    masks = np.stack([embryo & disc(y - 10, x + 8, radius_px / 2), embryo])
    image = np.stack([200 * masks[0], 200 * masks[1], np.full(embryo.shape, 30)]).astype(np.uint8)
    return {
        "image": tv_tensors.Image(torch.from_numpy(image)),
        "masks": tv_tensors.Mask(torch.from_numpy(masks.astype(np.uint8))),
    }


def augment(config: AugmentConfig, seed: int, sample: dict) -> dict:
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        return build_augment(config)(sample)


@settings(max_examples=25)
@given(SEEDS)
def test_a_sample_keeps_its_form_and_its_seed_decides_it(seed):
    first, again = (augment(AugmentConfig(), seed, draw_sample()) for _ in range(2))
    assert torch.equal(first["image"], again["image"]) and torch.equal(first["masks"], again["masks"])
    assert first["image"].shape == (3, SIZE_PX, SIZE_PX) and first["image"].dtype == torch.uint8
    assert first["masks"].shape == (2, SIZE_PX, SIZE_PX) and first["masks"].dtype == torch.uint8
    assert set(first["masks"].unique().tolist()) <= {0, 1}
    assert isinstance(first["image"], tv_tensors.Image) and isinstance(first["masks"], tv_tensors.Mask)


def test_seeds_give_different_samples():
    images = {augment(AugmentConfig(), seed, draw_sample())["image"].numpy().tobytes() for seed in range(8)}
    assert len(images) == 8


@settings(max_examples=25)
@given(SEEDS, st.floats(30, 66), st.floats(30, 66))
def test_geometry_moves_image_and_masks_together(seed, y, x):
    moved = augment(STILL, seed, draw_sample(y, x))
    for channel, mask in zip(moved["image"][:2] > 100, moved["masks"] > 0, strict=True):
        assert (channel ^ mask).sum() <= 0.12 * mask.sum() + 12  # outlines differ by interpolation only


@settings(max_examples=25)
@given(SEEDS, st.floats(25, 71), st.floats(25, 71))
def test_geometry_keeps_the_embryo_and_its_ratio(seed, y, x):
    """Even where the embryo touches the canvas's edge and only its corner distance leaves no room to zoom."""
    sample = draw_sample(y, x)
    moved = augment(STILL, seed, sample)["masks"].float().sum(dim=(1, 2))
    fragment_px, embryo_px = sample["masks"].float().sum(dim=(1, 2))
    assert moved[0] / moved[1] == pytest.approx((fragment_px / embryo_px).item(), abs=0.02)
    assert not _touches_edge(augment(STILL, seed, sample)["masks"][1])


def _touches_edge(mask: torch.Tensor) -> bool:
    """Whether more of a mask lies on the canvas's edge than a disc that just fits in may show there."""
    edges = torch.cat([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    return bool(edges.sum() > 14)


@settings(max_examples=15)
@given(SEEDS)
def test_what_comes_into_view_has_the_frames_mean_colour_without_a_seam(seed):
    flat = {"image": tv_tensors.Image(torch.full((3, SIZE_PX, SIZE_PX), 143, dtype=torch.uint8)), "masks": None}
    assert augment(STILL, seed, flat)["image"].unique().tolist() == [143]


@settings(max_examples=15)
@given(SEEDS)
def test_frames_without_masks_are_never_enlarged(seed):
    placement = RandomPlacement(AugmentConfig(scale=(0.9, 3.0)))
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        assert placement.make_params([draw_sample()["image"], None])["scale"] <= 1.0


@pytest.mark.parametrize("step", ["debris", "overlay", "noise", "blur"])
def test_tone_and_clutter_change_the_image_and_leave_masks_alone(step):
    config = replace(FLIPS, **{f"{step}_probability": 1.0})
    images_changed = 0
    for seed in range(4):
        plain, changed = (augment(c, seed, draw_sample(radius_px=15.0)) for c in (FLIPS, config))
        assert torch.equal(plain["masks"], changed["masks"])
        images_changed += not torch.equal(plain["image"], changed["image"])
    assert images_changed >= 3


def test_debris_spares_frames_whose_embryo_is_unknown():
    always = AugmentConfig(debris_probability=1.0, overlay_probability=0.0, noise_probability=0.0)
    never = AugmentConfig(debris_probability=0.0, overlay_probability=0.0, noise_probability=0.0)
    sample = draw_sample() | {"masks": None}
    for seed in range(4):
        first, second = (augment(config, seed, sample)["image"] for config in (always, never))
        assert torch.equal(first, second)


@settings(max_examples=40)
@given(SEEDS, st.floats(0, 96), st.floats(0, 96), st.floats(3, 40))
def test_debris_stays_beyond_the_zona(seed, y, x, radius_px):
    rng = np.random.default_rng(seed)
    canvas = rng.integers(80, 170, (SIZE_PX, SIZE_PX, 3)).astype(np.uint8)
    changed = (scatter_debris(canvas, disc(y, x, radius_px), rng) != canvas).any(axis=2)
    visible_px = np.pi * min(radius_px, 1) if not disc(y, x, radius_px).any() else disc(y, x, radius_px).sum()
    reach_px = radius_px + ZONA_REACH * np.sqrt(visible_px / np.pi) - 2
    assert not (changed & disc(y, x, reach_px)).any()


def test_debris_appears_where_there_is_room():
    canvas = np.full((SIZE_PX, SIZE_PX, 3), 120, np.uint8)
    canvas[disc(48, 48, 12)] = 200
    for embryo in (disc(48, 48, 12), np.zeros((SIZE_PX, SIZE_PX), bool)):
        changed = [(scatter_debris(canvas, embryo, np.random.default_rng(s)) != canvas).any() for s in range(6)]
        assert all(changed)
    everywhere = np.ones((SIZE_PX, SIZE_PX), bool)
    assert np.array_equal(scatter_debris(canvas, everywhere, np.random.default_rng(0)), canvas)


@pytest.mark.parametrize("size_px", [64, 256])
def test_a_text_box_stands_in_a_corner_with_paper_and_ink(size_px):
    canvas = np.full((size_px, size_px, 3), 120, np.uint8)
    corners = set()
    for seed in range(24):
        changed = (burn_text_box(canvas, np.random.default_rng(seed)) != canvas).any(axis=2)
        rows, columns = (np.flatnonzero(changed.any(axis=axis)) for axis in (1, 0))
        assert changed.sum() < 0.2 * size_px**2
        corners.add((rows.mean() > size_px / 2, columns.mean() > size_px / 2))
        assert min(rows[0], size_px - 1 - rows[-1]) <= 0.05 * size_px
    assert len(corners) == 4


def test_noise_is_the_same_in_all_channels():
    torch.manual_seed(0)
    change = GreyNoise(6.0).change(torch.full((3, 64, 64), 120, dtype=torch.uint8)).float() - 120
    assert torch.equal(change[0], change[1]) and torch.equal(change[0], change[2])
    assert 0.0 < change.std() < 7.0


@pytest.mark.parametrize(
    "wrong", [{"overlay_probability": 1.5}, {"debris_probability": -0.1}, {"scale": (1.2, 0.8)}, {"gamma": (0.0, 1.0)}]
)
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        AugmentConfig(**wrong)
