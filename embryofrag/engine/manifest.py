"""The manifest of a compiled engine: what was built from what, with which parity."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from embryofrag.engine.contract import LOCATOR, MODULES, PAIR, file_stem
from embryofrag.engine.digest import sha256_of_file, sha256_of_values
from embryofrag.engine.model import ModelInfo
from embryofrag.errors import EmbryofragError

MANIFEST_SCHEMA = 1
MANIFEST_FILE = "manifest.json"
EXPECTED_FILE = "probe_expected.npz"
OPTIONAL = frozenset({"locator_input_px", "quantisation"})
"""Fields of the manifest that some engines have."""
ENGINES_FOLDER = "engines"
DEFAULT_BACKEND = "openvino"
"""What `engines build` builds where no other is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineManifest:
    """What a built engine folder holds. Free of times and places: the same build gives the same manifest."""

    backend: str
    precision: str
    model_id: str
    network_sha256: str
    """Of the network's config."""
    input_px: int
    """Of all modules but the locator."""
    mask_threshold: float
    """The threshold the parity was counted at."""
    needs: tuple[str, ...]
    """CPU features without which it does not run, such as "bf16"."""
    files: Mapping[str, str]
    """sha256 by file name."""
    versions: Mapping[str, str]
    """Of embryofrag and of what compiled the engine."""
    parity: Mapping[str, float | None]
    """The fields of `Parity`; its limits are None where `quantisation` decided."""
    locator_input_px: int | None = None
    """None, and not in the file, where the model has no locator."""
    quantisation: Mapping[str, object] | None = None
    """``Quantisation.to_dict()`` of an int8 engine, with its accuracy; None, and not in the file, for others."""

    @property
    def name(self) -> str:
        """Name of the engine folder."""
        return engine_name(self.backend, self.precision)

    @property
    def in_one_pass(self) -> bool:
        """Whether modules A and B are one graph."""
        return any(name.startswith(file_stem(PAIR)) for name in self.files)

    def engine_id(self, module: str) -> str:
        """Return "<backend>-<precision>:<8 hex>" of one module, from the content that its results follow from."""
        stem = file_stem(PAIR if self.in_one_pass and module in MODULES else module)
        names = sorted(name for name in self.files if name.startswith(stem))
        content = [self.name, self.model_id, self.input_px_of(module), *(self.files[name] for name in names)]
        return f"{self.name}:{sha256_of_values(content)[:8]}"

    def input_px_of(self, module: str) -> int:
        """Return the side of a module's input."""
        return self.locator_input_px if module == LOCATOR else self.input_px


def engine_name(backend: str, precision: str) -> str:
    """Name the folder of an engine.

    >>> engine_name("openvino", "bf16")
    'openvino-bf16'
    """
    return f"{backend}-{precision}"


def rebuild_command(model_dir: Path, precision: str, backend: str = DEFAULT_BACKEND) -> str:
    """Return the command that builds an engine anew.

    >>> rebuild_command(Path("m"), "fp16", "tensorrt")
    'embryofrag engines build m --engine tensorrt --precision fp16'
    """
    engine = "" if backend == DEFAULT_BACKEND else f"--engine {backend} "
    return f"embryofrag engines build {model_dir} {engine}--precision {precision}"


def write_manifest(folder: Path, manifest: EngineManifest) -> None:
    """Write the manifest with its own checksum."""
    content = {"schema": MANIFEST_SCHEMA, **asdict(manifest), "needs": list(manifest.needs)}
    content = {name: value for name, value in content.items() if value is not None or name not in OPTIONAL}
    document = {**content, "sha256": sha256_of_values(content)}
    (folder / MANIFEST_FILE).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def read_manifest(folder: Path, model: ModelInfo) -> EngineManifest:
    """Read a manifest and compare it with the folder's name and the model.

    Raises:
        EmbryofragError: it is missing, edited, of another schema, model, network or input size.
    """
    backend, _, precision = folder.name.rpartition("-")
    remedy = f"build it anew: {rebuild_command(model.path, precision, backend)}"
    try:
        document = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        stated = document.pop("sha256")
        schema = document["schema"]
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise EmbryofragError(f"{folder} has no readable {MANIFEST_FILE}; {remedy}") from error
    if schema != MANIFEST_SCHEMA:
        raise EmbryofragError(f"{folder} was built by another version of embryofrag (schema {schema}); {remedy}")
    names = {field.name for field in fields(EngineManifest)}
    if sha256_of_values(document) != stated or set(document) | OPTIONAL != {"schema", *names}:
        raise EmbryofragError(f"{folder / MANIFEST_FILE} was changed after the build; {remedy}")
    del document["schema"]
    manifest = EngineManifest(**{**document, "needs": tuple(document["needs"])})
    built_for = [manifest.name, manifest.model_id, manifest.network_sha256, manifest.input_px, manifest.mask_threshold]
    wanted = [folder.name, model.id, sha256_of_values(dict(model.network)), model.input_px, model.mask_threshold]
    if [*built_for, manifest.locator_input_px] != [*wanted, model.crop and model.crop.input_px]:
        raise EmbryofragError(
            f"{folder} was built as {manifest.name} at {manifest.input_px} px from model {manifest.model_id}, "
            f"but this is {model.id} at {model.input_px} px; {remedy}"
        )
    return manifest


def verify_files(folder: Path, manifest: EngineManifest, model_dir: Path) -> None:
    """Compare the sha256 of every file of the engine with its manifest.

    Raises:
        EmbryofragError: a file is missing, truncated or changed.
    """
    for name, sha256 in manifest.files.items():
        path = folder / name
        if not path.is_file() or sha256_of_file(path) != sha256:
            raise EmbryofragError(
                f"{path} is missing or is not the file that was built (sha256 differs); build it anew: "
                f"{rebuild_command(model_dir, manifest.precision, manifest.backend)}"
            )
