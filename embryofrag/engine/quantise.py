"""Int8 graphs from exact ones, by NNCF's post-training quantisation, behind the accuracy gate.

Frames show NNCF the range of every layer's values. Layers that lose too much in int8 stay in float: the gate decides,
and a module that fails it is quantised again with the next group of its `SENSITIVE_PARTS` left out, until it passes or
nothing is left to try. The locator goes first: it is small, and its windows move what the others see. Always float:
normalisation, pooling, injection's border sums, what follows the classifier, and module B's head, which is a graph of
its own.
"""

import logging
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from embryofrag.engine.accuracy import MIN_LOCATED_FRAC, Accuracy, LabelledFrame, Scores, compare_scores, score_pair
from embryofrag.engine.calibration import calibration_images, judged_frames
from embryofrag.engine.contract import LOCATOR, MODULES, PAIR, SCOPE, file_stem, passes_of
from embryofrag.engine.look import first_look, look_at_embryos
from embryofrag.engine.model import ModelInfo
from embryofrag.engine.openvino import OpenVinoEngine, head_file, import_openvino, module_file, read_graph, save_graph
from embryofrag.engine.pair import EngineChoice, EnginePair
from embryofrag.engine.sensitive import always_float, parts_of
from embryofrag.engine.signal_stack import keep_signal_stack
from embryofrag.errors import EmbryofragError

PRECISION = "int8"
ALL_LAYERS = "all layers"
_PARTS_WITH_MASKS = (("classifier", "attention gate"), ("latent", "first convolution"), ("depthwise convolutions",))
SENSITIVE_PARTS = {
    LOCATOR: ((ALL_LAYERS,),),
    "a": _PARTS_WITH_MASKS,
    "b": (("first convolution",), ("last convolutions",)),
    PAIR: _PARTS_WITH_MASKS,
}
"""By module, in the order in which they are left out, group after group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantisation:
    """How a model was quantised, and how well."""

    accuracy: Accuracy
    num_calibration_frames: int
    calibration_frames: str
    """"drawn" or "own"."""
    kept_in_float: Mapping[str, Sequence[str]]
    """By module the `SENSITIVE_PARTS` that were left out."""

    def to_dict(self) -> dict:
        """Return plain JSON types, for the manifest."""
        return asdict(self)


def import_nncf():
    """Import NNCF with its usage statistics off, as `import_openvino` does for OpenVINO.

    Raises:
        EmbryofragError: it is not installed.
    """
    import_openvino()  # makes the import of openvino_telemetry fail, which NNCF takes for not installed
    try:
        import nncf
    except ModuleNotFoundError as error:
        raise EmbryofragError(
            f"quantising needs {error.name}, which is not installed: pip install 'embryofrag[int8]'"
        ) from error
    nncf.set_log_level(logging.ERROR)
    return nncf


def quantise_engine(exact: Path, folder: Path, model: ModelInfo, calibration: Path | None) -> Quantisation:
    """Write the graphs of all modules of a model, in int8 but for the scope module, which the gate cannot judge.

    Args:
        exact: Folder of the fp32 graphs, which were proved against PyTorch.
        folder: Folder to write to.
        model: The model.
        calibration: An archive of the user's; None: drawn frames.

    Raises:
        EmbryofragError: NNCF is not installed, the archive holds no image, the model finds no embryo in most of the
            drawn frames, or the gate failed whatever was left in float.
    """
    import_nncf()
    frames = judged_frames()
    reference = _open(exact, model, "fp32")
    canvases = _canvases(reference, calibration_images(calibration))
    expected = score_pair(reference, frames)
    reference.close()
    _check_located(expected, model)
    for path in exact.glob(f"{file_stem(SCOPE)}*"):
        shutil.copy(path, folder)
    accuracy, steps = _search(exact, folder, model, canvases, frames, expected)
    return Quantisation(
        accuracy=accuracy,
        num_calibration_frames=len(canvases["a"]),
        calibration_frames="drawn" if calibration is None else "own",
        kept_in_float={module: _kept(module, step) for module, step in steps.items()},
    )


def _search(
    exact: Path,
    folder: Path,
    model: ModelInfo,
    canvases: Mapping[str, np.ndarray],
    frames: Sequence[LabelledFrame],
    expected: Scores,
) -> tuple[Accuracy, dict[str, int]]:
    """Quantise, judge, and quantise what failed again with more in float; return the gate and the steps it took."""
    steps = dict.fromkeys((module for module in _passes(exact, model) if module != SCOPE), 0)
    pending = set(steps)
    while True:
        for module in sorted(pending):
            _quantise_module(exact, folder, module, canvases[module], _kept(module, steps[module]))
        pair = _open(folder, model, PRECISION)
        accuracy = compare_scores(expected, score_pair(pair, frames))
        pair.close()
        if accuracy.passed:
            return accuracy, steps
        pending = _to_blame(accuracy, {module for module in steps if steps[module] < len(SENSITIVE_PARTS[module])})
        if not pending:
            tried = ", ".join(dict.fromkeys(part for module, step in steps.items() for part in _kept(module, step)))
            raise EmbryofragError(
                f"an int8 engine of {model.id} grades worse than the exact one and was not kept: {accuracy}; left in "
                f"float at last: {tried}; keep to bf16 or fp32, or name images of your own with --calibration"
            )
        for module in pending:
            steps[module] += 1


def _to_blame(accuracy: Accuracy, improvable: set[str]) -> set[str]:
    """Those of the modules that a failed gate speaks against and that have more to leave in float."""
    if LOCATOR in improvable:
        return {LOCATOR}
    passed = {"a": accuracy.masks_passed, "b": accuracy.ratios_passed, PAIR: accuracy.passed}
    return {module for module in improvable if not passed[module]}


def _kept(module: str, step: int) -> tuple[str, ...]:
    """The parts that stay in float at a step.

    >>> _kept("b", 0), _kept("b", 2)
    ((), ('first convolution', 'last convolutions'))
    """
    return tuple(part for group in SENSITIVE_PARTS[module][:step] for part in group)


def _quantise_module(exact: Path, folder: Path, module: str, images_NHWC: np.ndarray, kept: Sequence[str]) -> None:
    if ALL_LAYERS in kept:
        save_graph(read_graph(exact / module_file(module)), folder / module_file(module))
        return
    nncf = import_nncf()
    graph = read_graph(exact / module_file(module))
    parts = parts_of(graph)
    names = sorted({*always_float(graph, module), *(name for part in kept for name in parts[part])})
    with keep_signal_stack(), redirect_stdout(sys.stderr):  # NNCF runs graphs, and draws progress bars
        quantised = nncf.quantize(
            graph,
            nncf.Dataset([image[None] for image in images_NHWC]),
            preset=nncf.QuantizationPreset.MIXED,
            target_device=nncf.TargetDevice.CPU,
            subset_size=len(images_NHWC),
            ignored_scope=nncf.IgnoredScope(names=names),
        )
    save_graph(quantised, folder / module_file(module))
    if module in ("b", PAIR):
        # its weights are half of the module's bytes; they are computed with in fp32 all the same
        save_graph(read_graph(exact / head_file(module)), folder / head_file(module), weights_in_fp16=True)


def _canvases(reference: EnginePair, images: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """What each module is shown of the calibration frames, uint8 (N, S, S, 3), as in a run."""
    looks = [look_at_embryos(reference, [image])[0] for image in images]
    closer = [look.canvas_SSC for look in looks if look.found]
    if not closer:
        raise EmbryofragError(f"{reference.choice.model.id} finds no embryo in any of the calibration frames")
    canvases = dict.fromkeys((*MODULES, PAIR), np.stack(closer))
    if reference.choice.crop is None:
        return canvases
    return canvases | {LOCATOR: np.stack([first_look(image, reference.choice).canvas_SSC for image in images])}


def _check_located(scores: Scores, model: ModelInfo) -> None:
    num_located = int(np.count_nonzero(~np.isnan(scores.ratios_F)))
    if num_located < MIN_LOCATED_FRAC * len(scores.ratios_F):
        raise EmbryofragError(
            f"{model.id} locates an embryo in {num_located} of {len(scores.ratios_F)} drawn frames, too few to "
            f"judge an int8 engine by: keep to bf16 or fp32"
        )


def _open(folder: Path, model: ModelInfo, precision: str) -> EnginePair:
    """Load graphs that are no built engine yet."""
    loaded = {
        module: OpenVinoEngine(
            folder,
            engine_id=module,
            module=module,
            input_px=model.network_of(module)["input_px"],
            precision=precision,
        )
        for module in _passes(folder, model)
    }
    choice = EngineChoice(
        model=model,
        backend="openvino",
        precision=precision,
        folder=folder,
        reason="being built",
        engine_a_id="a",
        engine_b_id="b",
        input_px=model.input_px,
        mask_threshold=model.mask_threshold,
        crop=model.crop,
        num_views=model.num_views,
    )
    return EnginePair(choice, loaded)


def _passes(folder: Path, model: ModelInfo) -> tuple[str, ...]:
    """What the graphs in a folder are of."""
    return passes_of(model.modules, in_one=(folder / module_file(PAIR)).exists())
