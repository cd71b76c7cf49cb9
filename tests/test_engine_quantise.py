"""Int8 engines: what is quantised, the gate that lets one stand, and how one is chosen."""

import json
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from tiny_model import TINY, TINY_LOCATOR, draw_discs, write_tiny_model, write_tiny_model_with_locator

from embryofrag.engine import accuracy, build, calibration, quantise, select
from embryofrag.engine.build import build_engines
from embryofrag.engine.calibration import calibration_images, judged_frames
from embryofrag.engine.machine import cpu_features
from embryofrag.engine.model import read_model
from embryofrag.engine.openvino import head_file, module_file, read_graph
from embryofrag.engine.select import check_engines, choose_engine, list_engines, load_pair
from embryofrag.engine.sensitive import always_float, parts_of
from embryofrag.errors import EmbryofragError, UsageError

pytestmark = pytest.mark.skipif("vnni" not in cpu_features(), reason="needs a CPU that multiplies int8")
ENGINE = "engines/openvino-int8"


@pytest.fixture(scope="module")
def few_frames():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "NUM_CALIBRATION_FRAMES", 6)
        patch.setattr(calibration, "NUM_JUDGED_FRAMES", 6)
        yield


@pytest.fixture(scope="module")
def report(tmp_path_factory, few_frames):
    """The build of a tiny model with a locator, whose chance weights may lose what they like."""
    folder = tmp_path_factory.mktemp("models") / "located"
    write_tiny_model_with_locator(folder)
    build_engines(folder, precision="fp32")
    with pytest.MonkeyPatch.context() as patch:
        for limit in ("DICE_LOSS_LIMIT", "RATIO_MAE_LOSS_LIMIT", "GRADE_CHANGES_LIMIT_FRAC"):
            patch.setattr(accuracy, limit, 1.0)
        return build_engines(folder, precision="int8")


@pytest.fixture(scope="module")
def built(report):
    """Its model folder, with an fp32 engine beside; not to be changed."""
    return report.folder.parents[1]


@pytest.fixture
def spoilt(built, tmp_path):
    """A copy that a test may change."""
    return Path(shutil.copytree(built, tmp_path / "located"))


@pytest.fixture
def copies(monkeypatch, few_frames):
    """Take the exact graphs for quantised ones; the list fills with (module, parts kept in float)."""
    quantised = []

    def copy(exact, folder, module, images_NHWC, kept):
        quantised.append((module, kept))
        for path in exact.glob(f"{Path(module_file(module)).stem}*"):
            shutil.copy(path, folder)

    monkeypatch.setattr(quantise, "_quantise_module", copy)
    return quantised


def bytes_of(folder, pattern):
    return sum(path.stat().st_size for path in folder.glob(pattern))


def test_report_and_manifest(report, built):
    manifest = next(one for one in list_engines(built) if one.precision == "int8")
    assert manifest.needs == ("vnni",)
    assert set(manifest.versions) == {"embryofrag", "torch", "openvino", "nncf"}
    assert {"locator.xml", "module_a.bin", head_file("b"), "probe_expected.npz"} <= set(manifest.files)
    assert manifest.parity["mask_differ_limit_frac"] is manifest.parity["ratio_difference_limit"] is None
    assert manifest.quantisation == {
        "accuracy": asdict(report.accuracy),
        "num_calibration_frames": 6,
        "calibration_frames": "drawn",
        "kept_in_float": {"locator": [], "a": [], "b": []},
    }
    assert report.accuracy.num_frames == 6
    assert [state.trouble for state in check_engines(built)] == [None, None]
    assert not [path for path in report.folder.iterdir() if path.is_dir()]


def test_weights_are_int8_and_the_head_is_not(built):
    exact, folder = built / "engines/openvino-fp32", built / ENGINE
    for module in ("locator", "module_a", "module_b"):
        assert bytes_of(folder, f"{module}.bin") < 0.4 * bytes_of(exact, f"{module}.bin")
        assert 'element_type="i8"' in (folder / f"{module}.xml").read_text()
    assert "FakeQuantize" not in (folder / head_file("b")).read_text()
    assert bytes_of(folder, "module_b_head.bin") < 0.6 * bytes_of(exact, "module_b_head.bin")


def test_what_is_never_quantised(built):
    graph = read_graph(built / ENGINE / "module_a.xml")
    rounded = [op for op in graph.get_ordered_ops() if op.get_type_name() == "FakeQuantize"]
    readers = {target.get_node().get_type_name() for op in rounded for target in op.output(0).get_target_inputs()}
    assert not readers & {"ReduceMean", "Subtract", "Divide", "Power", "Sigmoid", "Result"}
    assert rounded[0].input_value(0).get_node().get_type_name() == "Divide"  # normalised, at the first convolution


def test_results_are_near_and_do_not_depend_on_batch_nor_threads(built):
    images, whole = draw_discs(TINY.input_px, 4), draw_discs(TINY_LOCATOR.input_px, 4)
    exact = load_pair(choose_engine(built, "openvino", "fp32"))
    pair = load_pair(choose_engine(built, "openvino", "int8"), num_threads=1)
    masks, ratios, embryos = pair.masks(images), pair.ratios(images), pair.locate(whole)
    assert 0 < np.abs(masks - exact.masks(images)).mean() < 0.05
    assert 0 < np.abs(ratios - exact.ratios(images)).max() < 0.01
    exact.close()
    pair.close()
    pair = load_pair(choose_engine(built, "openvino", "int8"), num_threads=2)
    for order in ([3], [2, 0, 1]):
        assert np.array_equal(pair.masks(images[order]), masks[order])
        assert np.array_equal(pair.ratios(images[order]), ratios[order])
        assert np.array_equal(pair.locate(whole[order]), embryos[order])
    pair.close()


def test_auto_takes_int8_where_it_is_built_and_the_cpu_can(built, spoilt, monkeypatch):
    choice = choose_engine(built)
    assert choice.precision == "int8"
    assert "auto: took openvino-int8 (" in choice.reason
    monkeypatch.setattr(select, "cpu_features", frozenset)
    assert "openvino-int8: this CPU has no vnni; openvino-bf16: " in choose_engine(built).reason
    with pytest.raises(EmbryofragError, match=r"needs a CPU with vnni.*--precision fp32"):
        load_pair(choice)
    monkeypatch.undo()
    shutil.rmtree(spoilt / ENGINE)
    assert "took openvino-fp32 (" in choose_engine(spoilt).reason
    assert "openvino-int8: not built; " in choose_engine(spoilt).reason


def test_build_auto_never_quantises(built, tmp_path, monkeypatch):
    bare = shutil.copytree(built, tmp_path / "bare", ignore=shutil.ignore_patterns("engines"))
    monkeypatch.setattr(build, "_build_into", lambda folder, model, target: (target.precision, None))
    monkeypatch.setattr(build, "cpu_features", lambda: frozenset({"vnni"}))
    report = build_engines(bare)
    assert (report.name, report.parity) == ("openvino-fp32", "fp32")
    assert report.reason == "auto: took fp32 (this CPU has no bf16)"


@pytest.mark.parametrize("name", ["module_a.bin", "module_b.xml", "locator.bin", "module_b_head.bin"])
def test_truncated_file(spoilt, name):
    path = spoilt / ENGINE / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(EmbryofragError, match=rf"{name} is missing or is not the file.*--precision int8"):
        load_pair(choose_engine(spoilt))


def test_edited_accuracy_is_refused(spoilt):
    path = spoilt / ENGINE / "manifest.json"
    document = json.loads(path.read_text())
    document["quantisation"]["accuracy"]["dice_fragment"] = 1.0
    path.write_text(json.dumps(document))
    with pytest.raises(EmbryofragError, match="changed after the build"):
        choose_engine(spoilt)


def test_failed_gate_leaves_nothing(tmp_path, copies, monkeypatch):
    write_tiny_model(tmp_path / "tiny")
    monkeypatch.setattr(accuracy, "RATIO_MAE_LOSS_LIMIT", -1)
    with pytest.raises(EmbryofragError, match=r"grades worse.*mean error 0\.\d+ -> 0\.\d+ \(may grow by -1\).*keep to"):
        build_engines(tmp_path / "tiny", precision="int8")
    assert not (tmp_path / "tiny/engines").exists()
    assert copies == [  # module A's masks lost nothing
        ("a", ()),
        ("b", ()),
        ("b", ("first convolution",)),
        ("b", ("first convolution", "last convolutions")),
    ]


def quantise_again(built, folder):
    """Quantise the proved graphs of a model that is built, into another folder."""
    return quantise.quantise_engine(built / "engines/openvino-fp32", folder, read_model(built), None)


def test_failed_gate_keeps_more_in_float_until_it_passes(built, tmp_path, copies, monkeypatch):
    compare, losses = quantise.compare_scores, [0.03, 0.02, 0.006, 0.004]

    def lose(exact, quantised):
        gate = compare(exact, quantised)
        return replace(gate, dice_embryo=gate.dice_embryo_exact - losses.pop(0))

    monkeypatch.setattr(quantise, "compare_scores", lose)
    quantisation = quantise_again(built, tmp_path)
    kept = ("classifier", "attention gate", "latent", "first convolution")
    assert quantisation.kept_in_float == {"locator": ("all layers",), "a": kept, "b": ()}
    assert [module for module, _ in copies] == ["a", "b", "locator", "locator", "a", "a"]
    assert quantisation.accuracy.dice_loss == pytest.approx(0.004)


def test_parts_kept_in_float_are_not_quantised(built, tmp_path):
    exact, images = built / "engines/openvino-fp32", draw_discs(TINY.input_px, 2)
    kept = tuple(part for group in quantise.SENSITIVE_PARTS["a"] for part in group)
    quantise._quantise_module(exact, tmp_path, "a", images, kept)
    text = (tmp_path / "module_a.xml").read_text()
    assert 0 < text.count("FakeQuantize") < (built / ENGINE / "module_a.xml").read_text().count("FakeQuantize")
    first = next(
        op for op in read_graph(tmp_path / "module_a.xml").get_ordered_ops() if op.get_type_name() == "Convolution"
    )
    assert first.input_value(1).get_node().get_type_name() == "Constant"  # its weights, as they were


def test_locator_with_all_layers_in_float_is_the_exact_one(built, tmp_path):
    exact = built / "engines/openvino-fp32"
    quantise._quantise_module(exact, tmp_path, "locator", draw_discs(TINY_LOCATOR.input_px, 2), ("all layers",))
    for name in ("locator.xml", "locator.bin"):
        assert (tmp_path / name).read_bytes() == (exact / name).read_bytes()


def test_model_that_locates_too_little(built, tmp_path, copies, monkeypatch):
    monkeypatch.setattr(quantise, "MIN_LOCATED_FRAC", 1.1)
    with pytest.raises(EmbryofragError, match=r"locates an embryo in \d of 6 drawn frames, too few"):
        quantise_again(built, tmp_path)
    assert copies == []


def test_frames_of_an_archive(export, few_frames, monkeypatch):
    images = calibration_images(export)
    assert len(images) == 6
    assert {image.dtype for image in images} == {np.dtype(np.uint8)}
    unreadable = sorted(export.rglob("*.jpg"))[:-1]
    for path in unreadable:
        path.write_bytes(b"no image")
    monkeypatch.setattr(calibration, "NUM_CALIBRATION_FRAMES", 1 + len(unreadable))
    assert len(calibration_images(export)) == 1


def test_archive_without_a_readable_image(tmp_path, few_frames):
    (tmp_path / "one.jpg").write_bytes(b"no image")
    with pytest.raises(EmbryofragError, match="no image that can be read: name another folder with --calibration"):
        calibration_images(tmp_path)


def test_drawn_frames_are_labelled_and_always_the_same(few_frames):
    frames = judged_frames()
    assert len(frames) == 6
    assert all(frame.embryo_mask.any() for frame in frames)
    assert all(np.array_equal(one.image, other.image) for one, other in zip(frames, judged_frames(), strict=True))


def test_calibration_is_for_int8(built):
    with pytest.raises(UsageError, match="--calibration is for --precision int8"):
        build_engines(built, precision="fp32", calibration=built)


def test_without_nncf(built, monkeypatch):
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(EmbryofragError, match=r"quantising needs nncf.*embryofrag\[int8\]"):
        build_engines(built, precision="int8")


IMPORT_NNCF = """
import sys
from embryofrag.engine.quantise import import_nncf
import_nncf()
from nncf.telemetry import telemetry
print(type(telemetry).__module__, [name for name in sys.modules if name.startswith("openvino_telemetry.")])
"""


def test_nncf_sends_nothing_home():
    run = subprocess.run([sys.executable, "-c", IMPORT_NNCF], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "unittest.mock []"


def types_of(graph, names):
    return sorted(op.get_type_name() for op in graph.get_ordered_ops() if op.get_friendly_name() in names)


def test_sensitive_parts(built):
    graph = read_graph(built / "engines/openvino-fp32/module_a.xml")
    parts = {part: types_of(graph, names) for part, names in parts_of(graph).items()}
    assert parts["first convolution"] == parts["classifier"] == ["Convolution"]
    assert parts["attention gate"].count("Convolution") == 3
    assert "Multiply" in parts["attention gate"]
    assert parts["latent"] == ["MatMul"] * 2
    assert set(parts["depthwise convolutions"]) == {"GroupConvolution"}
    exempt = types_of(graph, always_float(graph, "a"))
    assert {"Subtract", "Divide", "ReduceMean", "MatMul", "Sigmoid"} <= set(exempt)
    assert not {"Convolution", "Relu", "Parameter"} & set(exempt)


def test_network_without_a_gate_has_no_such_part(tmp_path):
    write_tiny_model(tmp_path / "tiny", config=replace(TINY, gate=False, separable=False))
    target = build.BuildTarget(engine="openvino", precision="fp32")
    build.COMPILERS["openvino"].compile(read_model(tmp_path / "tiny"), "a", tmp_path, target)
    parts = parts_of(read_graph(tmp_path / "module_a.xml"))
    assert parts["attention gate"] == set()
    assert parts["depthwise convolutions"] == set()
