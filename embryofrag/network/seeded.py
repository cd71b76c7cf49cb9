"""A network with weights drawn from a seed, calibrated so that its outputs are neither constant nor absurd.

Such a network knows nothing about embryos. It stands in for a trained one wherever only shapes, speed and
reproducibility count: tests, benchmarks, demonstrations.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from embryofrag.network.attn_reg_deeplab import AttnRegDeepLab
from embryofrag.network.config import NetworkConfig
from embryofrag.network.normalise import NORMALISERS

MASK_SHARES = (0.004, 0.996)
"""Shares of the calibration frames' pixels in the fragment and the embryo mask. Far out in the tails few logits lie
near the threshold, so rounding in a compiled engine moves few pixels across."""
MASK_LOGIT_STD = 2.0
RATIO_LOGIT_MEAN = -2.0
RATIO_LOGIT_STD = 0.05
DAMPING = 0.2
"""BatchNorm weight that ends each residual branch. At 1 a random ResNet amplifies rounding from block to block."""


@torch.no_grad()
def seeded_network(
    config: NetworkConfig, seed: int, frames_NHWC: np.ndarray, mask_shares: tuple[float, float] = MASK_SHARES
) -> AttnRegDeepLab:
    """Return an UNTRAINED network in evaluation mode, the same for the same arguments.

    Args:
        config: Shape of the network.
        seed: Seed of all weights.
        frames_NHWC: uint8 (N, H, W, 3), at least 2 different frames: BatchNorm takes its statistics from them, and
            the output layers are scaled and shifted by them.
        mask_shares: Shares of the frames' pixels that the fragment and the embryo mask get, 0..1.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = AttnRegDeepLab(config)
        _draw_weights(network)
    x_NCHW = NORMALISERS[config.normalise]()(torch.from_numpy(frames_NHWC))
    _calibrate_batchnorm(network, x_NCHW)
    network.eval()
    _calibrate_outputs(network, x_NCHW, mask_shares)
    return network


def module_weights(network: AttnRegDeepLab) -> dict[str, np.ndarray]:
    """Return the state dict as numpy arrays, as ``write_model`` takes it."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in network.state_dict().items()}


def _draw_weights(network: AttnRegDeepLab) -> None:
    """Draw weights under which rounding stays small, as it does in trained networks, so that engines can match."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        if isinstance(layer, nn.Conv2d) and layer.groups > 1:
            layer.weight.abs_()  # blurs; a random difference kernel over smooth maps leaves mostly rounding
        if isinstance(layer, BasicBlock | Bottleneck):
            last = layer.bn3 if isinstance(layer, Bottleneck) else layer.bn2
            nn.init.constant_(last.weight, DAMPING)
    # few frames that look alike: BatchNorm would blow their tiny differences up to variance 1
    nn.init.constant_(network.decoder.aspp.image_pool[1].weight, DAMPING**2)


def _calibrate_batchnorm(network: nn.Module, x_NCHW: Tensor) -> None:
    """Take the running statistics from one pass, in which every layer already sees normalised inputs."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 1.0
    network.train()
    network(x_NCHW)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


def _calibrate_outputs(network: AttnRegDeepLab, x_NCHW: Tensor, mask_shares: tuple[float, float]) -> None:
    logits = [network(frame) for frame in x_NCHW.split(1)]
    for index, share in enumerate(mask_shares):
        values = torch.cat([one.masks_NKHW[:, index].flatten() for one in logits])
        cut = float(np.quantile(values.numpy(), 1 - share))
        _rescale_output(network.decoder.classify, index, scale=MASK_LOGIT_STD / float(values.std()), zero_at=cut)
    ratios = torch.cat([one.ratio_N for one in logits])
    scale = RATIO_LOGIT_STD / float(ratios.std())
    _rescale_output(network.head.to_logit, 0, scale=scale, zero_at=float(ratios.mean()) - RATIO_LOGIT_MEAN / scale)


def _rescale_output(layer: nn.Conv2d | nn.Linear, index: int, *, scale: float, zero_at: float) -> None:
    """Make an output of a layer whose bias is still 0 into scale * (output - zero_at)."""
    layer.weight[index] *= scale
    layer.bias[index] = -scale * zero_at
