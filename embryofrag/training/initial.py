"""The weights a run starts from: random, ImageNet, or a safetensors file."""

from http.client import HTTPException
from pathlib import Path

import torch
from torch import Tensor, nn

from embryofrag.errors import EmbryofragError, UsageError
from embryofrag.network.attn_reg_deeplab import AttnRegDeepLab
from embryofrag.network.config import NetworkConfig
from embryofrag.training.checkpoint import load_state, load_tensors

PICKLES = (".pt", ".pth", ".ckpt", ".bin", ".pkl")
BACKBONE_KEY = "conv1.weight"
"""In files of a backbone alone, as torchvision names it."""
RATIO_LIMITS = (0.01, 0.99)
"""The head starts inside these, where its sigmoid still has a slope."""


def load_initial(network: AttnRegDeepLab, init: str) -> None:
    """Load start weights in place.

    Args:
        network: Fresh from its constructor.
        init: "random" (what the constructor drew), "imagenet" (torchvision's backbone), or the path of a
            ``.safetensors`` file: a whole network, or a backbone under torchvision's names.

    Raises:
        UsageError: `init` is none of these.
        EmbryofragError: The weights cannot be had or do not fit.
    """
    if init == "random":
        return
    if init == "imagenet":
        load_state(network.backbone, imagenet_weights(network.config), Path("the file of ImageNet weights"))
        return
    tensors = read_weights(init)
    if BACKBONE_KEY in tensors:
        load_state(network.backbone, without_classifier(tensors), Path(init))
    else:
        load_state(network, tensors, Path(init))


def initial_parts(init: str) -> tuple[str, ...]:
    """Return the parts of the network that `load_initial` gives weights to; raises as it does."""
    if init == "random":
        return ()
    if init == "imagenet" or BACKBONE_KEY in read_weights(init):
        return ("backbone",)
    return ("backbone", "head", "decoder")


def read_weights(init: str) -> dict[str, Tensor]:
    """Read a safetensors file; raises as `load_initial`."""
    path = Path(init)
    if path.suffix in PICKLES:
        raise UsageError(
            f"{path} is a pickle, which can run code when it is read: convert it to safetensors where it was made "
            "(safetensors.torch.save_file(state_dict, ...))"
        )
    if path.suffix != ".safetensors":
        raise UsageError(f"--init is random, imagenet or a .safetensors file, not {init}")
    return load_tensors(path)[0]


def imagenet_weights(config: NetworkConfig) -> dict[str, Tensor]:
    """Return torchvision's IMAGENET1K_V1 weights of the backbone, from its cache or its server.

    Raises:
        EmbryofragError: The server cannot be reached, or the network is no ResNet of full width.
    """
    from torchvision.models import get_model_weights

    if config.width != 1:
        raise EmbryofragError(f"ImageNet weights fit a network of width 1, not {config.width:g}: use --init random")
    weights = get_model_weights(config.backbone)["IMAGENET1K_V1"]
    try:
        state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, HTTPException, RuntimeError) as error:
        raise EmbryofragError(
            f"the ImageNet weights could not be had from {weights.url} ({error}): on a machine that reaches it, save "
            "torchvision's state dict with safetensors and give that file by --init, or use --init random"
        ) from error
    return without_classifier(state)


def without_classifier(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Drop ImageNet's last layer."""
    return {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}


@torch.no_grad()
def start_head(network: AttnRegDeepLab, mean_ratio: float) -> None:
    """Let the head begin at the mean of the data.

    From a bias of 0 (ratio 0.5) an L1 loss drives the sigmoid fast to where it is flat, and there it stays.

    Args:
        network: Its head has not been trained.
        mean_ratio: Mean ratio of the training rows, 0..1.
    """
    low, high = RATIO_LIMITS
    nn.init.constant_(network.head.to_logit.bias, float(torch.logit(torch.tensor(mean_ratio).clamp(low, high))))
