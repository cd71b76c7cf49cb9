"""The backends engines are compiled for: one explicit table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from embryofrag.engine.contract import Engine
from embryofrag.engine.manifest import EngineManifest
from embryofrag.engine.openvino import OpenVinoEngine
from embryofrag.engine.tensorrt.gpu import has_gpu, split_devices
from embryofrag.engine.tensorrt.libraries import INSTALL
from embryofrag.engine.tensorrt.record import check_fit
from embryofrag.engine.tensorrt.side_by_side import SideBySide
from embryofrag.errors import EmbryofragError


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """How one backend is chosen and loaded."""

    needs: Mapping[str, tuple[str, ...]]
    """CPU features by precision; the first precision whose needs are met is the preferred one."""
    load: Callable[[Path, EngineManifest, str, "Resources"], Engine]
    """(engine folder, its manifest, module, what it may use) -> loaded engine."""
    runs_here: Callable[[str | None], bool] = lambda device: True
    """Whether this machine has the devices, or any that the backend runs on."""
    check_fit: Callable[[Path, str | None], None] = lambda folder, device: None
    """(engine folder, devices): raises EmbryofragError where a built engine is for another machine than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What an engine may use of the machine."""

    num_threads: int | None = None
    """CPU threads; None: all CPUs this process may use."""
    device: str | None = None
    """The GPUs of a backend that runs on them, as "cuda:1" or "cuda:0,cuda:1"; None: the first."""
    cache_dir: Path | None = None
    """Where a backend may keep what it compiles at a start for the next one; None: nowhere."""


CACHED_PRECISIONS = ("int8",)
"""What OpenVINO takes longer to compile than to read back and check; for large float weights it is the other way."""


def _load_openvino(folder: Path, manifest: EngineManifest, module: str, resources: Resources) -> Engine:
    return OpenVinoEngine(
        folder,
        engine_id=manifest.engine_id(module),
        module=module,
        input_px=manifest.input_px_of(module),
        precision=manifest.precision,
        num_threads=resources.num_threads,
        cache_dir=resources.cache_dir if manifest.precision in CACHED_PRECISIONS else None,
    )


def _load_tensorrt(folder: Path, manifest: EngineManifest, module: str, resources: Resources) -> Engine:
    check_fit(folder, resources.device)
    try:
        from embryofrag.engine.tensorrt.runner import TensorRtEngine
    except ModuleNotFoundError as error:
        raise EmbryofragError(f"running TensorRT needs {error.name}, which is not installed: {INSTALL}") from error
    engines = [
        TensorRtEngine(
            folder,
            engine_id=manifest.engine_id(module),
            module=module,
            input_px=manifest.input_px_of(module),
            device=device,
        )
        for device in split_devices(resources.device)
    ]
    return engines[0] if len(engines) == 1 else SideBySide(engines)


BACKENDS: dict[str, Backend] = {
    "tensorrt": Backend(needs={"fp16": (), "fp32": ()}, load=_load_tensorrt, runs_here=has_gpu, check_fit=check_fit),
    "openvino": Backend(needs={"int8": ("vnni",), "bf16": ("bf16",), "fp32": ()}, load=_load_openvino),
}
"""In the order in which "auto" prefers them."""

REFERENCE = "eager"
"""The PyTorch reference: taken when asked for by name, never by "auto"."""
