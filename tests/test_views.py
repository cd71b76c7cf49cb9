"""Views of a window: turned, mirrored, brought back and averaged."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tiny_model import TINY, draw_discs, write_tiny_model

from embryofrag.engine.build import build_engines
from embryofrag.engine.model import MODEL_FILE, read_model
from embryofrag.engine.select import choose_engine, load_pair
from embryofrag.engine.views import NUM_VIEWS, average_views, turn, turn_back
from embryofrag.errors import EmbryofragError, UsageError

IMAGES = st.integers(1, 3).flatmap(lambda num: arrays(np.uint8, (num, 6, 6, 3)))


def brightness(images_NSSC):
    """Answers that turn with the image: its channels as masks, and its mean."""
    masks_NKSS = np.moveaxis(images_NSSC[..., :2], 3, 1).astype(np.float32) / 255
    return masks_NKSS, masks_NKSS.mean(axis=(1, 2, 3), dtype=np.float64).astype(np.float32)


def corner(images_NSSC):
    """Answers that do not turn: whatever the image, the first pixel."""
    masks_NKSS = np.zeros((len(images_NSSC), 2, *images_NSSC.shape[1:3]), np.float32)
    masks_NKSS[:, :, 0, 0] = 1
    return masks_NKSS, images_NSSC[:, 0, 0, 0].astype(np.float32) / 255


@settings(max_examples=30, deadline=None)
@given(images=IMAGES, num_views=st.sampled_from(NUM_VIEWS))
def test_what_turns_with_the_image_is_the_same_in_every_view(images, num_views):
    for got, expected in zip(average_views(brightness, images, num_views), brightness(images), strict=True):
        assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(got, expected, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(images=IMAGES, num_views=st.sampled_from(NUM_VIEWS))
def test_an_image_has_its_answer_whatever_comes_with_it(images, num_views):
    masks, ratios = average_views(corner, images, num_views)
    for index in range(len(images)):
        alone_masks, alone_ratios = average_views(corner, images[index : index + 1], num_views)
        assert np.array_equal(masks[index], alone_masks[0]) and ratios[index] == alone_ratios[0]


def test_views_are_all_different_and_the_first_is_the_image():
    image = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1)
    assert len({turn(image, view).tobytes() for view in range(8)}) == 8
    assert np.array_equal(turn(image, 0), image)
    assert average_views(corner, image.repeat(3, axis=3), 1)[0][0, 0].sum() == 1


@pytest.mark.parametrize(("num_views", "corners"), [(2, 2), (4, 4), (8, 4)])
def test_what_does_not_turn_is_spread_over_the_views(num_views, corners):
    masks, _ = average_views(corner, np.zeros((1, 5, 5, 3), np.uint8), num_views)
    assert np.count_nonzero(masks[0, 0]) == corners
    assert masks[0, 0].sum() == pytest.approx(1)


def test_turning_back_undoes_the_turn_of_maps():
    maps = np.random.default_rng(0).random((2, 2, 5, 5), np.float32)
    for view in range(8):
        turned = np.moveaxis(turn(np.moveaxis(maps, 1, 3), view), 3, 1)
        assert np.array_equal(turn_back(turned, view), maps)


def test_a_model_states_its_views_and_a_run_may_choose_others(tmp_path):
    write_tiny_model(tmp_path / "tiny")
    path = tmp_path / "tiny" / MODEL_FILE
    assert read_model(path.parent).num_views == 1 and '"views"' not in path.read_text()
    path.write_text(path.read_text().replace('"schema"', '"views": 4,\n  "schema"', 1))
    build_engines(path.parent, precision="fp32")
    assert choose_engine(path.parent).num_views == 4
    assert (
        choose_engine(path.parent, num_views=2).num_views == choose_engine(path.parent, "eager", num_views=2).num_views
    )
    with pytest.raises(UsageError, match="no 3 views: choose one of 1, 2, 4, 8"):
        choose_engine(path.parent, num_views=3)
    path.write_text(path.read_text().replace('"views": 4', '"views": 3'))
    with pytest.raises(EmbryofragError, match="views must be one of 1, 2, 4, 8, not 3"):
        read_model(path.parent)


def test_engines_answer_with_the_mean_of_their_views(tmp_path):
    write_tiny_model(tmp_path / "tiny")
    build_engines(tmp_path / "tiny", precision="fp32")
    images = draw_discs(TINY.input_px, 3)
    pair = load_pair(choose_engine(tmp_path / "tiny", num_views=2))
    masks, ratios = pair.masks_and_ratios(images)
    halves = [turn_back(pair.masks(np.ascontiguousarray(turn(images, view))), view) for view in (0, 1)]
    np.testing.assert_allclose(masks, np.mean(halves, axis=0), atol=1e-6)
    singles = [pair.ratios(np.ascontiguousarray(turn(images, view))) for view in (0, 1)]
    np.testing.assert_allclose(ratios, np.mean(singles, axis=0), atol=1e-6)
