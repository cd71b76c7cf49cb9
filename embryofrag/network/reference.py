"""The network as the paper draws it, with the joined map built: for tests and the benchmark only."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from embryofrag.network.attn_reg_deeplab import AttnRegDeepLab, Logits
from embryofrag.network.config import NetworkConfig
from embryofrag.network.injection import InjectedConv
from embryofrag.network.normalise import NORMALISERS


class ConcatenatedConv(nn.Module):
    """The joined convolution of `InjectedConv`, on the same weights and with nine times the arithmetic."""

    def __init__(self, injected: InjectedConv):
        super().__init__()
        self.conv = injected.conv

    def forward(self, d: Tensor, v: Tensor) -> Tensor:
        """Map d (N, decoder, H, W) and v (N, latent) to (N, out, H, W)."""
        return self.conv(torch.cat([d, v[:, :, None, None].expand(-1, -1, *d.shape[2:])], dim=1))


class FullNetwork(nn.Module):
    """uint8 NHWC frames to the logits of masks and ratio."""

    def __init__(self, network: AttnRegDeepLab):
        super().__init__()
        self.normalise = NORMALISERS[network.config.normalise]()
        self.network = network

    def forward(self, images_NHWC: Tensor) -> Logits:
        """Map uint8 (N, H, W, 3) to logits (N, 2, H, W) and (N,)."""
        return self.network(self.normalise(images_NHWC))


def load_concatenated(model_dir: Path, module: str) -> FullNetwork:
    """Return the whole network of module "a" or "b" of a model folder, its injection concatenated."""
    document = json.loads((Path(model_dir) / "model.json").read_text(encoding="utf-8"))
    network = AttnRegDeepLab(NetworkConfig.from_dict(document["network"]))
    network.load_state_dict(load_file(Path(model_dir) / f"module_{module}.safetensors"))
    network.decoder.injection = ConcatenatedConv(network.decoder.injection)
    return FullNetwork(network).eval()
