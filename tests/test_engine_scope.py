"""Engines of a model with a scope module: it is built, proved, loaded and refused like the other modules."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from tiny_model import TINY, TINY_SCOPE, draw_discs, write_tiny_model_with_locator

from embryofrag.engine import parity
from embryofrag.engine.build import build_engines
from embryofrag.engine.model import read_model
from embryofrag.engine.openvino import OpenVinoEngine
from embryofrag.engine.select import choose_engine, list_engines, load_pair
from embryofrag.errors import EmbryofragError

ENGINE = "engines/openvino-fp32"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A tiny model with a scope module and its fp32 engine; not to be changed."""
    folder = tmp_path_factory.mktemp("models") / "scoped"
    write_tiny_model_with_locator(folder, scope_threshold=0.5)
    build_engines(folder, precision="fp32")
    return folder


@pytest.fixture
def spoilt(built, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(built, tmp_path / "scoped")


def test_build_proves_the_scope_module_too(built):
    (manifest,) = list_engines(built)
    assert {"scope.xml", "scope.bin", "scope_head.xml", "scope_head.bin"} <= set(manifest.files)
    assert manifest.input_px_of("scope") == TINY.input_px
    assert 0 <= manifest.parity["scope_max_difference"] < manifest.parity["scope_difference_limit"] == 0.02
    assert len({manifest.engine_id(module) for module in ("locator", "scope", "a", "b")}) == 4


@pytest.mark.parametrize("engine", ["openvino", "eager"])
def test_scope_does_not_depend_on_the_batch(built, engine):
    images = draw_discs(TINY.input_px, 5)
    pair = load_pair(choose_engine(built, engine), num_threads=2)
    scopes = pair.scopes(images)
    assert (scopes.shape, scopes.dtype) == ((5,), np.float32)
    assert len(set(scopes)) == 5
    for order in ([3], [4, 0], [2, 1, 3]):
        assert np.array_equal(pair.scopes(images[order]), scopes[order])
    pair.close()


def test_compiled_scope_equals_reference_and_is_not_module_b(built):
    images = draw_discs(TINY.input_px, 3)
    compiled, reference = load_pair(choose_engine(built)), load_pair(choose_engine(built, "eager"))
    np.testing.assert_allclose(compiled.scopes(images), reference.scopes(images), atol=1e-4)
    assert np.abs(compiled.scopes(images) - compiled.ratios(images)).max() > 1e-3
    compiled.close()
    reference.close()


def test_only_windows_are_judged(built):
    window, frame = (choose_engine(built, crop=crop) for crop in ("embryo", "frame"))
    assert (window.modules, frame.modules) == (("locator", "scope", "a", "b"), ("a", "b"))
    assert (window.engine_scope_id[:14], frame.engine_scope_id) == ("openvino-fp32:", None)
    pair = load_pair(frame)
    assert pair.scopes(draw_discs(TINY.input_px, 2)) is None
    pair.close()


@pytest.mark.parametrize("name", ["scope.xml", "scope_head.bin"])
def test_damaged_scope(spoilt, name):
    choice = choose_engine(spoilt)
    path = spoilt / ENGINE / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(EmbryofragError, match=rf"{name} is missing or is not the file that was built.*engines build"):
        load_pair(choice)


def test_scope_that_fails_its_probe_is_refused(spoilt, monkeypatch):
    run = OpenVinoEngine.run
    shift = 2 * parity.SCOPE_DIFFERENCE_LIMIT
    monkeypatch.setattr(
        OpenVinoEngine, "run", lambda self, images: run(self, images) + shift * (self.module == "scope")
    )
    with pytest.raises(EmbryofragError, match=r"no longer reproduces its probe.*scope by at most 0\.04"):
        load_pair(choose_engine(spoilt))
    load_pair(choose_engine(spoilt, crop="frame")).close()


def test_scope_of_another_build_is_refused(built):
    stale = dataclasses.replace(choose_engine(built), engine_scope_id="openvino-fp32:00000000")
    with pytest.raises(EmbryofragError, match="start the run again"):
        load_pair(stale)


def test_threshold_edited_after_the_build(spoilt):
    path = spoilt / "model.json"
    document = json.loads(path.read_text())
    document["crop"]["scope_threshold"] = 0.4
    path.write_text(json.dumps(document))
    assert (read_model(spoilt).scope_threshold, read_model(spoilt).network_of("scope")) == (0.4, TINY_SCOPE.to_dict())
    with pytest.raises(EmbryofragError, match=r"was built as openvino-fp32.*but this is"):
        choose_engine(spoilt)
