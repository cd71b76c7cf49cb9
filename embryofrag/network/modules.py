"""The deployed sub-graphs of AttnRegDeepLab: uint8 NHWC frames in, probabilities or ratios out."""

import torch
from torch import Tensor, nn

from embryofrag.network.attn_reg_deeplab import AttnRegDeepLab
from embryofrag.network.backbone import Features
from embryofrag.network.head import RegressionHead
from embryofrag.network.normalise import NORMALISERS


class ModuleA(nn.Module):
    """The visual assistant: masks. All of the network but the ratio's last layer."""

    def __init__(self, network: AttnRegDeepLab):
        super().__init__()
        self.normalise = NORMALISERS[network.config.normalise]()
        self.backbone = network.backbone
        self.head = network.head
        self.decoder = network.decoder

    def forward(self, images_NHWC: Tensor) -> Tensor:
        """Map uint8 (N, H, W, 3) to probabilities float32 (N, 2, H, W), fragment and embryo."""
        x_NCHW = self.normalise(images_NHWC)
        return self.decode(self.backbone(x_NCHW), tuple(x_NCHW.shape[2:]))

    def decode(self, features: Features, size: tuple[int, int]) -> Tensor:
        """Map the backbone's features to probabilities float32 (N, 2, H, W) of that size."""
        latent = self.head.latent(features.f3, features.f4)
        return torch.sigmoid(self.decoder(features, latent, size).float())


class ModuleB(nn.Module):
    """The quantifier: the ratio. Backbone and regression head only.

    Its two parts can be compiled apart, so that the head stays in fp32 where the backbone does not.
    """

    def __init__(self, network: AttnRegDeepLab):
        super().__init__()
        self.body = PooledFeatures(network)
        self.head = RatioFromPooled(network)

    def forward(self, images_NHWC: Tensor) -> Tensor:
        """Map uint8 (N, H, W, 3) to ratios float32 (N,), 0..1."""
        return self.head(self.body(images_NHWC))


class ModulePair(nn.Module):
    """Modules A and B over one backbone: the paper's decoupled pair (section III.C) where B's head learnt on A's.

    Its two parts can be compiled apart, as those of module B.
    """

    def __init__(self, network_a: AttnRegDeepLab, network_b: AttnRegDeepLab):
        super().__init__()
        self.body = MasksAndPooledFeatures(network_a)
        self.head = RatioFromPooled(network_b)

    def forward(self, images_NHWC: Tensor) -> tuple[Tensor, Tensor]:
        """Map uint8 (N, H, W, 3) to A's probabilities float32 (N, 2, H, W) and B's ratios float32 (N,), all 0..1."""
        masks, pooled = self.body(images_NHWC)
        return masks, self.head(pooled)


class MasksAndPooledFeatures(ModuleA):
    """First part of the pair."""

    def forward(self, images_NHWC: Tensor) -> tuple[Tensor, Tensor]:
        """Map uint8 (N, H, W, 3) to A's probabilities float32 (N, 2, H, W) and B's pooled features (N, 3072)."""
        x_NCHW = self.normalise(images_NHWC)
        features = self.backbone(x_NCHW)
        return self.decode(features, tuple(x_NCHW.shape[2:])), RegressionHead.pool(features.f3, features.f4)


class PooledFeatures(nn.Module):
    """First part of module B."""

    def __init__(self, network: AttnRegDeepLab):
        super().__init__()
        self.normalise = NORMALISERS[network.config.normalise]()
        self.backbone = network.backbone

    def forward(self, images_NHWC: Tensor) -> Tensor:
        """Map uint8 (N, H, W, 3) to pooled features float32 (N, 3072)."""
        features = self.backbone(self.normalise(images_NHWC))
        return RegressionHead.pool(features.f3, features.f4)


class RatioFromPooled(nn.Module):
    """Second part of module B."""

    def __init__(self, network: AttnRegDeepLab):
        super().__init__()
        self.mlp = network.head

    def forward(self, pooled: Tensor) -> Tensor:
        """Map pooled features float32 (N, 3072) to ratios float32 (N,), 0..1."""
        return torch.sigmoid(self.mlp.ratio_logit(self.mlp.to_latent(pooled)))


DEPLOYED = {"a": ModuleA, "b": ModuleB, "locator": ModuleA, "scope": ModuleB}
"""By the module's name; locator and scope are small networks of the same kind, used for the embryo mask alone and for
the probability of being in scope in place of the ratio."""
