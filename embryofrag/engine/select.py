"""Choose an engine from what is built and what this machine can do, and load it.

Choosing reads JSON only, so a run that finds nothing to do loads neither OpenVINO nor PyTorch.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from embryofrag.engine.backends import BACKENDS, REFERENCE, Resources
from embryofrag.engine.cache import cache_folder
from embryofrag.engine.contract import LOCATOR, MODULES, SCOPE, passes_of
from embryofrag.engine.digest import sha256_of_values
from embryofrag.engine.machine import cpu_features
from embryofrag.engine.manifest import (
    DEFAULT_BACKEND,
    ENGINES_FOLDER,
    EXPECTED_FILE,
    EngineManifest,
    engine_name,
    read_manifest,
    rebuild_command,
    verify_files,
)
from embryofrag.engine.model import Crop, ModelInfo, modules_with, read_model, read_probe
from embryofrag.engine.pair import EngineChoice, EnginePair
from embryofrag.engine.parity import compare_answers, unpack_answers
from embryofrag.engine.tensorrt.gpu import split_devices
from embryofrag.engine.views import NUM_VIEWS
from embryofrag.errors import EmbryofragError, UsageError

LOAD_PROBE_IMAGES = 2
"""Probe frames every load is checked with; the build was checked with all of them."""
CROPS = ("auto", "embryo", "frame")
"""What modules A and B look at: what the model says, the window around the embryo, the whole frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineState:
    """One line of the list of engines."""

    name: str
    trouble: str | None
    """None: fine. Else the sentence with the remedy."""


def choose_engine(
    model_dir: Path,
    engine: str = "auto",
    precision: str = "auto",
    crop: str = "auto",
    device: str | None = None,
    num_views: int | None = None,
) -> EngineChoice:
    """Choose the engine of a model.

    Args:
        model_dir: The model folder.
        engine: "auto", a key of `BACKENDS`, or "eager".
        precision: "auto" or a precision of the backend.
        crop: One of `CROPS`.
        device: The GPUs to run on, as "cuda:1" or "cuda:0,cuda:1"; with it "auto" takes no engine for CPUs.
        num_views: One of `views.NUM_VIEWS`; None: as the model states.

    Raises:
        UsageError: no such engine, precision, crop, device or number of views, or a crop that the model has no
            locator for.
        EmbryofragError: the model cannot be read; no engine that fits is built; the one that fits was changed.
    """
    engine = _on_device(engine, device)
    _check_names(engine, precision)
    model = read_model(model_dir)
    in_force = _crop_in_force(model, crop)
    seen = {"device": device, "num_views": _views_in_force(model, num_views)}
    if engine == REFERENCE:
        return replace(_reference_choice(model, in_force), **seen)
    passed_over = []
    for backend, candidate in _candidates(engine, precision):
        name = engine_name(backend, candidate)
        folder = model.path / ENGINES_FOLDER / name
        if engine == "auto" and not folder.is_dir() and not BACKENDS[backend].runs_here(device):
            continue
        trouble = _trouble(backend, candidate, folder, device)
        if trouble is None:
            reason = _reason(engine, precision, name, passed_over)
            return replace(_compiled_choice(model, in_force, folder, reason), **seen)
        passed_over.append(f"{name}: {trouble}")
    wanted = DEFAULT_BACKEND if engine == "auto" else engine
    raise EmbryofragError(
        f"no compiled engine of {model.id} can run here ({'; '.join(passed_over)}): "
        f"build one with {rebuild_command(model.path, precision, wanted)}"
    )


def load_pair(choice: EngineChoice, num_threads: int | None = None) -> EnginePair:
    """Load the modules, after comparing every file with the manifest, and check them with the probe.

    Args:
        choice: What `choose_engine` returned.
        num_threads: CPU threads of a compiled engine; None: all CPUs this process may use. Changes the speed,
            never a result. A batch smaller than it leaves threads idle.

    Raises:
        EmbryofragError: the engine was changed since it was built or chosen, does not load, or no longer
            reproduces the probe; with the command that builds it anew.
    """
    if choice.folder is None:
        return _load_reference(choice)
    manifest = read_manifest(choice.folder, choice.model)
    if any(getattr(choice, name) != built for name, built in _ids(manifest.engine_id, choice.crop).items()):
        raise EmbryofragError(f"{choice.folder} was built anew since the run began: start the run again")
    missing = set(manifest.needs) - cpu_features()
    if missing:
        raise EmbryofragError(
            f"{choice.folder} needs a CPU with {', '.join(sorted(missing))}, which this one has not; build one it can "
            f"run: {rebuild_command(choice.model.path, 'fp32')}"
        )
    verify_files(choice.folder, manifest, choice.model.path)
    load = BACKENDS[choice.backend].load
    resources = Resources(num_threads=num_threads, device=choice.device, cache_dir=cache_folder())
    passes = passes_of(choice.modules, in_one=manifest.in_one_pass)
    pair = EnginePair(choice, {name: load(choice.folder, manifest, name, resources) for name in passes})
    _check_probe(pair)
    return pair


def _load_reference(choice: EngineChoice) -> EnginePair:
    try:
        from embryofrag.engine.eager import EagerEngine
    except ModuleNotFoundError as error:
        raise EmbryofragError(
            f"the reference engine needs {error.name}, which is not installed: pip install 'embryofrag[train]'"
        ) from error
    loaded = {
        module: EagerEngine(choice.model, module, engine_id=getattr(choice, _id_field(module)))
        for module in choice.modules
    }
    return EnginePair(choice, loaded)


def _check_probe(pair: EnginePair) -> None:
    """Close the pair and raise EmbryofragError if it no longer gives the answers it was built with."""
    choice = pair.choice
    images = {module: read_probe(choice.model, module)[:LOAD_PROBE_IMAGES] for module in choice.modules}
    with np.load(choice.folder / EXPECTED_FILE, allow_pickle=False) as arrays:
        expected = unpack_answers(arrays, len(images["a"]))
    if choice.crop is None:
        expected = replace(expected, locator_masks_NHW=None, scopes_N=None)
    parity = compare_answers(expected, pair.answers(images))
    if not parity.passed:
        pair.close()
        raise EmbryofragError(
            f"{choice.folder} no longer reproduces its probe: {parity}; "
            f"build it anew: {rebuild_command(choice.model.path, choice.precision, choice.backend)}"
        )


def list_engines(model_dir: Path) -> list[EngineManifest]:
    """Return the manifests of the engines built for a model, sorted by name.

    Raises:
        EmbryofragError: the model or a manifest cannot be read; see `read_manifest`.
    """
    model = read_model(model_dir)
    return [read_manifest(folder, model) for folder in _engine_folders(model)]


def check_engines(model_dir: Path) -> list[EngineState]:
    """Load every engine built for a model and say which are fine and what is wrong with the others."""
    states = []
    for folder in _engine_folders(read_model(model_dir)):
        backend, _, precision = folder.name.rpartition("-")
        trouble = None
        try:
            load_pair(choose_engine(model_dir, backend, precision)).close()
        except EmbryofragError as error:
            trouble = str(error)
        states.append(EngineState(name=folder.name, trouble=trouble))
    return states


def _engine_folders(model: ModelInfo) -> list[Path]:
    """Folders of built engines; those that a build has not finished start with a dot."""
    return sorted(path for path in (model.path / ENGINES_FOLDER).glob("[!.]*") if path.is_dir())


def _on_device(engine: str, device: str | None) -> str:
    """Return the engine to choose: a named GPU leaves no choice.

    Raises:
        UsageError: it is no GPU's name, or the engine is for CPUs.
    """
    if device is None:
        return engine
    split_devices(device)
    if engine not in ("auto", "tensorrt"):
        raise UsageError(f"--device names a GPU, and {engine} runs on the CPU: leave one of the two out")
    return "tensorrt"


def _trouble(backend: str, precision: str, folder: Path, device: str | None) -> str | None:
    """Return why a built engine cannot be taken on this machine; None if it can."""
    missing = set(BACKENDS[backend].needs[precision]) - cpu_features()
    if missing:
        return f"this CPU has no {', '.join(sorted(missing))}"
    if not folder.is_dir():
        return "not built"
    try:
        BACKENDS[backend].check_fit(folder, device)
    except EmbryofragError as error:
        return str(error)
    return None


def _check_names(engine: str, precision: str) -> None:
    engines = ("auto", *BACKENDS, REFERENCE)
    if engine not in engines:
        raise UsageError(f"no engine {engine!r}: choose one of {', '.join(engines)}")
    known = {name for backend in BACKENDS.values() for name in backend.needs} if engine == "auto" else {"fp32"}
    if engine in BACKENDS:
        known = set(BACKENDS[engine].needs)
    if precision != "auto" and precision not in known:
        raise UsageError(f"{engine} has no precision {precision!r}: choose one of auto, {', '.join(sorted(known))}")


def _candidates(engine: str, precision: str) -> Iterator[tuple[str, str]]:
    for backend in BACKENDS:
        for candidate in BACKENDS[backend].needs:
            if engine in ("auto", backend) and precision in ("auto", candidate):
                yield backend, candidate


def _reason(engine: str, precision: str, name: str, passed_over: list[str]) -> str:
    if "auto" not in (engine, precision):
        return f"took {name} as asked"
    because = "; ".join(passed_over) if passed_over else "the fastest that this machine can run"
    return f"auto: took {name} ({because})"


def _crop_in_force(model: ModelInfo, crop: str) -> Crop | None:
    if crop not in CROPS:
        raise UsageError(f"no crop {crop!r}: choose one of {', '.join(CROPS)}")
    if crop == "embryo" and model.crop is None:
        raise UsageError(f"{model.id} has no locator to find the embryo with: leave --crop out, or name another model")
    return None if crop == "frame" else model.crop


def _views_in_force(model: ModelInfo, num_views: int | None) -> int:
    if num_views is None:
        return model.num_views
    if num_views not in NUM_VIEWS:
        raise UsageError(f"no {num_views} views: choose one of {', '.join(map(str, NUM_VIEWS))}")
    return num_views


def _compiled_choice(model: ModelInfo, crop: Crop | None, folder: Path, reason: str) -> EngineChoice:
    manifest = read_manifest(folder, model)
    return EngineChoice(
        model=model,
        backend=manifest.backend,
        precision=manifest.precision,
        folder=folder,
        reason=reason,
        input_px=manifest.input_px,
        mask_threshold=manifest.mask_threshold,
        crop=crop,
        **_ids(manifest.engine_id, crop),
    )


def _reference_choice(model: ModelInfo, crop: Crop | None) -> EngineChoice:
    return EngineChoice(
        model=model,
        backend=REFERENCE,
        precision="fp32",
        folder=None,
        reason="took the PyTorch reference as asked; a compiled engine is several times faster",
        input_px=model.input_px,
        mask_threshold=model.mask_threshold,
        crop=crop,
        **_ids(lambda module: f"{REFERENCE}-fp32:{sha256_of_values([model.id, module])[:8]}", crop),
    )


def _ids(engine_id: Callable[[str], str], crop: Crop | None) -> dict[str, str | None]:
    """The fields of an `EngineChoice` that name its engines."""
    running = modules_with(crop)
    return {
        _id_field(module): engine_id(module) if module in running else None for module in (LOCATOR, SCOPE, *MODULES)
    }


def _id_field(module: str) -> str:
    return f"engine_{module}_id"
