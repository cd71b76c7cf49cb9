"""What a plan was built with and for, and whether this machine is that."""

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import product
from pathlib import Path

from embryofrag.engine.contract import file_stem
from embryofrag.engine.manifest import rebuild_command
from embryofrag.engine.tensorrt.gpu import Gpu, choose_gpu, split_devices
from embryofrag.engine.tensorrt.libraries import installed_library
from embryofrag.errors import EmbryofragError

RECORD_SCHEMA = 2
INPUT_NAME = "images"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One tensor that goes into a plan or comes out."""

    name: str
    dtype: str
    """As NumPy names it."""
    shape: tuple[int, ...]
    """-1 first: the batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRecord:
    """Lies beside the plan of a module or of the pair; the engine's manifest holds its sha256."""

    schema: int
    module: str
    precision: str
    fp32_parts: tuple[str, ...]
    """What stays fp32 whatever the precision."""
    normalise: str
    """Normalisation inside the plan, a key of ``network.normalise.NORMALISERS``."""
    weights_sha256: Mapping[str, str]
    """By module."""
    library: str
    """"tensorrt" or "tensorrt_rtx"."""
    versions: Mapping[str, str]
    """Of the library ("tensorrt"), "torch", "torch_tensorrt", "cuda"."""
    system: str
    """Operating system and processor, such as "Linux x86_64"."""
    gpu: Gpu
    input: Binding
    outputs: tuple[Binding, ...]
    """One, or the masks and the ratios of the pair."""
    min_batch: int
    opt_batch: int
    max_batch: int
    options: Mapping[str, object]
    """What the compiler was told."""
    build_s: float


def plan_file(module: str) -> str:
    """Name the plan of a module.

    >>> plan_file("a")
    'module_a.plan'
    """
    return f"{file_stem(module)}.plan"


def record_file(module: str) -> str:
    """Name the record of a module; not by its stem, since no result follows from it.

    >>> record_file("a")
    'plan_a.json'
    """
    return f"plan_{module}.json"


def this_system() -> str:
    """Return operating system and processor."""
    return f"{platform.system()} {platform.machine()}"


def remedy(folder: Path) -> str:
    """Return the command that builds the engine in `folder` anew, below the model folder that holds it."""
    backend, _, precision = folder.name.rpartition("-")
    return f"build it anew: {rebuild_command(folder.parent.parent, precision, backend)}"


def write_record(folder: Path, record: PlanRecord) -> None:
    """Write the record of one plan."""
    text = json.dumps(asdict(record), indent=2)
    (folder / record_file(record.module)).write_text(text + "\n", encoding="utf-8")


def read_record(folder: Path, module: str) -> PlanRecord:
    """Read the record of one plan.

    Raises:
        EmbryofragError: it is missing, not readable, of another schema or of another module.
    """
    path = folder / record_file(module)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] != RECORD_SCHEMA or document["module"] != module:
            raise ValueError(f"schema {document['schema']}, module {document['module']}")
        return _from_document(document)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EmbryofragError(f"{path} is no record of a plan ({error}); {remedy(folder)}") from error


def _from_document(document: dict) -> PlanRecord:
    if set(document) != {field.name for field in fields(PlanRecord)}:
        raise ValueError("fields are missing or unknown")
    bindings = {"input": _binding(document["input"]), "outputs": tuple(map(_binding, document["outputs"]))}
    others = {"gpu": Gpu(**document["gpu"]), "fp32_parts": tuple(document["fp32_parts"])}
    return PlanRecord(**{**document, **bindings, **others})


def _binding(document: dict) -> Binding:
    return Binding(**{**document, "shape": tuple(document["shape"])})


def check_fit(folder: Path, devices: str | None) -> None:
    """Check every plan of an engine folder with `check_machine`, on each of the cards.

    Raises:
        EmbryofragError: the engine cannot run here; with the remedy.
    """
    records = sorted(folder.glob(record_file("*")))
    for path, device in product(records, split_devices(devices)):
        check_machine(folder, path.stem.partition("_")[2], device)
    if not records:
        raise EmbryofragError(f"{folder} holds no record of a plan; {remedy(folder)}")


def check_machine(folder: Path, module: str, device: str | None) -> PlanRecord:
    """Return a plan's record if this machine can run the plan.

    A plan holds machine code for one GPU model, chosen by timing it, and is read by one TensorRT version only.

    Raises:
        EmbryofragError: no usable GPU or library; the plan was built for another GPU, system or version.
    """
    record = read_record(folder, module)
    gpu = choose_gpu(device)
    library, version = installed_library()
    built = (record.library, record.versions["tensorrt"], record.system, record.gpu.name, record.gpu.compute_capability)
    here = (library, version, this_system(), gpu.name, gpu.compute_capability)
    names = ("library", "TensorRT", "system", "GPU", "compute capability")
    odd = [f"{name} {then}, here {now}" for name, then, now in zip(names, built, here, strict=True) if then != now]
    if odd:
        raise EmbryofragError(f"{folder} was built for {'; '.join(odd)}; on this machine {remedy(folder)}")
    return record
