"""Compile the engines of a model and let them stand only if they reproduce the reference."""

import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from embryofrag import __version__
from embryofrag.engine.backends import BACKENDS
from embryofrag.engine.digest import sha256_of_file, sha256_of_values
from embryofrag.engine.eager import EagerEngine, load_deployed
from embryofrag.engine.machine import cpu_features
from embryofrag.engine.manifest import (
    ENGINES_FOLDER,
    EXPECTED_FILE,
    EngineManifest,
    engine_name,
    rebuild_command,
    write_manifest,
)
from embryofrag.engine.model import ModelInfo, read_model, read_probe
from embryofrag.engine.openvino import HEAD_FILE, has_precision, import_openvino, module_file
from embryofrag.engine.parity import Answers, Parity, compare_answers, judge_results, pack_answers
from embryofrag.errors import EmbryofragError, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """What was built, and how well it matches."""

    folder: Path
    name: str
    reason: str
    """Why this precision, one sentence."""
    parity: Parity
    size_bytes: int
    """Of the engine folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiler:
    """How one backend compiles a module."""

    compile: Callable[[ModelInfo, str, Path], None]
    """(model, module, folder to write to)."""
    can_run: Callable[[str], bool]
    """Whether this machine runs a precision, asked of the backend itself."""
    versions: Callable[[], dict[str, str]]


def build_engines(
    model_dir: Path,
    *,
    engine: str = "openvino",
    precision: str = "auto",
    out: Path | None = None,
) -> BuildReport:
    """Compile the modules of a model, check them on the probe, and put them in place.

    All is written to a folder beside the target and renamed once the parity gate is passed, so a failed build
    leaves an older one as it was and nothing of its own.

    Args:
        model_dir: The model folder, with its weights.
        engine: A key of `COMPILERS`.
        precision: "auto" (bf16 where this CPU has it, else fp32) or one of the backend's.
        out: Folder to hold the engine's folder; default ``MODEL/engines``, the only place runs look.

    Raises:
        UsageError: no such engine or precision.
        EmbryofragError: the model cannot be read, this CPU lacks the precision, or the parity gate failed.
    """
    if engine not in COMPILERS:
        raise UsageError(f"no engine {engine!r} to build: choose one of {', '.join(COMPILERS)}")
    model = read_model(model_dir)
    precision, reason = _choose_precision(model, engine, precision)
    name = engine_name(engine, precision)
    root = Path(out) if out is not None else model.path / ENGINES_FOLDER
    root_is_new = not root.exists()
    root.mkdir(parents=True, exist_ok=True)
    unfinished = root / f".{name}.building-{os.getpid()}"
    unfinished.mkdir()
    try:
        parity = _build_into(unfinished, model, engine, precision)
        size_bytes = sum(path.stat().st_size for path in unfinished.iterdir())
        _put_in_place(unfinished, root / name)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        if root_is_new and not any(root.iterdir()):
            root.rmdir()
    return BuildReport(folder=root / name, name=name, reason=reason, parity=parity, size_bytes=size_bytes)


def _choose_precision(model: ModelInfo, engine: str, precision: str) -> tuple[str, str]:
    """Return the precision to build and why."""
    precisions = list(BACKENDS[engine].needs)
    if precision == "auto":
        best = next(candidate for candidate in precisions if _can_run(engine, candidate))
        lacking = precisions[: precisions.index(best)]
        because = f"this CPU has no {', '.join(lacking)}" if lacking else "the fastest that this CPU can run"
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


def _build_into(folder: Path, model: ModelInfo, engine: str, precision: str) -> Parity:
    """Compile, check and describe the modules in `folder`; the manifest comes last."""
    expected = _reference_answers(model)
    for module in model.modules:
        COMPILERS[engine].compile(model, module, folder)
    np.savez_compressed(folder / EXPECTED_FILE, **pack_answers(expected))
    manifest = EngineManifest(
        backend=engine,
        precision=precision,
        model_id=model.id,
        network_sha256=sha256_of_values(dict(model.network)),
        input_px=model.input_px,
        mask_threshold=model.mask_threshold,
        needs=BACKENDS[engine].needs[precision],
        files={path.name: sha256_of_file(path) for path in sorted(folder.iterdir())},
        versions={"embryofrag": __version__, **COMPILERS[engine].versions()},
        parity={},
        locator_input_px=model.crop and model.crop.input_px,
    )
    parity = compare_answers(expected, _compiled_answers(folder, manifest, model))
    if not parity.passed:
        remedy = "keep to the reference and report it" if precision == "fp32" else rebuild_command(model.path, "fp32")
        raise EmbryofragError(
            f"the {manifest.name} engine does not reproduce {model.id} and was not kept: {parity}; "
            f"a more exact one: {remedy}"
        )
    write_manifest(folder, replace(manifest, parity=asdict(parity)))
    return parity


def _reference_answers(model: ModelInfo) -> Answers:
    results = {
        module: EagerEngine(model, module, engine_id="reference").run(read_probe(model, module))
        for module in model.modules
    }
    return judge_results(results, model)


def _compiled_answers(folder: Path, manifest: EngineManifest, model: ModelInfo) -> Answers:
    results = {}
    for module in model.modules:
        loaded = BACKENDS[manifest.backend].load(folder, manifest, module, None)
        results[module] = loaded.run(read_probe(model, module))
        loaded.close()
    return judge_results(results, model)


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


def _compile_openvino(model: ModelInfo, module: str, folder: Path) -> None:
    """Write "b" as two graphs, the others as one: OpenVINO knows one precision for a graph, and the head is fp32."""
    deployed = load_deployed(model, module)
    input_px = model.network_of(module)["input_px"]
    frame = torch.zeros((1, input_px, input_px, 3), dtype=torch.uint8)
    parts = {module_file(module): (deployed, frame)}
    if module == "b":
        pooled = torch.zeros((1, deployed.head.mlp.pooled_channels))
        parts = {module_file("b"): (deployed.body, frame), HEAD_FILE: (deployed.head, pooled)}
    ov = import_openvino()
    for name, (part, example) in parts.items():
        with torch.no_grad():
            converted = ov.convert_model(torch.export.export(part, (example,)))
        converted.reshape(list(example.shape))
        # OpenVINO numbers names through the life of a process; without that the same model gives the same bytes
        converted.set_friendly_name(name)
        for number, node in enumerate(converted.get_ordered_ops()):
            node.set_friendly_name(f"{node.get_type_name()}_{number}")
        ov.save_model(converted, folder / name, compress_to_fp16=False)


def _openvino_versions() -> dict[str, str]:
    return {"torch": torch.__version__, "openvino": import_openvino().__version__}


COMPILERS: dict[str, Compiler] = {
    "openvino": Compiler(compile=_compile_openvino, can_run=has_precision, versions=_openvino_versions),
}
"""By backend; the keys are those of `BACKENDS`."""
