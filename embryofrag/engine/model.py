"""The model folder: ``model.json``, two weight files, a probe. Read without torch."""

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from embryofrag import __version__
from embryofrag.engine.contract import MODULES
from embryofrag.engine.digest import sha256_of_file, sha256_of_values
from embryofrag.errors import EmbryofragError

MODEL_SCHEMA = 1
MODEL_FILE = "model.json"
PROBE_FILE = "probe.npz"
DENOMINATORS = ("embryo", "image")
UNTRAINED_MARK = "UNTRAINED"
REMEDY = "copy the model folder again from where it was made"


@dataclass(frozen=True, kw_only=True)
class ModelHeader:
    """What a model is, as its maker states it."""

    name: str
    """Letters, digits, dot, dash, underscore."""
    trained: bool
    """False: the weights are drawn by chance and every result row says so."""
    network: Mapping[str, object]
    """``NetworkConfig.to_dict()``; `input_px` in it is the side of the engines' input."""
    mask_threshold: float = 0.5
    """A pixel belongs to a mask where its probability is above this."""
    denominator: str = "embryo"
    """What the ratio is a share of: one of `DENOMINATORS`."""
    provenance: Mapping[str, object] = field(default_factory=dict)
    """Where the weights come from, free JSON values (recipe, data, seed)."""
    calibration: Mapping[str, object] | None = None
    """``grading.conformal.Conformal.to_dict()`` of the ratio; None: its intervals are not known."""

    @property
    def input_px(self) -> int:
        """Side of the square input."""
        return self.network["input_px"]


@dataclass(frozen=True, kw_only=True)
class ModelInfo(ModelHeader):
    """A model folder that was read. Picklable."""

    path: Path
    files: Mapping[str, str]
    """sha256 of weights and probe by file name."""
    content_sha256: str
    """Of everything in ``model.json`` but the version that wrote it."""

    @property
    def id(self) -> str:
        """ "<name>@<8 hex of content>": the same weights and settings, the same id."""
        return f"{self.name}@{self.content_sha256[:8]}"

    @property
    def label(self) -> str:
        """The id, and for an untrained model the word UNTRAINED before it: this is what result rows show."""
        return self.id if self.trained else f"{UNTRAINED_MARK} {self.id}"


def weights_file(module: str) -> str:
    """Name the weight file of a module.

    >>> weights_file("a")
    'module_a.safetensors'
    """
    return f"module_{module}.safetensors"


def read_model(model_dir: Path) -> ModelInfo:
    """Read ``model.json`` of a model folder.

    Raises:
        EmbryofragError: no such folder, no ``model.json``, another schema, or a field that is missing or wrong.
    """
    model_dir = Path(model_dir)
    if model_dir.suffix in (".pt", ".pth"):
        raise EmbryofragError(
            f"{model_dir} is a pickle, which can run code when it is read: convert it to safetensors in a model folder"
        )
    path = model_dir / MODEL_FILE
    if not path.is_file():
        raise EmbryofragError(
            f"{model_dir} is no model folder (no {MODEL_FILE} in it): name the folder that training wrote"
        )
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        schema = document["schema"]
    except (ValueError, KeyError, TypeError) as error:
        raise EmbryofragError(f"{path} is not a model description: {REMEDY}") from error
    if schema != MODEL_SCHEMA:
        raise EmbryofragError(
            f"{path} has schema {schema}, this version of embryofrag reads {MODEL_SCHEMA}: use the version that "
            f"wrote it ({document.get('created_by')})"
        )
    try:
        return _from_document(model_dir, document)
    except (ValueError, KeyError, TypeError) as error:
        raise EmbryofragError(f"{path} has a missing or wrong field ({error}): {REMEDY}") from error


def read_probe(model: ModelInfo) -> np.ndarray:
    """Return the probe frames, uint8 (N, S, S, 3).

    Raises:
        EmbryofragError: the file is missing, changed, or does not hold such frames.
    """
    path = verified_file(model, PROBE_FILE)
    with np.load(path, allow_pickle=False) as arrays:
        images = arrays["images"]
    side = model.input_px
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (side, side, 3) or not len(images):
        raise EmbryofragError(f"{path} holds no frames of {side} px: {REMEDY}")
    return images


def verified_file(model: ModelInfo, name: str) -> Path:
    """Return the path of one of the model's files after comparing its sha256 with ``model.json``.

    Raises:
        EmbryofragError: the file is missing or is not the one the model was made with.
    """
    path = model.path / name
    if not path.is_file():
        raise EmbryofragError(f"{path} is missing: {REMEDY}")
    if sha256_of_file(path) != model.files[name]:
        raise EmbryofragError(f"{path} is not the file {MODEL_FILE} names (sha256 differs): {REMEDY}")
    return path


def write_model(
    model_dir: Path,
    header: ModelHeader,
    weights: Mapping[str, Mapping[str, np.ndarray]],
    probe_images_NHWC: np.ndarray,
) -> ModelInfo:
    """Write a model folder: complete under its name, or not at all.

    Args:
        model_dir: A folder that does not exist yet.
        header: What the model is.
        weights: For each of `MODULES` the state dict of its network as numpy arrays.
        probe_images_NHWC: uint8 (N, S, S, 3) frames that every engine of the model is checked with.

    Raises:
        EmbryofragError: the folder exists, or the header holds a wrong value.
    """
    from safetensors.numpy import save_file

    model_dir = Path(model_dir)
    if model_dir.exists():
        raise EmbryofragError(f"{model_dir} exists: name a new folder for the model, or remove that one")
    model_dir.parent.mkdir(parents=True, exist_ok=True)
    unfinished = model_dir.with_name(f".{model_dir.name}.writing-{os.getpid()}")
    unfinished.mkdir()
    try:
        for module in MODULES:
            save_file(dict(weights[module]), unfinished / weights_file(module))
        np.savez_compressed(unfinished / PROBE_FILE, images=probe_images_NHWC)
        files = {path.name: sha256_of_file(path) for path in sorted(unfinished.iterdir())}
        document = _to_document(header, files)
        _from_document(model_dir, document)
        (unfinished / MODEL_FILE).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        unfinished.rename(model_dir)
    except (ValueError, KeyError) as error:
        raise EmbryofragError(f"cannot write the model {model_dir}: {error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return read_model(model_dir)


def _to_document(header: ModelHeader, files: Mapping[str, str]) -> dict:
    return {
        "schema": MODEL_SCHEMA,
        "name": header.name,
        "trained": header.trained,
        "network": dict(header.network),
        "thresholds": {"mask": header.mask_threshold},
        "denominator": header.denominator,
        "provenance": dict(header.provenance),
        "calibration": None if header.calibration is None else dict(header.calibration),
        "files": dict(files),
        "created_by": f"embryofrag {__version__}",
    }


def _from_document(model_dir: Path, document: dict) -> ModelInfo:
    """Build the record; ValueError, KeyError or TypeError where a field is missing or wrong."""
    content = {key: value for key, value in document.items() if key != "created_by"}
    model = ModelInfo(
        path=model_dir,
        name=document["name"],
        trained=document["trained"],
        network=document["network"],
        mask_threshold=document["thresholds"]["mask"],
        denominator=document["denominator"],
        provenance=document["provenance"],
        calibration=document.get("calibration"),
        files=document["files"],
        content_sha256=sha256_of_values(content),
    )
    if not re.fullmatch(r"[A-Za-z0-9._-]+", model.name):
        raise ValueError(f"name {model.name!r} has characters other than letters, digits, dot, dash, underscore")
    if not isinstance(model.trained, bool):
        raise ValueError(f"trained must be true or false, not {model.trained!r}")
    if not 0 < model.mask_threshold < 1:
        raise ValueError(f"the mask threshold must lie between 0 and 1, not {model.mask_threshold!r}")
    if model.denominator not in DENOMINATORS:
        raise ValueError(f"denominator must be one of {', '.join(DENOMINATORS)}, not {model.denominator!r}")
    if not isinstance(model.input_px, int) or model.input_px < 1:
        raise ValueError(f"input_px must be a whole number, not {model.input_px!r}")
    missing = {PROBE_FILE, *map(weights_file, MODULES)} - set(model.files)
    if missing:
        raise ValueError(f"no sha256 of {', '.join(sorted(missing))}")
    return model
