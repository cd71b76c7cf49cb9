"""Which parameters learn in a phase; everything else is frozen, its BatchNorm in evaluation mode."""

from collections.abc import Sequence

from torch import Tensor, nn


def freeze_but(network: nn.Module, parts: Sequence[str]) -> None:
    """Let exactly the parameters below `parts` learn.

    Args:
        network: Any module.
        parts: Prefixes of parameter names, such as "head" or "decoder.classify".

    Raises:
        ValueError: A part holds no parameter.
    """
    for part in parts:
        if not any(_is_below(name, part) for name, _ in network.named_parameters()):
            raise ValueError(f"the network has no parameters in {part}")
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(any(_is_below(name, part) for part in parts))


def set_modes(network: nn.Module) -> None:
    """Put every layer that learns into training mode and every frozen one into evaluation mode.

    A frozen BatchNorm in training mode would go on moving its running statistics, and with them the features.
    """
    network.train()
    for module in network.modules():
        if list(module.parameters(recurse=False)) and not _learns(module):
            module.eval()


def learning_state(network: nn.Module) -> dict[str, Tensor]:
    """Return the part of the state dict that a phase changes: parameters that learn and their BatchNorm statistics."""
    learning = {name for name, module in network.named_modules() if _learns(module)}
    return {name: tensor for name, tensor in network.state_dict().items() if name.rpartition(".")[0] in learning}


def _learns(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters(recurse=False))


def _is_below(name: str, part: str) -> bool:
    return name == part or name.startswith(f"{part}.")
