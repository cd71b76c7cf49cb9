"""Where rows without a labelled embryo are looked at, and a whole run of a model that looks at the embryo alone."""

import dataclasses

import numpy as np
import pytest
from drawn_labels import draw_image, draw_masks, grade_only, paired, write_manifest, write_png
from hypothesis import given
from hypothesis import strategies as st
from training_runs import TINY, draw_data_set, tiny_config

from embryofrag.engine.contract import LOCATOR, SCOPE
from embryofrag.engine.model import read_model, read_probe
from embryofrag.engine.select import choose_engine, load_pair
from embryofrag.errors import EmbryofragError, UsageError
from embryofrag.grading.schemes import SCHEMES
from embryofrag.training.dataset import FrameDataset
from embryofrag.training.locator import SIDE_SHARES, draw_window, open_locator, place_rows
from embryofrag.training.manifest import read_manifest
from embryofrag.training.train import train

SCHEME = SCHEMES["regdeeplab"]


@pytest.fixture(scope="module")
def whole_frames(tmp_path_factory):
    """A data set, and a model for whole frames trained on it."""
    folder = tmp_path_factory.mktemp("locator")
    manifest = draw_data_set(folder)
    config = tiny_config("A", epochs=8, batch_size=4)
    return manifest, train(config, manifest, folder / "model", quiet=True)


def cropping(model, experiment="C", **changes):
    return tiny_config(experiment, crop="embryo", locator=str(model), **changes)


@given(st.integers(0, 10**6), st.integers(1, 900), st.integers(1, 900))
def test_a_window_by_chance_lies_in_the_frame(seed, height_px, width_px):
    window = draw_window(np.random.default_rng(seed), height_px, width_px)
    assert 0 <= window.top_px <= height_px - window.side_px
    assert 0 <= window.left_px <= width_px - window.side_px
    assert SIDE_SHARES[0] * min(height_px, width_px) - 1 <= window.side_px <= min(height_px, width_px)


def test_only_rows_without_a_labelled_embryo_get_a_window(whole_frames, tmp_path):
    _, model = whole_frames
    empty = np.zeros_like(draw_masks(3.0)[0])
    well = {
        "image": write_png(tmp_path / "well.png", draw_image(90, empty, empty)),
        "fragment_mask": write_png(tmp_path / "well_fragment.png", empty),
        "embryo_mask": write_png(tmp_path / "well_embryo.png", empty),
    }
    rows = read_manifest(write_manifest(tmp_path, [paired(tmp_path, 1), grade_only(tmp_path, 2), well]), SCHEME)
    placed = place_rows(rows, open_locator(model), diameter_share=0.7, seed=0)
    assert [row.window is None for row in placed] == [True, False, False]
    assert placed == place_rows(rows, open_locator(model), diameter_share=0.7, seed=0)


def test_a_file_that_is_gone_stops_with_its_line(whole_frames, tmp_path):
    rows = read_manifest(write_manifest(tmp_path, [grade_only(tmp_path, 2)]), SCHEME)
    rows[0].image.unlink()
    with pytest.raises(EmbryofragError, match="line 2 of the manifest"):
        place_rows(rows, open_locator(whole_frames[1]), diameter_share=0.7, seed=0)


def test_a_cropping_run_delivers_its_locator(whole_frames, tmp_path):
    manifest, locator = whole_frames
    model = read_model(train(cropping(locator, epochs=1), manifest, tmp_path / "model", quiet=True))
    assert model.modules == (LOCATOR, "a", "b")
    assert model.crop.locator == TINY.to_dict() == model.network_of(LOCATOR)
    assert model.provenance["recipe"]["locator"] == read_model(locator).id
    assert str(tmp_path) not in (model.path / "model.json").read_text()
    assert model.crop.diameter_share == 0.72 and model.crop.threshold == 0.5
    assert len(read_probe(model, LOCATOR)) == len(read_probe(model, "a"))
    load_pair(choose_engine(model.path, "eager")).close()
    # the new model can give its locator to the next one
    assert open_locator(model.path).module == LOCATOR
    assert open_locator(model.path).weights.read_bytes() == open_locator(locator).weights.read_bytes()


def test_a_row_with_a_ratio_and_no_masks_teaches_that_ratio(whole_frames, tmp_path):
    cells = grade_only(tmp_path, 3, grade="", ratio="1")
    rows = read_manifest(write_manifest(tmp_path, [cells, paired(tmp_path, 1)]), SCHEME)
    assert [row.kind for row in rows] == ["ratio_only", "paired"]
    sample = FrameDataset(rows, 32, scheme=SCHEME, augment=None, seed=0)[0]
    assert sample.ratio_N.item() == 1.0 and not sample.has_masks_N.item()
    assert place_rows(rows, open_locator(whole_frames[1]), diameter_share=0.7, seed=0)[0].window is not None


def test_a_scope_module_is_module_b_of_another_model(whole_frames, tmp_path):
    manifest, locator = whole_frames
    scope = train(cropping(locator, "B", epochs=1), manifest, tmp_path / "scope", quiet=True)
    config = cropping(locator, epochs=1, scope=str(scope))
    model = read_model(train(config, manifest, tmp_path / "model", quiet=True))
    assert model.modules == (LOCATOR, SCOPE, "a", "b") and model.network_of(SCOPE) == TINY.to_dict()
    assert (model.path / "scope.safetensors").read_bytes() == (scope / "module_b.safetensors").read_bytes()


def test_a_scope_module_of_another_size_is_refused_before_training(whole_frames, tmp_path):
    manifest, locator = whole_frames
    network = dataclasses.replace(TINY, input_px=64)
    with pytest.raises(UsageError, match="looks at 32 px and this run's networks at 64 px"):
        train(cropping(locator, network=network, scope=str(locator)), manifest, tmp_path / "model", quiet=True)
    assert not (tmp_path / "model").exists()


def test_a_killed_cropping_run_goes_on_as_the_same(whole_frames, tmp_path):
    manifest, locator = whole_frames
    with pytest.raises(EmbryofragError, match="another diameter_share"):
        train(cropping(locator, epochs=1), manifest, tmp_path / "model", quiet=True)
        (tmp_path / "model" / "model.json").unlink()
        changed = dataclasses.replace(cropping(locator, epochs=1), diameter_share=0.6)
        train(changed, manifest, tmp_path / "model", resume=True, quiet=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop": "embryo"}, "needs a locator"),
        ({"locator": "somewhere"}, "needs a locator"),
        ({"crop": "zona", "locator": "somewhere"}, "crop must be one of"),
        ({"crop": "embryo", "locator": "somewhere", "diameter_share": 1.2}, "diameter_share"),
        ({"scope": "somewhere"}, "scope module looks at a crop"),
    ],
)
def test_half_a_crop_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny_config("C", **changes)
