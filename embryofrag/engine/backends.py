"""The backends engines are compiled for: one explicit table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from embryofrag.engine.contract import Engine
from embryofrag.engine.manifest import EngineManifest
from embryofrag.engine.openvino import OpenVinoEngine


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """How one backend is chosen and loaded."""

    needs: Mapping[str, tuple[str, ...]]
    """CPU features by precision; the first precision whose needs are met is the preferred one."""
    load: Callable[[Path, EngineManifest, str, int | None], Engine]
    """(engine folder, its manifest, module, number of threads or None for all) -> loaded engine."""


def _load_openvino(folder: Path, manifest: EngineManifest, module: str, num_threads: int | None) -> Engine:
    return OpenVinoEngine(
        folder,
        engine_id=manifest.engine_id(module),
        module=module,
        input_px=manifest.input_px_of(module),
        precision=manifest.precision,
        num_threads=num_threads,
    )


BACKENDS: dict[str, Backend] = {
    "openvino": Backend(needs={"bf16": ("bf16",), "fp32": ()}, load=_load_openvino),
}
"""In the order in which "auto" prefers them."""

REFERENCE = "eager"
"""The PyTorch reference: taken when asked for by name, never by "auto"."""
