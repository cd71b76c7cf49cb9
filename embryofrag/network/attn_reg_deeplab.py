"""AttnRegDeepLab: one network, a mask and a ratio (arXiv 2511.18454, section III)."""

from typing import NamedTuple

from torch import Tensor, nn

from embryofrag.network.backbone import Backbone
from embryofrag.network.config import NetworkConfig
from embryofrag.network.decoder import Decoder
from embryofrag.network.head import RegressionHead


class Logits(NamedTuple):
    """Both answers, before their sigmoids."""

    masks_NKHW: Tensor
    """(N, 2, H, W): fragment, embryo."""
    ratio_N: Tensor
    """(N,): fragmentation ratio."""


class AttnRegDeepLab(nn.Module):
    """Backbone, regression head and decoder. Takes normalised float frames of any size."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.config = config
        self.backbone = Backbone(config)
        latent_channels = self.backbone.f4_channels  # 2048 for ResNet-50
        self.head = RegressionHead(self.backbone.f3_channels, self.backbone.f4_channels, latent_channels)
        self.decoder = Decoder(
            config,
            f1_channels=self.backbone.f1_channels,
            f4_channels=self.backbone.f4_channels,
            latent_channels=latent_channels,
        )

    def forward(self, x_NCHW: Tensor) -> Logits:
        """Map normalised float (N, 3, H, W) to the logits of masks and ratio."""
        features = self.backbone(x_NCHW)
        latent = self.head.latent(features.f3, features.f4)
        masks = self.decoder(features, latent, tuple(x_NCHW.shape[2:]))
        return Logits(masks, self.head.ratio_logit(latent))
