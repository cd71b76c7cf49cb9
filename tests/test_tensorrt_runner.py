"""Batches go through the slots in turn; what a card has no memory for is halved. The card itself: `-m gpu`."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_model import TINY, draw_discs, write_tiny_model

from embryofrag.engine.build import build_engines
from embryofrag.engine.select import choose_engine, load_pair
from embryofrag.engine.tensorrt.gpu import has_gpu
from embryofrag.engine.tensorrt.lane import failures_of
from embryofrag.engine.tensorrt.libraries import installed_library
from embryofrag.engine.tensorrt.runner import allocate_halving, run_overlapped
from embryofrag.errors import EmbryofragError


class CountingSlot:
    """Gives each image's first value and its double back, and minds the order in which it is used."""

    def __init__(self, slots: list):
        self.waiting = None
        self.slots = slots
        self.most = 0

    def submit(self, images_NHWC):
        assert self.waiting is None, "filled before it was read"
        self.waiting = images_NHWC[:, 0, 0, 0].astype(np.float32)

    def collect(self, num_images):
        self.most = max(self.most, sum(slot.waiting is not None for slot in self.slots))
        result, self.waiting = self.waiting, None
        return [result[:num_images], 2 * result[:num_images]]


@given(num_images=st.integers(1, 40), batch_size=st.integers(1, 9), num_slots=st.integers(1, 3))
def test_every_image_comes_back_in_its_place(num_images, batch_size, num_slots):
    slots = []
    slots.extend(CountingSlot(slots) for _ in range(num_slots))
    images = np.zeros((num_images, 1, 1, 3), np.uint8)
    images[:, 0, 0, 0] = range(num_images)
    results = [np.full(num_images, np.nan, np.float32) for _ in range(2)]
    run_overlapped(slots, batch_size, images, results)
    assert np.array_equal(results[0], range(num_images))
    assert np.array_equal(results[1], 2 * results[0])
    in_flight = min(num_slots, -(-num_images // batch_size))
    assert slots[0].most == in_flight  # the others were filled before the first was waited for


def out_of_memory_above(limit: int):
    def allocate(batch_size: int) -> str:
        if batch_size > limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB\nand so on")
        return f"room for {batch_size}"

    return allocate


@pytest.mark.parametrize(("limit", "taken"), [(8, 8), (7, 4), (3, 2), (1, 1)])
def test_batch_is_halved_until_it_fits(limit, taken):
    assert allocate_halving(out_of_memory_above(limit), 8) == (f"room for {taken}", taken)


def test_card_without_memory_for_one_frame():
    with pytest.raises(EmbryofragError, match=r"no memory for even one frame \(CUDA out of memory.*GiB\).*--device"):
        allocate_halving(out_of_memory_above(0), 8)


def test_failure_of_a_card_stops_the_run():
    with (
        pytest.raises(EmbryofragError, match=r"cuda:1 failed in module b \(CUDA error: unspecified\).*nvidia-smi"),
        failures_of(torch.device("cuda", 1), "b"),
    ):
        raise RuntimeError("CUDA error: unspecified")


def has_tensorrt() -> bool:
    try:
        return has_gpu() and bool(installed_library())
    except EmbryofragError:
        return False


on_a_card = pytest.mark.skipif(not has_tensorrt(), reason="needs an NVIDIA GPU and TensorRT")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_model(folder)
    build_engines(folder, engine="tensorrt", precision="fp16", max_batch=4)
    return folder


@on_a_card
@pytest.mark.gpu
def test_result_does_not_depend_on_the_batch(built):
    pair, images = load_pair(choose_engine(built, "tensorrt")), draw_discs(TINY.input_px, 11)
    masks, ratios = pair.masks(images), pair.ratios(images)
    for order in ([3], [10, 0], [2, 4, 1, 3, 0]):
        assert np.array_equal(pair.masks(images[order]), masks[order])
        assert np.array_equal(pair.ratios(images[order]), ratios[order])
    pair.close()


@on_a_card
@pytest.mark.gpu
def test_one_pass_gives_what_two_give(tmp_path):
    model, images = write_tiny_model(tmp_path / "tiny", one_backbone=True), draw_discs(TINY.input_px, 6)
    answers = {}
    for name in ("apart", "decoupled"):
        build_engines(model.path, engine="tensorrt", precision="fp32", max_batch=4, pair=name)
        pair = load_pair(choose_engine(model.path, "tensorrt"))
        answers[name] = pair.masks_and_ratios(images)
        pair.close()
    for one, two in zip(*answers.values(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-4)


@on_a_card
@pytest.mark.gpu
def test_truncated_plan_with_a_manifest_made_to_fit(built, tmp_path):
    """The sha256 finds a truncated file first; TensorRT must find it too."""
    from embryofrag.engine.tensorrt.lane import LoadedPlan
    from embryofrag.engine.tensorrt.record import read_record

    folder = built / "engines" / "tensorrt-fp16"
    plan = tmp_path / "short.plan"
    plan.write_bytes((folder / "module_a.plan").read_bytes()[:5000])
    with pytest.raises(EmbryofragError, match="TensorRT refused"):
        LoadedPlan(plan, read_record(folder, "a"), "build it anew")


@on_a_card
@pytest.mark.gpu
def test_card_that_is_nearly_full_takes_smaller_batches(built):
    pair, images = load_pair(choose_engine(built, "tensorrt")), draw_discs(TINY.input_px, 4)
    expected = pair.ratios(images)
    engine = pair.loaded["b"]
    make_slots = engine._make_slots

    def only_small(batch_size: int):
        if batch_size > 2:
            raise torch.OutOfMemoryError("stated by the test")
        return make_slots(batch_size)

    engine._slots, engine.batch_size = allocate_halving(only_small, 4)
    assert engine.batch_size == 2
    np.testing.assert_allclose(pair.ratios(images), expected, atol=1e-3)
    pair.close()
