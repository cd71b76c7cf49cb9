"""The model folder: read without torch, refused with the remedy."""

import dataclasses
import json
import pickle

import numpy as np
import pytest
from tiny_model import TINY, draw_discs

from embryofrag.engine.digest import sha256_of_values
from embryofrag.engine.model import Crop, ModelHeader, read_model, read_probe, write_model
from embryofrag.errors import EmbryofragError

WEIGHTS = {module: {"w": np.zeros(3, np.float32)} for module in ("a", "b")}
LOCATOR = dataclasses.replace(TINY, input_px=32).to_dict()
SCOPE = dataclasses.replace(TINY, width=0.25).to_dict()


def write(folder, **changes):
    header = {"name": "tiny", "trained": True, "network": TINY.to_dict()} | changes
    return write_model(folder, ModelHeader(**header), WEIGHTS, draw_discs(TINY.input_px, 2))


def write_with_locator(folder, weights=WEIGHTS | {"locator": WEIGHTS["a"]}, num_probe_frames=2, **changes):
    header = ModelHeader(
        name="tiny", trained=True, network=TINY.to_dict(), crop=Crop(locator=LOCATOR, diameter_share=0.7, **changes)
    )
    return write_model(folder, header, weights, draw_discs(TINY.input_px, 2), draw_discs(32, num_probe_frames))


def write_with_scope(folder, **changes):
    weights = WEIGHTS | {"locator": WEIGHTS["a"], "scope": WEIGHTS["b"]}
    return write_with_locator(folder, weights=weights, **{"scope": SCOPE} | changes)


def edit(folder, change):
    path = folder / "model.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_written_model_is_read_back(tmp_path):
    model = write(tmp_path / "m", mask_threshold=0.4, denominator="image", provenance={"recipe": "A"})
    assert model == read_model(tmp_path / "m") == pickle.loads(pickle.dumps(model))
    assert (model.input_px, model.mask_threshold, model.denominator) == (64, 0.4, "image")
    assert np.array_equal(read_probe(model), draw_discs(64, 2))


def test_label_of_an_untrained_model_says_so(tmp_path):
    trained = write(tmp_path / "trained")
    drawn = write(tmp_path / "drawn", trained=False)
    assert trained.label == trained.id
    assert drawn.label == f"UNTRAINED {drawn.id}"


def test_id_follows_the_content_alone(tmp_path):
    one, again = write(tmp_path / "one"), write(tmp_path / "two")
    assert one.id == again.id
    assert write(tmp_path / "three", mask_threshold=0.6).id != one.id
    edit(tmp_path / "one", lambda document: document.update(created_by="embryofrag 99"))
    assert read_model(tmp_path / "one").id == one.id


def test_missing_folder_and_missing_description(tmp_path):
    with pytest.raises(EmbryofragError, match="no model folder"):
        read_model(tmp_path / "nowhere")
    with pytest.raises(EmbryofragError, match="name the folder that training wrote"):
        read_model(tmp_path)


def test_pickle_is_refused(tmp_path):
    with pytest.raises(EmbryofragError, match=r"weights\.pth is a pickle.*safetensors"):
        read_model(tmp_path / "weights.pth")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda document: document.update(schema=9), "schema 9"),
        (lambda document: document.pop("schema"), "not a model description"),
        (lambda document: document.pop("trained"), "missing or wrong field"),
        (lambda document: document.update(trained="yes"), "trained must be true or false"),
        (lambda document: document["thresholds"].update(mask=1.5), "mask threshold"),
        (lambda document: document["thresholds"].update(embryo_confidence=2), "embryo's confidence"),
        (lambda document: document.update(denominator="zona"), "denominator"),
        (lambda document: document.update(name="a/b"), "name"),
        (lambda document: document["files"].pop("probe.npz"), r"probe\.npz"),
        (lambda document: document["network"].update(input_px="512"), "input_px"),
    ],
)
def test_wrong_description(tmp_path, change, message):
    write(tmp_path / "m")
    edit(tmp_path / "m", change)
    with pytest.raises(EmbryofragError, match=message):
        read_model(tmp_path / "m")


def test_written_locator_is_read_back(tmp_path):
    model = write_with_locator(tmp_path / "m", threshold=0.4)
    assert model == read_model(tmp_path / "m") == pickle.loads(pickle.dumps(model))
    assert model.crop == Crop(locator=LOCATOR, diameter_share=0.7, threshold=0.4)
    assert (model.modules, model.network_of("locator")["input_px"]) == (("locator", "a", "b"), 32)
    assert np.array_equal(read_probe(model, "locator"), draw_discs(32, 2))
    assert np.array_equal(read_probe(model), draw_discs(64, 2))
    assert (tmp_path / "m" / "locator.safetensors").is_file()


def test_id_follows_the_crop_and_is_what_it_was_without_one(tmp_path):
    whole = write(tmp_path / "whole")
    document = json.loads((tmp_path / "whole/model.json").read_text())
    del document["created_by"]
    assert (whole.crop, whole.modules, "crop" in document) == (None, ("a", "b"), False)
    assert whole.content_sha256 == sha256_of_values(document)
    model = write_with_locator(tmp_path / "one")
    assert write_with_locator(tmp_path / "two").id == model.id
    assert write_with_locator(tmp_path / "three", threshold=0.4).id != model.id
    edit(tmp_path / "one", lambda document: document["crop"].update(diameter_share=0.6))
    assert read_model(tmp_path / "one").id != model.id


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda document: document["crop"].update(diameter_share=0), "diameter_share must lie above 0"),
        (lambda document: document["crop"].update(diameter_share=float("nan")), "diameter_share must lie above 0"),
        (lambda document: document["crop"].update(diameter_share="0.7"), "missing or wrong field"),
        (lambda document: document["crop"].update(threshold=1.0), "locator's threshold must lie between"),
        (lambda document: document["crop"].update(margin=0.1), "margin"),
        (lambda document: document["crop"].pop("diameter_share"), "diameter_share"),
        (lambda document: document["crop"]["locator"].pop("input_px"), "input_px"),
        (lambda document: document["crop"]["locator"].update(input_px=0), "input_px must be a whole number"),
        (lambda document: document.update(crop="embryo"), "missing or wrong field"),
        (lambda document: document["files"].pop("locator.safetensors"), r"no sha256 of locator\.safetensors"),
    ],
)
def test_wrong_crop(tmp_path, change, message):
    write_with_locator(tmp_path / "m")
    edit(tmp_path / "m", change)
    with pytest.raises(EmbryofragError, match=message):
        read_model(tmp_path / "m")


def test_locator_comes_whole_or_not_at_all(tmp_path):
    with pytest.raises(EmbryofragError, match="modules locator, a, b, but weights for a, b"):
        write_with_locator(tmp_path / "m", weights=WEIGHTS)
    with pytest.raises(EmbryofragError, match="3 probe frames for the locator, 2 others"):
        write_with_locator(tmp_path / "m", num_probe_frames=3)
    header = ModelHeader(name="tiny", trained=True, network=TINY.to_dict())
    with pytest.raises(EmbryofragError, match="belongs to a model with a crop"):
        write_model(tmp_path / "m", header, WEIGHTS, draw_discs(64, 2), draw_discs(32, 2))
    assert list(tmp_path.iterdir()) == []


def test_text_that_is_no_json(tmp_path):
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(EmbryofragError, match="not a model description"):
        read_model(tmp_path)


def test_changed_probe_is_refused(tmp_path):
    model = write(tmp_path / "m")
    np.savez_compressed(tmp_path / "m" / "probe.npz", images=draw_discs(64, 3))
    with pytest.raises(EmbryofragError, match="sha256 differs"):
        read_probe(model)
    (tmp_path / "m" / "probe.npz").unlink()
    with pytest.raises(EmbryofragError, match="missing"):
        read_probe(model)


def test_existing_folder_is_not_overwritten(tmp_path):
    write(tmp_path / "m")
    with pytest.raises(EmbryofragError, match="exists"):
        write(tmp_path / "m")


def test_refused_model_leaves_nothing(tmp_path):
    with pytest.raises(EmbryofragError, match="denominator"):
        write(tmp_path / "m", denominator="zona")
    assert list(tmp_path.iterdir()) == []


def test_written_scope_is_read_back(tmp_path):
    model = write_with_scope(tmp_path / "m", scope_threshold=0.3)
    assert model == read_model(tmp_path / "m") == pickle.loads(pickle.dumps(model))
    assert (model.modules, model.crop.scope_threshold) == (("locator", "scope", "a", "b"), 0.3)
    assert model.network_of("scope") == SCOPE != model.network_of("b")
    assert np.array_equal(read_probe(model, "scope"), read_probe(model, "b"))
    assert (tmp_path / "m" / "scope.safetensors").is_file()


def test_id_follows_the_scope_and_is_what_it_was_without_one(tmp_path):
    located = write_with_locator(tmp_path / "located")
    document = json.loads((tmp_path / "located/model.json").read_text())
    assert (located.modules, sorted(document["crop"])) == (
        ("locator", "a", "b"),
        ["diameter_share", "locator", "threshold"],
    )
    model = write_with_scope(tmp_path / "one")
    assert write_with_scope(tmp_path / "two").id == model.id
    assert len({model.id, located.id, write_with_scope(tmp_path / "three", scope_threshold=0.4).id}) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda document: document["crop"].update(scope_threshold=0.0), "scope threshold must lie between"),
        (lambda document: document["crop"]["scope"].pop("input_px"), "input_px"),
        (lambda document: document["crop"]["scope"].update(input_px=32), "scope module sees the same 64 px"),
        (lambda document: document["files"].pop("scope.safetensors"), r"no sha256 of scope\.safetensors"),
    ],
)
def test_wrong_scope(tmp_path, change, message):
    write_with_scope(tmp_path / "m")
    edit(tmp_path / "m", change)
    with pytest.raises(EmbryofragError, match=message):
        read_model(tmp_path / "m")


def test_scope_comes_with_its_weights(tmp_path):
    with pytest.raises(EmbryofragError, match="modules locator, scope, a, b, but weights for a, b, locator"):
        write_with_locator(tmp_path / "m", scope=SCOPE)
