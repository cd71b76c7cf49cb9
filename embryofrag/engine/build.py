"""Compile the engines of a model and let them stand only if they reproduce the reference."""

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from embryofrag import __version__
from embryofrag.engine.backends import BACKENDS, Resources
from embryofrag.engine.contract import NUMBER_MODULES, PAIR, by_module, passes_of
from embryofrag.engine.digest import sha256_of_file, sha256_of_values
from embryofrag.engine.eager import EagerEngine, is_stored_in_half, load_deployed, share_backbone
from embryofrag.engine.machine import cpu_features
from embryofrag.engine.manifest import (
    DEFAULT_BACKEND,
    ENGINES_FOLDER,
    EXPECTED_FILE,
    EngineManifest,
    engine_name,
    rebuild_command,
    write_manifest,
)
from embryofrag.engine.model import ModelInfo, read_model, read_probe
from embryofrag.engine.openvino import has_precision, head_file, import_openvino, module_file, save_graph
from embryofrag.engine.parity import Answers, Parity, compare_answers, judge_results, pack_answers
from embryofrag.engine.tensorrt.gpu import choose_gpu
from embryofrag.engine.tensorrt.libraries import import_compiler, installed_library
from embryofrag.errors import EmbryofragError, UsageError

if TYPE_CHECKING:
    from embryofrag.engine.accuracy import Accuracy

QUANTISED = "int8"
"""The precision with a gate of its own (`engine.quantise`); never taken unasked."""
DEFAULT_MAX_BATCH = 8
"""Frames a pass on a GPU. One pass computes while the next is copied in, so a batch of `grade` should hold several."""
MAX_BATCH_SIZES = range(2, 65)
PAIRS = ("auto", "apart", "decoupled")
"""Modules A and B: in one pass where they have the same backbone, in a pass each, or in one pass or not at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """What was built, and how well it matches."""

    folder: Path
    name: str
    reason: str
    """Why this precision, one sentence."""
    parity: Parity
    """With PyTorch; the gate of all precisions but int8."""
    accuracy: "Accuracy | None"
    """On labelled frames, the gate of int8; None for the others."""
    size_bytes: int
    """Of the engine folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildTarget:
    """What an engine is built for."""

    engine: str
    precision: str
    max_batch: int = DEFAULT_MAX_BATCH
    """Largest number of frames a pass, on a GPU."""
    device: str | None = None
    """GPU, as "cuda:1"; None: the first, where the engine is for one."""
    calibration: Path | None = None
    """Archive whose frames show int8 the range of values; None: drawn frames."""
    in_one_pass: bool = False
    """Whether modules A and B become one graph."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiler:
    """How one backend compiles a module."""

    compile: Callable[[ModelInfo, str, Path, BuildTarget], None]
    """(model, module, folder to write to, what for)."""
    can_run: Callable[[str], bool]
    """Whether this machine runs a precision, asked of the backend itself."""
    versions: Callable[[], dict[str, str]]
    check_machine: Callable[[str | None], None] = lambda device: None
    """(device): raises EmbryofragError where this machine cannot build at all."""


def build_engines(
    model_dir: Path,
    *,
    engine: str = DEFAULT_BACKEND,
    precision: str = "auto",
    max_batch: int | None = None,
    device: str | None = None,
    calibration: Path | None = None,
    pair: str = "auto",
    out: Path | None = None,
) -> BuildReport:
    """Compile the modules of a model, check them on the probe, and put them in place.

    All is written to a folder beside the target and renamed once the gate is passed, so a failed build
    leaves an older one as it was and nothing of its own.

    Args:
        model_dir: The model folder, with its weights.
        engine: A key of `COMPILERS`.
        precision: "auto" (the fastest of equal results that this machine has, so never int8) or one of the backend's.
        max_batch: Frames a pass on a GPU, 2 to 64; None: `DEFAULT_MAX_BATCH`.
        device: GPU to build for, as "cuda:1"; None: the first.
        calibration: For int8, an archive whose frames show the range of values; None: drawn frames.
        pair: One of `PAIRS`.
        out: Folder to hold the engine's folder; default ``MODEL/engines``, the only place runs look.

    Raises:
        UsageError: no such engine or precision, or an option that the engine does not have.
        EmbryofragError: the model cannot be read, this machine cannot build or lacks the precision, or the gate
            failed.
    """
    asked = BuildTarget(
        engine=engine,
        precision=precision,
        max_batch=DEFAULT_MAX_BATCH if max_batch is None else max_batch,
        device=device,
        calibration=calibration,
    )
    _check_options(asked, max_batch)
    model = read_model(model_dir)
    COMPILERS[engine].check_machine(device)
    in_one_pass = _choose_pair(model, pair)
    precision, reason = _choose_precision(model, engine, precision)
    target = replace(asked, precision=precision, in_one_pass=in_one_pass)
    root = Path(out) if out is not None else model.path / ENGINES_FOLDER
    return _build_in_place(root, model, target, reason)


def _build_in_place(root: Path, model: ModelInfo, target: BuildTarget, reason: str) -> BuildReport:
    """Build beside the engine's place under `root`, and move there what passed the gate."""
    name = engine_name(target.engine, target.precision)
    root_is_new = not root.exists()
    root.mkdir(parents=True, exist_ok=True)
    unfinished = root / f".{name}.building-{os.getpid()}"
    unfinished.mkdir()
    try:
        build = _build_quantised if target.precision == QUANTISED else _build_into
        parity, accuracy = build(unfinished, model, target)
        size_bytes = sum(path.stat().st_size for path in unfinished.iterdir())
        _put_in_place(unfinished, root / name)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        if root_is_new and not any(root.iterdir()):
            root.rmdir()
    return BuildReport(
        folder=root / name, name=name, reason=reason, parity=parity, accuracy=accuracy, size_bytes=size_bytes
    )


def _check_options(asked: BuildTarget, max_batch: int | None) -> None:
    if asked.engine not in COMPILERS:
        raise UsageError(f"no engine {asked.engine!r} to build: choose one of {', '.join(COMPILERS)}")
    if asked.engine != "tensorrt" and (max_batch, asked.device) != (None, None):
        raise UsageError("--max-batch and --device are for --engine tensorrt")
    if asked.max_batch not in MAX_BATCH_SIZES:
        raise UsageError(f"--max-batch is between {MAX_BATCH_SIZES[0]} and {MAX_BATCH_SIZES[-1]}, not {max_batch}")
    if asked.calibration is not None and asked.precision != QUANTISED:
        raise UsageError(f"--calibration is for --precision {QUANTISED}")


def _choose_pair(model: ModelInfo, pair: str) -> bool:
    """Return whether modules A and B become one graph."""
    if pair not in PAIRS:
        raise UsageError(f"no pair {pair!r}: choose one of {', '.join(PAIRS)}")
    if pair == "apart":
        return False
    possible = share_backbone(model)
    if pair == "decoupled" and not possible:
        raise UsageError(
            f"modules A and B of {model.id} have a backbone each: leave --pair out, or train a head on module A's "
            "features (`embryofrag train --experiment decoupled`)"
        )
    return possible


def _choose_precision(model: ModelInfo, engine: str, precision: str) -> tuple[str, str]:
    """Return the precision to build and why."""
    precisions = list(BACKENDS[engine].needs)
    if precision == "auto":
        equal = [candidate for candidate in precisions if candidate != QUANTISED]
        best = next(candidate for candidate in equal if _can_run(engine, candidate))
        lacking = equal[: equal.index(best)]
        because = f"this CPU has no {', '.join(lacking)}" if lacking else "the fastest that this machine can run"
        return best, f"auto: took {best} ({because})"
    if precision not in precisions:
        raise UsageError(f"{engine} has no precision {precision!r}: choose one of auto, {', '.join(precisions)}")
    if not _can_run(engine, precision):
        raise EmbryofragError(
            f"this CPU has no {precision}, so an engine of it cannot be checked here; "
            f"build one it can run: {rebuild_command(model.path, 'fp32')}"
        )
    return precision, f"took {precision} as asked"


def _can_run(engine: str, precision: str) -> bool:
    return set(BACKENDS[engine].needs[precision]) <= cpu_features() and COMPILERS[engine].can_run(precision)


def _build_into(folder: Path, model: ModelInfo, target: BuildTarget) -> tuple[Parity, None]:
    """Compile, check and describe the modules in `folder`; the manifest comes last.

    What a load expects of the probe are the engine's own answers, once they are proved: it asks whether this still is
    the engine that passed. PyTorch's would leave less room for another CPU, and none to an engine near its limits.
    """
    expected = _reference_answers(model)
    for module in passes_of(model.modules, in_one=target.in_one_pass):
        COMPILERS[target.engine].compile(model, module, folder, target)
    parity, answers = _prove(folder, _describe(folder, model, target), model, target, expected)
    np.savez_compressed(folder / EXPECTED_FILE, **pack_answers(answers))
    write_manifest(folder, replace(_describe(folder, model, target), parity=asdict(parity)))
    return parity, None


def _build_quantised(folder: Path, model: ModelInfo, target: BuildTarget) -> tuple[Parity, "Accuracy"]:
    """Prove fp32 graphs equal to PyTorch, quantise those, and describe what passed the gate.

    As of every engine, what a load expects of the probe are its own answers. Sums of int8 products are whole numbers,
    the same on every CPU; for the float scaling between them the limits of parity leave room.
    """
    from embryofrag.engine.quantise import import_nncf, quantise_engine

    nncf_version = import_nncf().__version__
    expected = _reference_answers(model)
    exact_target = replace(target, precision="fp32")
    with tempfile.TemporaryDirectory(dir=folder) as exact_folder:
        exact = Path(exact_folder)
        for module in passes_of(model.modules, in_one=target.in_one_pass):
            COMPILERS[target.engine].compile(model, module, exact, exact_target)
        _prove(exact, _describe(exact, model, exact_target), model, exact_target, expected)
        quantisation = quantise_engine(exact, folder, model, target.calibration)
    manifest = _describe(folder, model, target)
    answers = _compiled_answers(folder, manifest, model, target.device)
    np.savez_compressed(folder / EXPECTED_FILE, **pack_answers(answers))
    parity = compare_answers(expected, answers)
    manifest = replace(
        _describe(folder, model, target),
        versions={**manifest.versions, "nncf": nncf_version},
        parity=asdict(parity) | {"mask_differ_limit_frac": None, "ratio_difference_limit": None},
        quantisation=quantisation.to_dict(),
    )
    write_manifest(folder, manifest)
    return parity, quantisation.accuracy


def _describe(folder: Path, model: ModelInfo, target: BuildTarget) -> EngineManifest:
    """Return the manifest of the files that are there, without a parity yet."""
    return EngineManifest(
        backend=target.engine,
        precision=target.precision,
        model_id=model.id,
        network_sha256=sha256_of_values(dict(model.network)),
        input_px=model.input_px,
        mask_threshold=model.mask_threshold,
        needs=BACKENDS[target.engine].needs[target.precision],
        files={path.name: sha256_of_file(path) for path in sorted(folder.iterdir())},
        versions={"embryofrag": __version__, **COMPILERS[target.engine].versions()},
        parity={},
        locator_input_px=model.crop and model.crop.input_px,
    )


def _prove(
    folder: Path, manifest: EngineManifest, model: ModelInfo, target: BuildTarget, expected: Answers
) -> tuple[Parity, Answers]:
    """Return the parity with PyTorch and the engine's answers; EmbryofragError if it is not within its limits."""
    answers = _compiled_answers(folder, manifest, model, target.device)
    parity = compare_answers(expected, answers)
    if not parity.passed:
        exact = rebuild_command(model.path, "fp32", target.engine)
        remedy = "keep to the reference and report it" if target.precision == "fp32" else exact
        raise EmbryofragError(
            f"the {manifest.name} engine does not reproduce {model.id} and was not kept: {parity}; "
            f"a more exact one: {remedy}"
        )
    return parity, answers


def _reference_answers(model: ModelInfo) -> Answers:
    results = {
        module: EagerEngine(model, module, engine_id="reference").run(read_probe(model, module))
        for module in model.modules
    }
    return judge_results(results, model)


def _compiled_answers(folder: Path, manifest: EngineManifest, model: ModelInfo, device: str | None) -> Answers:
    results = {}
    for module in passes_of(model.modules, in_one=manifest.in_one_pass):
        loaded = BACKENDS[manifest.backend].load(folder, manifest, module, Resources(device=device))
        results[module] = loaded.run(read_probe(model, module))
        loaded.close()
    return judge_results(by_module(results), model)


def _put_in_place(unfinished: Path, target: Path) -> None:
    """Rename a finished folder to its name; an older one steps aside first and comes back if that fails."""
    if not target.exists():
        unfinished.rename(target)
        return
    old = unfinished.with_name(unfinished.name + "-old")
    target.rename(old)
    try:
        unfinished.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old)


def _compile_openvino(model: ModelInfo, module: str, folder: Path, target: BuildTarget) -> None:
    """Write a module, or the pair, with a head as two graphs: one graph has one precision, and the head is fp32.

    Weights that the model stores in half precision are written so, which halves the file and changes nothing in them.
    """
    deployed = load_deployed(model, module)
    input_px = model.network_of(module)["input_px"]
    frame = torch.zeros((1, input_px, input_px, 3), dtype=torch.uint8)
    has_head = module in (*NUMBER_MODULES, PAIR)
    parts = {module_file(module): (deployed.body if has_head else deployed, frame)}
    if has_head:
        parts[head_file(module)] = (deployed.head, torch.zeros((1, deployed.head.mlp.pooled_channels)))
    ov = import_openvino()
    for name, (part, example) in parts.items():
        with torch.no_grad():
            converted = ov.convert_model(torch.export.export(part, (example,)))
        converted.reshape(list(example.shape))
        save_graph(converted, folder / name, weights_in_fp16=is_stored_in_half(model, module))


def _openvino_versions() -> dict[str, str]:
    return {"torch": torch.__version__, "openvino": import_openvino().__version__}


def _compile_tensorrt(model: ModelInfo, module: str, folder: Path, target: BuildTarget) -> None:
    from embryofrag.engine.tensorrt.plan import compile_module

    compile_module(model, module, folder, precision=target.precision, max_batch=target.max_batch, device=target.device)


def _tensorrt_versions() -> dict[str, str]:
    library, version = installed_library()
    return {"torch": torch.__version__, "torch_tensorrt": import_compiler().__version__, library: version}


def _check_tensorrt(device: str | None) -> None:
    from embryofrag.engine.tensorrt.lane import check_cuda

    choose_gpu(device)
    installed_library()
    check_cuda()
    import_compiler()


COMPILERS: dict[str, Compiler] = {
    "tensorrt": Compiler(
        compile=_compile_tensorrt,
        can_run=lambda precision: True,
        versions=_tensorrt_versions,
        check_machine=_check_tensorrt,
    ),
    "openvino": Compiler(compile=_compile_openvino, can_run=has_precision, versions=_openvino_versions),
}
"""By backend; the keys are those of `BACKENDS`."""
