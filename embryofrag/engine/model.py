"""The model folder: ``model.json``, a weight file for each module, a probe. Read without torch."""

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from embryofrag import __version__
from embryofrag.engine.contract import LOCATOR, MODULES, PAIR, SCOPE, file_stem
from embryofrag.engine.digest import sha256_of_file, sha256_of_values
from embryofrag.engine.views import NUM_VIEWS
from embryofrag.errors import EmbryofragError

MODEL_SCHEMA = 1
MODEL_FILE = "model.json"
PROBE_FILE = "probe.npz"
DENOMINATORS = ("embryo", "image")
UNTRAINED_MARK = "UNTRAINED"
REMEDY = "copy the model folder again from where it was made"


@dataclass(frozen=True, kw_only=True)
class Crop:
    """How a model looks twice: its locator finds the embryo in the whole frame, modules A and B see a window around it.

    Raises:
        ValueError: a field holds a wrong value.
    """

    locator: Mapping[str, object]
    """``NetworkConfig.to_dict()`` of the locator; `input_px` in it is the side of the letterboxed whole frame."""
    diameter_share: float
    """Diameter of the embryo's circle over the side of the window, above 0 and at most 1."""
    threshold: float = 0.5
    """A pixel belongs to the locator's embryo mask from this probability on."""
    scope: Mapping[str, object] | None = None
    """``NetworkConfig.to_dict()`` of the scope module, which sees the same window; None: the model has none."""
    scope_threshold: float = 0.5
    """What the window shows is out of scope where the scope module's probability is below this."""

    def __post_init__(self):
        if not 0 < self.diameter_share <= 1:
            raise ValueError(f"diameter_share must lie above 0 and at most at 1, not {self.diameter_share!r}")
        if not 0 < self.threshold < 1:
            raise ValueError(f"the locator's threshold must lie between 0 and 1, not {self.threshold!r}")
        if not 0 < self.scope_threshold < 1:
            raise ValueError(f"the scope threshold must lie between 0 and 1, not {self.scope_threshold!r}")
        _check_input_px(self.input_px)

    @property
    def input_px(self) -> int:
        """Side of the locator's square input."""
        return self.locator["input_px"]

    def to_dict(self) -> dict:
        """Return plain values for ``model.json``; without a scope module nothing is said of it."""
        values = asdict(self)
        if self.scope is None:
            del values["scope"], values["scope_threshold"]
        return values


def modules_with(crop: Crop | None) -> tuple[str, ...]:
    """Return the modules that a crop asks for, in the order in which they run; None: the model looks at whole frames.

    >>> modules_with(None), modules_with(Crop(locator={"input_px": 96}, diameter_share=0.7))
    (('a', 'b'), ('locator', 'a', 'b'))
    """
    if crop is None:
        return MODULES
    return (LOCATOR, *MODULES) if crop.scope is None else (LOCATOR, SCOPE, *MODULES)


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
    min_embryo_confidence: float | None = None
    """Mean embryo probability inside the mask below which the embryo counts as unclear; None: the run's default."""
    denominator: str = "embryo"
    """What the ratio is a share of: one of `DENOMINATORS`."""
    provenance: Mapping[str, object] = field(default_factory=dict)
    """Where the weights come from, free JSON values (recipe, data, seed)."""
    calibration: Mapping[str, object] | None = None
    """``grading.conformal.Conformal.to_dict()`` of the ratio; None: its intervals are not known."""
    crop: Crop | None = None
    """None: modules A and B look at whole frames, and there is no locator."""
    num_views: int = 1
    """Views of each frame whose answers are averaged when it is graded, one of `views.NUM_VIEWS`."""

    @property
    def input_px(self) -> int:
        """Side of the square input of modules A and B, and of the scope module."""
        return self.network["input_px"]

    @property
    def scope_threshold(self) -> float:
        """That of the scope module; the default, which then plays no part, where the model has none."""
        return Crop.scope_threshold if self.crop is None else self.crop.scope_threshold

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules the model has, in the order in which they run."""
        return modules_with(self.crop)

    def network_of(self, module: str) -> Mapping[str, object]:
        """Return the ``NetworkConfig.to_dict()`` of one of `modules`, or of the pair of A and B."""
        if module in (*MODULES, PAIR):
            return self.network
        return {LOCATOR: self.crop.locator, SCOPE: self.crop.scope}[module]


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
    return f"{file_stem(module)}.safetensors"


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


def read_probe(model: ModelInfo, module: str = "a") -> np.ndarray:
    """Return the probe frames of a module, uint8 (N, S, S, 3); all but the locator share theirs.

    Raises:
        EmbryofragError: the file is missing, changed, or does not hold such frames.
    """
    path = verified_file(model, PROBE_FILE)
    with np.load(path, allow_pickle=False) as arrays:
        images = arrays[_probe_key(module)] if _probe_key(module) in arrays else np.empty(0)
    side = model.network_of(module)["input_px"]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (side, side, 3) or not len(images):
        raise EmbryofragError(f"{path} holds no frames of {side} px: {REMEDY}")
    return images


def _probe_key(module: str) -> str:
    return "locator_images" if module == LOCATOR else "images"


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
    locator_probe_NHWC: np.ndarray | None = None,
) -> ModelInfo:
    """Write a model folder: complete under its name, or not at all.

    Args:
        model_dir: A folder that does not exist yet.
        header: What the model is.
        weights: For each of the header's `modules` the state dict of its network as numpy arrays.
        probe_images_NHWC: uint8 (N, S, S, 3) frames that every engine of the model is checked with.
        locator_probe_NHWC: uint8 (N, L, L, 3) whole frames that the locator is checked with, as many; None for a
            model without a locator.

    Raises:
        EmbryofragError: the folder exists, the header holds a wrong value, or weights or probe of a locator are
            missing or too many.
    """
    from safetensors.numpy import save_file

    model_dir = Path(model_dir)
    if model_dir.exists():
        raise EmbryofragError(f"{model_dir} exists: name a new folder for the model, or remove that one")
    model_dir.parent.mkdir(parents=True, exist_ok=True)
    unfinished = model_dir.with_name(f".{model_dir.name}.writing-{os.getpid()}")
    unfinished.mkdir()
    try:
        probes = _probes(header, weights, probe_images_NHWC, locator_probe_NHWC)
        for module in header.modules:
            save_file(dict(weights[module]), unfinished / weights_file(module))
        np.savez_compressed(unfinished / PROBE_FILE, **probes)
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


def _probes(
    header: ModelHeader,
    weights: Mapping[str, Mapping[str, np.ndarray]],
    probe_images_NHWC: np.ndarray,
    locator_probe_NHWC: np.ndarray | None,
) -> dict[str, np.ndarray]:
    """Name the probe's arrays; ValueError where they or the weights are not those of the header's modules."""
    if set(weights) != set(header.modules):
        raise ValueError(f"it has the modules {', '.join(header.modules)}, but weights for {', '.join(weights)}")
    if (header.crop is None) != (locator_probe_NHWC is None):
        raise ValueError("a probe for the locator belongs to a model with a crop, and to no other")
    probes = {_probe_key("a"): probe_images_NHWC}
    if locator_probe_NHWC is not None:
        if len(locator_probe_NHWC) != len(probe_images_NHWC):
            raise ValueError(f"{len(locator_probe_NHWC)} probe frames for the locator, {len(probe_images_NHWC)} others")
        probes[_probe_key(LOCATOR)] = locator_probe_NHWC
    return probes


def _to_document(header: ModelHeader, files: Mapping[str, str]) -> dict:
    return {
        "schema": MODEL_SCHEMA,
        "name": header.name,
        "trained": header.trained,
        "network": dict(header.network),
        "thresholds": {"mask": header.mask_threshold}
        | ({} if header.min_embryo_confidence is None else {"embryo_confidence": header.min_embryo_confidence}),
        "denominator": header.denominator,
        "provenance": dict(header.provenance),
        "calibration": None if header.calibration is None else dict(header.calibration),
        **({} if header.crop is None else {"crop": header.crop.to_dict()}),
        **({} if header.num_views == 1 else {"views": header.num_views}),
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
        min_embryo_confidence=document["thresholds"].get("embryo_confidence"),
        denominator=document["denominator"],
        provenance=document["provenance"],
        calibration=document.get("calibration"),
        crop=None if document.get("crop") is None else Crop(**document["crop"]),
        num_views=document.get("views", 1),
        files=document["files"],
        content_sha256=sha256_of_values(content),
    )
    if not re.fullmatch(r"[A-Za-z0-9._-]+", model.name):
        raise ValueError(f"name {model.name!r} has characters other than letters, digits, dot, dash, underscore")
    if not isinstance(model.trained, bool):
        raise ValueError(f"trained must be true or false, not {model.trained!r}")
    if not 0 < model.mask_threshold < 1:
        raise ValueError(f"the mask threshold must lie between 0 and 1, not {model.mask_threshold!r}")
    if model.min_embryo_confidence is not None and not 0 <= model.min_embryo_confidence <= 1:
        raise ValueError(f"the embryo's confidence must lie in 0..1, not at {model.min_embryo_confidence!r}")
    if model.denominator not in DENOMINATORS:
        raise ValueError(f"denominator must be one of {', '.join(DENOMINATORS)}, not {model.denominator!r}")
    if model.num_views not in NUM_VIEWS:
        raise ValueError(f"views must be one of {', '.join(map(str, NUM_VIEWS))}, not {model.num_views!r}")
    _check_input_px(model.input_px)
    if SCOPE in model.modules and model.crop.scope["input_px"] != model.input_px:
        raise ValueError(f"the scope module sees the same {model.input_px} px as modules A and B")
    missing = {PROBE_FILE, *map(weights_file, model.modules)} - set(model.files)
    if missing:
        raise ValueError(f"no sha256 of {', '.join(sorted(missing))}")
    return model


def _check_input_px(input_px: object) -> None:
    if not isinstance(input_px, int) or input_px < 1:
        raise ValueError(f"input_px must be a whole number, not {input_px!r}")
