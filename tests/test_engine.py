"""Build, choose, load and run engines; everything that must be refused is."""

import dataclasses
import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tiny_model import TINY, draw_discs, write_tiny_model

from embryofrag.engine import build, parity, select
from embryofrag.engine.build import build_engines
from embryofrag.engine.digest import sha256_of_values
from embryofrag.engine.machine import cpu_features
from embryofrag.engine.model import ModelHeader, read_probe, write_model
from embryofrag.engine.openvino import OpenVinoEngine
from embryofrag.engine.select import check_engines, choose_engine, list_engines, load_pair
from embryofrag.engine.shipped import shipped_model
from embryofrag.errors import EmbryofragError, UsageError

ENGINE = "engines/openvino-fp32"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A tiny model with its fp32 engine; not to be changed."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_model(folder)
    build_engines(folder, precision="fp32")
    return folder


@pytest.fixture
def spoilt(built, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(built, tmp_path / "tiny")


@pytest.fixture(scope="module")
def pair(built):
    pair = load_pair(choose_engine(built))
    yield pair
    pair.close()


@pytest.fixture(scope="module")
def images():
    return draw_discs(TINY.input_px, 6)


def edit_manifest(folder, *, restamp: bool, **changes):
    path = folder / ENGINE / "manifest.json"
    document = json.loads(path.read_text()) | changes
    if restamp:
        del document["sha256"]
        document["sha256"] = sha256_of_values(document)
    path.write_text(json.dumps(document))


def tree(folder):
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_build_reports_parity_and_describes_itself(built):
    (manifest,) = list_engines(built)
    assert manifest.name == "openvino-fp32"
    assert manifest.parity["num_mask_pixels"] == 4 * 2 * 64 * 64
    assert manifest.parity["mask_differ_frac"] <= parity.MASK_DIFFER_LIMIT_FRAC
    assert set(manifest.versions) == {"embryofrag", "torch", "openvino"}
    assert set(manifest.files) == {path.name for path in (built / ENGINE).iterdir()} - {"manifest.json"}


def test_a_load_asks_for_the_answers_that_were_proved_not_for_pytorchs(spoilt, monkeypatch):
    choice = choose_engine(spoilt)
    engine, reference = load_pair(choice), load_pair(choose_engine(spoilt, "eager"))
    probe = {module: read_probe(choice.model, module) for module in choice.modules}
    with np.load(choice.folder / "probe_expected.npz") as arrays:
        proved = parity.unpack_answers(arrays, len(probe["a"]))
    assert np.array_equal(proved.ratios_N, engine.answers(probe).ratios_N)
    assert not np.array_equal(proved.ratios_N, reference.answers(probe).ratios_N)
    monkeypatch.setattr(parity, "RATIO_DIFFERENCE_LIMIT", 0)  # an engine at its limits still loads
    load_pair(choice).close()


def test_same_model_gives_the_same_engine_ids(built, tmp_path):
    write_tiny_model(tmp_path / "again")
    build_engines(tmp_path / "again", precision="fp32")
    one, again = choose_engine(built), choose_engine(tmp_path / "again")
    assert (one.engine_a_id, one.engine_b_id) == (again.engine_a_id, again.engine_b_id)
    assert one.engine_a_id != one.engine_b_id
    assert one.engine_a_id.startswith("openvino-fp32:")


def test_module_b_holds_the_backbone_alone(built):
    body = (built / ENGINE / "module_b.xml").read_text()
    assert body.count('type="Convolution"') == 20  # of a ResNet-18
    assert 'type="Interpolate"' not in body


def test_compiled_equals_reference(built, pair, images):
    reference = load_pair(choose_engine(built, "eager"))
    np.testing.assert_allclose(pair.masks(images), reference.masks(images), atol=1e-4)
    np.testing.assert_allclose(pair.ratios(images), reference.ratios(images), atol=1e-5)
    reference.close()


@pytest.mark.parametrize("engine", ["openvino", "eager"])
def test_result_does_not_depend_on_the_batch_nor_on_threads(built, images, engine):
    pair = load_pair(choose_engine(built, engine), num_threads=1)
    masks, ratios = pair.masks(images), pair.ratios(images)
    assert (masks.shape, masks.dtype, ratios.shape, ratios.dtype) == ((6, 2, 64, 64), np.float32, (6,), np.float32)
    pair.close()
    pair = load_pair(choose_engine(built, engine), num_threads=2)
    for order in ([3], [5, 0], [2, 4, 1, 3, 0]):
        assert np.array_equal(pair.masks(images[order]), masks[order])
        assert np.array_equal(pair.ratios(images[order]), ratios[order])
    pair.close()


@pytest.mark.parametrize("shape", [(0, 64, 64, 3), (1, 32, 64, 3), (64, 64, 3), (1, 3, 64, 64)])
def test_wrong_batch_is_refused(pair, shape):
    with pytest.raises(ValueError, match="an engine takes uint8"):
        pair.masks(np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="float32"):
        pair.ratios(np.zeros((1, 64, 64, 3), np.float32))


def test_choice_is_picklable_and_says_why(built):
    choice = choose_engine(built)
    assert pickle.loads(pickle.dumps(choice)) == choice
    assert choice.reason.startswith("auto: took openvino-fp32 (")
    assert "openvino-bf16: " in choice.reason
    assert choose_engine(built, "openvino", "fp32").reason == "took openvino-fp32 as asked"


def test_auto_prefers_bf16_only_where_the_cpu_has_it(spoilt, monkeypatch):
    shutil.copytree(spoilt / ENGINE, spoilt / "engines/openvino-bf16")
    stamped = {"backend": "openvino", "precision": "bf16", "needs": ["bf16"]}
    path = spoilt / "engines/openvino-bf16/manifest.json"
    document = {key: value for key, value in (json.loads(path.read_text()) | stamped).items() if key != "sha256"}
    path.write_text(json.dumps(document | {"sha256": sha256_of_values(document)}))
    monkeypatch.setattr(select, "cpu_features", lambda: frozenset({"bf16"}))
    choice = choose_engine(spoilt)
    assert choice.precision == "bf16"
    monkeypatch.setattr(select, "cpu_features", frozenset)
    assert choose_engine(spoilt).reason.endswith("openvino-bf16: this CPU has no bf16)")
    with pytest.raises(EmbryofragError, match="this CPU has no bf16"):
        choose_engine(spoilt, "openvino", "bf16")
    with pytest.raises(EmbryofragError, match=r"needs a CPU with bf16.*--precision fp32"):
        load_pair(choice)


def test_no_compiled_engine_names_the_command(built, tmp_path):
    bare = shutil.copytree(built, tmp_path / "bare", ignore=shutil.ignore_patterns("engines"))
    with pytest.raises(EmbryofragError, match=f"embryofrag engines build {bare}"):
        choose_engine(bare)
    assert list_engines(bare) == check_engines(bare) == []


@pytest.mark.parametrize(("engine", "precision"), [("tensorflow", "auto"), ("openvino", "int4"), ("eager", "bf16")])
def test_unknown_names(built, engine, precision):
    with pytest.raises(UsageError, match="choose one of"):
        choose_engine(built, engine, precision)


@pytest.mark.parametrize(
    ("restamp", "changes", "message"),
    [
        (False, {"parity": {}}, "changed after the build"),
        (True, {"schema": 7}, "schema 7"),
        (True, {"surplus": 1}, "changed after the build"),
        (True, {"model_id": "other@00000000"}, "from model other@00000000"),
        (True, {"input_px": 32}, "at 32 px"),
        (True, {"precision": "bf16"}, "built as openvino-bf16"),
    ],
)
def test_manifest_that_does_not_fit(spoilt, restamp, changes, message):
    edit_manifest(spoilt, restamp=restamp, **changes)
    with pytest.raises(EmbryofragError, match=message) as caught:
        choose_engine(spoilt)
    assert f"embryofrag engines build {spoilt} --precision fp32" in str(caught.value)
    (state,) = check_engines(spoilt)
    assert state.trouble == str(caught.value)


@pytest.mark.parametrize("name", ["module_a.bin", "module_b.xml", "module_b_head.bin", "probe_expected.npz"])
def test_truncated_or_missing_file(spoilt, name):
    choice = choose_engine(spoilt)
    path = spoilt / ENGINE / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(EmbryofragError, match=rf"{name} is missing or is not the file that was built.*engines build"):
        load_pair(choice)
    path.unlink()
    with pytest.raises(EmbryofragError, match=f"{name} is missing"):
        load_pair(choice)


def test_engine_that_fails_its_probe_is_refused(spoilt, monkeypatch):
    run = OpenVinoEngine.run
    monkeypatch.setattr(OpenVinoEngine, "run", lambda self, images: 1 - run(self, images))
    with pytest.raises(EmbryofragError, match="no longer reproduces its probe"):
        load_pair(choose_engine(spoilt))


def test_engine_built_anew_since_it_was_chosen(built):
    stale = dataclasses.replace(choose_engine(built), engine_b_id="openvino-fp32:00000000")
    with pytest.raises(EmbryofragError, match="start the run again"):
        load_pair(stale)


def test_check_finds_a_sound_engine_sound(built):
    (state,) = check_engines(built)
    assert (state.name, state.trouble) == ("openvino-fp32", None)


def perturb_compiled(monkeypatch):
    """Make the build compile other weights than the reference has."""
    load = build.load_deployed

    def load_perturbed(model, module):
        deployed = load(model, module)
        for parameter in deployed.parameters():
            parameter.data *= 1.2
        return deployed

    monkeypatch.setattr(build, "load_deployed", load_perturbed)


def test_failed_gate_leaves_nothing(built, tmp_path, monkeypatch):
    bare = shutil.copytree(built, tmp_path / "bare", ignore=shutil.ignore_patterns("engines"))
    before = tree(bare)
    perturb_compiled(monkeypatch)
    with pytest.raises(EmbryofragError, match=r"does not reproduce tiny@.*mask pixels differ.*limit 0.1000%"):
        build_engines(bare, precision="fp32")
    assert tree(bare) == before
    assert not (bare / "engines").exists()


def test_failed_gate_keeps_the_older_build(spoilt, monkeypatch):
    before = tree(spoilt)
    with monkeypatch.context() as strict, pytest.raises(EmbryofragError, match="limit -1"):
        strict.setattr(parity, "RATIO_DIFFERENCE_LIMIT", -1)
        build_engines(spoilt, precision="fp32")
    assert tree(spoilt) == before
    load_pair(choose_engine(spoilt)).close()


def test_build_killed_half_way_is_not_an_engine(spoilt, monkeypatch):
    """Whatever a dead build left beside the engine is not taken for one."""
    shutil.move(spoilt / ENGINE, spoilt / "engines/.openvino-fp32.building-1")
    assert list_engines(spoilt) == []
    with pytest.raises(EmbryofragError, match="openvino-fp32: not built"):
        choose_engine(spoilt)


def test_rebuild_replaces(spoilt):
    (spoilt / ENGINE / "module_a.bin").write_bytes(b"")
    report = build_engines(spoilt, precision="fp32")
    assert report.folder == spoilt / ENGINE
    assert report.parity.passed
    assert [path.name for path in (spoilt / "engines").iterdir()] == ["openvino-fp32"]
    load_pair(choose_engine(spoilt)).close()


def test_build_elsewhere(built, tmp_path):
    report = build_engines(built, precision="fp32", out=tmp_path / "other")
    assert report.folder == tmp_path / "other/openvino-fp32"
    assert (report.folder / "manifest.json").is_file()


def test_bf16_without_bf16(built, monkeypatch):
    monkeypatch.setattr(build, "cpu_features", frozenset)
    with pytest.raises(EmbryofragError, match=r"this CPU has no bf16.*--precision fp32"):
        build_engines(built, precision="bf16")
    with pytest.raises(UsageError, match="no precision 'int4'"):
        build_engines(built, precision="int4")


def test_weights_that_do_not_fit_the_config(spoilt):
    path = spoilt / "model.json"
    document = json.loads(path.read_text())
    document["network"]["width"] = 0.25
    path.write_text(json.dumps(document))
    with pytest.raises(EmbryofragError, match=r"module_a\.safetensors does not fit the network"):
        build_engines(spoilt)


def test_reference_without_torch_names_the_extra(built, monkeypatch):
    monkeypatch.delitem(sys.modules, "embryofrag.engine.eager", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(EmbryofragError, match=r"needs torch.*embryofrag\[train\]"):
        load_pair(choose_engine(built, "eager"))


def test_missing_weights(spoilt):
    (spoilt / "module_b.safetensors").unlink()
    with pytest.raises(EmbryofragError, match=r"module_b\.safetensors is missing"):
        build_engines(spoilt)


RUN_SHIPPED = """
import sys
import numpy as np
from embryofrag.engine.select import choose_engine, load_pair
from embryofrag.engine.shipped import shipped_model
choice = choose_engine(shipped_model("untrained"))
print(sorted({"torch", "openvino", "cv2"} & set(sys.modules)))
pair = load_pair(choice)
images = np.random.default_rng(0).integers(0, 255, (2, choice.input_px, choice.input_px, 3), np.uint8)
pair.masks(images), pair.ratios(images)
pair.close()
print(sorted({"torch", "openvino_telemetry.main", "embryofrag.network"} & set(sys.modules)))
"""


def test_shipped_engine_runs_without_torch_and_without_reporting_home():
    run = subprocess.run([sys.executable, "-c", RUN_SHIPPED], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:2] == ["[]", "[]"]


def test_shipped_model_is_small_and_untrained():
    folder = shipped_model("untrained")
    assert choose_engine(folder).model.label.startswith("UNTRAINED untrained@")
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 1_000_000
    with pytest.raises(EmbryofragError, match=r"choose one of .*untrained"):
        shipped_model("nonesuch")


SEEDED_MODEL = Path(__file__).resolve().parents[1] / "tools" / "seeded_model.py"


def test_seeded_model_tool_writes_a_model_that_builds(tmp_path):
    command = [sys.executable, str(SEEDED_MODEL), str(tmp_path / "m"), "--backbone", "resnet18", "--width", "0.125"]
    run = subprocess.run([*command, "--input-px", "64", "--name", "drawn"], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("UNTRAINED drawn@")
    report = build_engines(tmp_path / "m", precision="fp32")
    assert report.parity.num_images == 8


@pytest.mark.slow
@pytest.mark.skipif("bf16" not in cpu_features(), reason="needs a CPU with bf16")
def test_bf16_of_a_resnet50_passes_the_gate(tmp_path):
    subprocess.run(
        [sys.executable, str(SEEDED_MODEL), str(tmp_path / "m"), "--width", "0.25", "--input-px", "128"], check=True
    )
    report = build_engines(tmp_path / "m", precision="auto")
    assert report.name == "openvino-bf16"
    pair = load_pair(choose_engine(tmp_path / "m"))
    images = draw_discs(128, 3)
    assert np.array_equal(pair.masks(images)[1:2], pair.masks(images[1:2]))
    assert np.array_equal(pair.ratios(images)[1:2], pair.ratios(images[1:2]))
    pair.close()


def test_weights_stored_in_half_make_a_half_sized_engine_of_the_same_answers(tmp_path):
    exact = write_tiny_model(tmp_path / "exact")
    header = ModelHeader(name="half", trained=False, network=TINY.to_dict())
    weights = {module: load_file(exact.path / f"module_{module}.safetensors") for module in ("a", "b")}
    halved = {
        module: {name: array.astype(np.float16) if array.ndim > 1 else array for name, array in state.items()}
        for module, state in weights.items()
    }
    half = write_model(tmp_path / "half", header, halved, read_probe(exact))
    of_exact, of_half = (build_engines(model.path, precision="fp32") for model in (exact, half))
    assert of_half.size_bytes < 0.75 * of_exact.size_bytes  # graphs and probe answers are not weights
    assert of_half.parity.passed
