"""One file that a phase can go on from: tensors and facts, replaced whole or not at all. No pickle anywhere.

The format is safetensors with the facts as JSON in its header, so that tensors and facts cannot come apart: a kill or
a full disk at any point leaves either the old file or the new one.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from embryofrag.errors import EmbryofragError

PARTIAL_SUFFIX = ".partial"
FACTS_KEY = "facts"


def save_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, object] | None = None) -> None:
    """Write tensors and JSON facts under `path`, durable and whole.

    Raises:
        EmbryofragError: The folder cannot be written; what was at `path` still is.
    """
    partial = path.with_name(path.name + PARTIAL_SUFFIX)
    packed = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    with writing(path):
        try:
            save_file(packed, partial, metadata={FACTS_KEY: json.dumps(facts or {})})
            with open(partial, "rb") as file:
                os.fsync(file.fileno())
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say what a full disk or a missing permission means for the run.

    Raises:
        EmbryofragError: What the block does to `path` failed.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise EmbryofragError(
            f"could not write {path} ({error}); the last good checkpoint is still there: mend that (free space, "
            "permission) and go on with --resume"
        ) from error


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict]:
    """Read what `save_tensors` wrote: tensors on the CPU, and the facts.

    Raises:
        EmbryofragError: The file is missing or is not such a file.
    """
    facts = read_facts(path)
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118 - not a dict


def read_facts(path: Path) -> dict:
    """Read only the facts of what `save_tensors` wrote; raises as `load_tensors`."""
    try:
        with safe_open(path, framework="pt") as file:
            return json.loads((file.metadata() or {}).get(FACTS_KEY, "{}"))
    except (OSError, SafetensorError, ValueError) as error:
        raise EmbryofragError(f"{path} is not a readable safetensors file ({error}): name another one") from error


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put every name below `prefix`.

    >>> list(with_prefix("ema", {"head.bias": torch.zeros(1)}))
    ['ema/head.bias']
    """
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def below_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what `with_prefix` put there, under its own names."""
    start = f"{prefix}/"
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimiser's state as flat tensors, named "<number of the parameter>/<name of the state>"."""
    state = optimizer.state_dict()["state"]
    return {f"{number}/{name}": value for number, values in state.items() for name, value in values.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give the state of `optimizer_tensors` back to an optimiser over the same parameters."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split("/")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def load_network(network: nn.Module, path: Path) -> None:
    """Load a file of whole-network weights.

    Raises:
        EmbryofragError: The file cannot be read or belongs to another network.
    """
    tensors, _ = load_tensors(path)
    load_state(network, tensors, path)


def load_state(network: nn.Module, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Load a state dict, every name and shape as the network has them.

    Raises:
        EmbryofragError: They differ; `source` is named.
    """
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise EmbryofragError(
            f"{source} does not fit the network of this run ({first}): give the backbone, width and input of the "
            "run that made it, or another file"
        ) from error
