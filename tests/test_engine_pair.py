"""Modules A and B in one pass: the same answers, and only where they have the same backbone."""

import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file
from tiny_model import TINY, TINY_LOCATOR, draw_discs, write_tiny_model, write_tiny_model_with_locator

from embryofrag.engine import accuracy, calibration
from embryofrag.engine.build import build_engines
from embryofrag.engine.eager import share_backbone
from embryofrag.engine.machine import cpu_features
from embryofrag.engine.model import ModelHeader, read_model, write_model
from embryofrag.engine.select import check_engines, choose_engine, list_engines, load_pair
from embryofrag.errors import EmbryofragError, UsageError

ENGINE = "engines/openvino-fp32"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A tiny model of one backbone with its fp32 engine; not to be changed."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_model_with_locator(folder, one_backbone=True)
    build_engines(folder, precision="fp32")
    return folder


@pytest.fixture(scope="module")
def apart(built, tmp_path_factory):
    """The same model with an engine of two passes."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    shutil.copytree(built, folder)
    build_engines(folder, precision="fp32", pair="apart")
    return folder


def test_one_backbone_is_compiled_once_and_said_to_be_in_one_pass(built, apart):
    (one,), (two,) = list_engines(built), list_engines(apart)
    assert one.in_one_pass and not two.in_one_pass
    assert {name for name in one.files if name.endswith(".xml")} == {"locator.xml", "pair.xml", "pair_head.xml"}
    assert (built / ENGINE / "pair.xml").read_text().count('type="Convolution"') == (
        (apart / ENGINE / "module_a.xml").read_text().count('type="Convolution"')
    )
    assert check_engines(built)[0].trouble is None
    choice = choose_engine(built)
    assert choice.engine_a_id == choice.engine_b_id != choice.engine_locator_id


def test_answers_are_those_of_two_passes(built, apart):
    images, whole = draw_discs(TINY.input_px, 5), draw_discs(TINY_LOCATOR.input_px, 5)
    one, two = (load_pair(choose_engine(folder), num_threads=2) for folder in (built, apart))
    for got, expected in zip(one.masks_and_ratios(images), two.masks_and_ratios(images), strict=True):
        assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(got, expected, atol=1e-5)
    assert np.array_equal(one.masks(images), one.masks_and_ratios(images)[0])
    assert np.array_equal(one.ratios(images), one.masks_and_ratios(images)[1])
    assert np.array_equal(one.locate(whole), two.locate(whole))
    assert np.array_equal(one.masks_and_ratios(images[3:4])[0], one.masks(images)[3:4])
    one.close()
    two.close()


def test_two_backbones_stay_apart_and_cannot_be_decoupled(tmp_path):
    model = write_tiny_model(tmp_path / "two")
    assert not share_backbone(model)
    with pytest.raises(UsageError, match="have a backbone each: leave --pair out"):
        build_engines(model.path, precision="fp32", pair="decoupled")
    assert not (model.path / "engines").exists()
    build_engines(model.path, precision="fp32")
    assert not list_engines(model.path)[0].in_one_pass


def test_a_head_alone_makes_no_second_backbone(tmp_path):
    frames = draw_discs(TINY.input_px, 4)
    weights = load_file(write_tiny_model(tmp_path / "one", one_backbone=True).path / "module_a.safetensors")
    head = next(name for name in weights if name.startswith("head.") and name.endswith("weight"))
    header = ModelHeader(name="headed", trained=False, network=TINY.to_dict())
    other = weights | {head: weights[head] * np.float32(1.5)}
    model = write_model(tmp_path / "headed", header, {"a": weights, "b": other}, frames)
    assert share_backbone(read_model(model.path))
    build_engines(model.path, precision="fp32", pair="decoupled")
    pair, reference = load_pair(choose_engine(model.path)), load_pair(choose_engine(model.path, "eager"))
    np.testing.assert_allclose(pair.ratios(frames), reference.ratios(frames), atol=1e-5)
    np.testing.assert_allclose(pair.masks(frames), reference.masks(frames), atol=1e-4)
    pair.close()


def test_pair_that_does_not_exist(built):
    with pytest.raises(UsageError, match="no pair 'both': choose one of auto, apart, decoupled"):
        build_engines(built, pair="both")


def test_a_changed_graph_is_refused(built, tmp_path):
    spoilt = shutil.copytree(built, tmp_path / "tiny")
    with (spoilt / ENGINE / "pair.bin").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(EmbryofragError, match=r"pair\.bin is missing or is not the file that was built"):
        load_pair(choose_engine(spoilt))


@pytest.mark.slow
@pytest.mark.skipif("vnni" not in cpu_features(), reason="needs a CPU that multiplies int8")
def test_int8_in_one_pass(built, tmp_path, monkeypatch):
    monkeypatch.setattr(calibration, "NUM_CALIBRATION_FRAMES", 6)
    monkeypatch.setattr(calibration, "NUM_JUDGED_FRAMES", 6)
    monkeypatch.setattr(accuracy, "DICE_LOSS_LIMIT", 1.0)
    folder = shutil.copytree(built, tmp_path / "tiny")
    build_engines(folder, precision="int8")
    manifest = next(one for one in list_engines(folder) if one.precision == "int8")
    assert manifest.in_one_pass and set(manifest.quantisation["kept_in_float"]) == {"locator", "pair"}
    assert 'element_type="i8"' in (folder / "engines/openvino-int8/pair.xml").read_text()
    images = draw_discs(TINY.input_px, 4)
    exact, quantised = (load_pair(choose_engine(folder, "openvino", name)) for name in ("fp32", "int8"))
    for got, expected in zip(quantised.masks_and_ratios(images), exact.masks_and_ratios(images), strict=True):
        assert 0 < np.abs(got - expected).mean() < 0.05
    exact.close()
    quantised.close()
