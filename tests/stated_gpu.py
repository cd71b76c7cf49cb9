"""A machine that says it has a card, and engine folders as a build would leave them there; nothing runs on it."""

from pathlib import Path

import numpy as np

from embryofrag.engine.digest import sha256_of_file, sha256_of_values
from embryofrag.engine.manifest import EXPECTED_FILE, EngineManifest, write_manifest
from embryofrag.engine.model import ModelInfo
from embryofrag.engine.tensorrt import record
from embryofrag.engine.tensorrt.gpu import Gpu
from embryofrag.engine.tensorrt.record import (
    INPUT_NAME,
    RECORD_SCHEMA,
    Binding,
    PlanRecord,
    plan_file,
    this_system,
    write_record,
)

CARD = Gpu(index=0, name="NVIDIA L4", compute_capability="8.9", memory_bytes=24 << 30, num_sms=58)
LIBRARY = ("tensorrt", "11.1.0.106")


def state_machine(monkeypatch, card: Gpu = CARD, library: tuple[str, str] = LIBRARY) -> None:
    """Let this machine have a card and TensorRT, as far as choosing an engine asks."""
    monkeypatch.setattr(record, "choose_gpu", lambda device: card)
    monkeypatch.setattr(record, "installed_library", lambda: library)


def make_record(module: str = "a", **changes) -> PlanRecord:
    """The record of a module's plan, built for `CARD`."""
    values = {
        "schema": RECORD_SCHEMA,
        "module": module,
        "precision": "fp16",
        "fp32_parts": ("sigmoids",),
        "normalise": "frame",
        "weights_sha256": {module: "0" * 64},
        "library": LIBRARY[0],
        "versions": {"tensorrt": LIBRARY[1], "torch": "2.14.1"},
        "system": this_system(),
        "gpu": CARD,
        "input": Binding(name=INPUT_NAME, dtype="uint8", shape=(-1, 64, 64, 3)),
        "outputs": (Binding(name="masks", dtype="float32", shape=(-1, 2, 64, 64)),),
        "min_batch": 1,
        "opt_batch": 8,
        "max_batch": 8,
        "options": {"optimization_level": 3},
        "build_s": 1.5,
    }
    return PlanRecord(**values | changes)


def write_stated_engine(model: ModelInfo) -> Path:
    """An engine folder that fits model and card in everything but its plans, which are no plans."""
    folder = model.path / "engines" / "tensorrt-fp16"
    folder.mkdir(parents=True)
    for module in model.modules:
        (folder / plan_file(module)).write_bytes(b"not a plan " * 50)
        write_record(folder, make_record(module))
    np.savez_compressed(folder / EXPECTED_FILE, ratios=np.zeros(4, np.float32))
    manifest = EngineManifest(
        backend="tensorrt",
        precision="fp16",
        model_id=model.id,
        network_sha256=sha256_of_values(dict(model.network)),
        input_px=model.input_px,
        mask_threshold=model.mask_threshold,
        needs=(),
        files={path.name: sha256_of_file(path) for path in sorted(folder.iterdir())},
        versions={"tensorrt": LIBRARY[1]},
        parity={},
    )
    write_manifest(folder, manifest)
    return folder
