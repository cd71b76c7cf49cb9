"""Engines of a model that looks twice: the locator is built, proved, loaded and refused like the other modules."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from tiny_model import TINY_LOCATOR, draw_discs, write_tiny_model, write_tiny_model_with_locator

from embryofrag.engine import parity
from embryofrag.engine.build import build_engines
from embryofrag.engine.digest import sha256_of_values
from embryofrag.engine.openvino import OpenVinoEngine
from embryofrag.engine.select import choose_engine, list_engines, load_pair
from embryofrag.errors import EmbryofragError, UsageError

ENGINE = "engines/openvino-fp32"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A tiny model with a locator and its fp32 engine; not to be changed."""
    folder = tmp_path_factory.mktemp("models") / "located"
    write_tiny_model_with_locator(folder)
    build_engines(folder, precision="fp32")
    return folder


@pytest.fixture
def spoilt(built, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(built, tmp_path / "located")


def test_build_proves_the_locator_too(built):
    (manifest,) = list_engines(built)
    assert {"locator.xml", "locator.bin"} <= set(manifest.files)
    assert (manifest.input_px_of("locator"), manifest.input_px_of("a")) == (32, 64)
    assert manifest.parity["locator_differ_frac"] <= parity.MASK_DIFFER_LIMIT_FRAC
    assert len({manifest.engine_id(module) for module in ("locator", "a", "b")}) == 3


def test_engine_of_a_model_without_locator_states_none(tmp_path):
    write_tiny_model(tmp_path / "tiny")
    build_engines(tmp_path / "tiny", precision="fp32")
    document = json.loads((tmp_path / "tiny" / ENGINE / "manifest.json").read_text())
    assert "locator_input_px" not in document
    choice = choose_engine(tmp_path / "tiny")
    assert (choice.crop, choice.engine_locator_id, choice.modules) == (None, None, ("a", "b"))
    with pytest.raises(UsageError, match="has no locator to find the embryo with: leave --crop out"):
        choose_engine(tmp_path / "tiny", crop="embryo")


@pytest.mark.parametrize("engine", ["openvino", "eager"])
def test_locating_does_not_depend_on_the_batch(built, engine):
    images = draw_discs(TINY_LOCATOR.input_px, 5)
    pair = load_pair(choose_engine(built, engine), num_threads=2)
    embryos = pair.locate(images)
    assert (embryos.shape, embryos.dtype) == ((5, 32, 32), np.float32)
    for order in ([3], [4, 0], [2, 1, 3]):
        assert np.array_equal(pair.locate(images[order]), embryos[order])
    pair.close()


def test_compiled_locator_equals_reference(built):
    images = draw_discs(TINY_LOCATOR.input_px, 3)
    compiled, reference = load_pair(choose_engine(built)), load_pair(choose_engine(built, "eager"))
    np.testing.assert_allclose(compiled.locate(images), reference.locate(images), atol=1e-4)
    compiled.close()
    reference.close()


def test_choice_of_the_crop(built):
    auto, embryo, frame = (choose_engine(built, crop=crop) for crop in ("auto", "embryo", "frame"))
    assert auto == embryo
    assert (auto.crop, auto.modules) == (auto.model.crop, ("locator", "a", "b"))
    assert (frame.crop, frame.engine_locator_id, frame.modules) == (None, None, ("a", "b"))
    assert (auto.engine_a_id, auto.engine_b_id) == (frame.engine_a_id, frame.engine_b_id)
    pair = load_pair(frame)
    assert "locator" not in pair.loaded
    pair.close()
    with pytest.raises(UsageError, match="choose one of auto, embryo, frame"):
        choose_engine(built, crop="zona")


@pytest.mark.parametrize("name", ["locator.xml", "locator.bin"])
def test_damaged_locator(spoilt, name):
    choice = choose_engine(spoilt)
    path = spoilt / ENGINE / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(EmbryofragError, match=rf"{name} is missing or is not the file that was built.*engines build"):
        load_pair(choice)


def test_damaged_weights_of_the_locator(spoilt):
    path = spoilt / "locator.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(EmbryofragError, match=r"locator\.safetensors is not the file model\.json names"):
        build_engines(spoilt, precision="fp32")


def test_locator_that_fails_its_probe_is_refused(spoilt, monkeypatch):
    run = OpenVinoEngine.run
    monkeypatch.setattr(OpenVinoEngine, "run", lambda self, images: abs((self.module == "locator") - run(self, images)))
    with pytest.raises(EmbryofragError, match=r"no longer reproduces its probe.*of the locator's differ"):
        load_pair(choose_engine(spoilt))
    load_pair(choose_engine(spoilt, crop="frame")).close()


def test_locator_of_another_build_is_refused(built):
    stale = dataclasses.replace(choose_engine(built), engine_locator_id="openvino-fp32:00000000")
    with pytest.raises(EmbryofragError, match="start the run again"):
        load_pair(stale)


@pytest.mark.parametrize("input_px", [64, None])
def test_manifest_with_another_locator(spoilt, input_px):
    path = spoilt / ENGINE / "manifest.json"
    document = json.loads(path.read_text()) | {"locator_input_px": input_px}
    del document["sha256"]
    path.write_text(json.dumps(document | {"sha256": sha256_of_values(document)}))
    with pytest.raises(EmbryofragError, match="build it anew"):
        choose_engine(spoilt)


def test_crop_edited_after_the_build(spoilt):
    path = spoilt / "model.json"
    document = json.loads(path.read_text())
    document["crop"]["diameter_share"] = 0.5
    path.write_text(json.dumps(document))
    with pytest.raises(EmbryofragError, match=r"was built as openvino-fp32.*but this is"):
        choose_engine(spoilt)


def test_locator_engine_is_named_after_the_model(built, tmp_path):
    """Another locator gives every engine another id, since the modules behind it see other windows."""
    write_tiny_model_with_locator(tmp_path / "other", diameter_share=0.6)
    build_engines(tmp_path / "other", precision="fp32")
    one, other = choose_engine(built), choose_engine(tmp_path / "other")
    for name in ("engine_a_id", "engine_b_id", "engine_locator_id"):
        assert getattr(one, name) != getattr(other, name)
