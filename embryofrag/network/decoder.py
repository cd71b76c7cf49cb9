"""Decoder: ASPP features and the gated skip to the logits of fragment and embryo."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from embryofrag.network.aspp import ASPP
from embryofrag.network.backbone import Features
from embryofrag.network.config import NetworkConfig
from embryofrag.network.convolution import conv3x3_block, conv_block
from embryofrag.network.gate import AttentionGate
from embryofrag.network.injection import InjectedConv

CLASSES = ("fragment", "embryo")
"""Order of the logits. Fragments overlap cells in projection, so the two are independent sigmoids."""


class Decoder(nn.Module):
    """ASPP, attention gate, 3x3 convolutions, feature injection, classifier."""

    def __init__(self, config: NetworkConfig, *, f1_channels: int, f4_channels: int, latent_channels: int):
        super().__init__()
        inner = config.channels(256)
        reduced = config.channels(48)
        self.aspp = ASPP(f4_channels, inner, config.aspp_rates, separable=config.separable)
        self.gate = AttentionGate(f1_channels, inner) if config.gate else None
        self.reduce = conv_block(f1_channels, reduced)
        self.refine = nn.Sequential(
            conv3x3_block(inner + reduced, inner, separable=config.separable),
            conv3x3_block(inner, inner, separable=config.separable),
        )
        if config.injection:
            self.injection = InjectedConv(inner, latent_channels, inner)
            self.after_injection = nn.Sequential(nn.BatchNorm2d(inner), nn.ReLU(inplace=True))
        else:
            self.injection = None
            self.after_injection = conv_block(inner, inner, kernel=3)
        self.classify = nn.Conv2d(inner, len(CLASSES), 1)

    def forward(self, features: Features, latent: Tensor, size_px: tuple[int, int]) -> Tensor:
        """Return logits (N, 2, H, W) in the order of `CLASSES`, at `size_px` = (H, W) of the input."""
        return self.classify_map(self.inject(self.refine_map(features), latent), size_px)

    def refine_map(self, features: Features) -> Tensor:
        """Join ASPP and gated skip: (N, 256, H/4, W/4), which the latent has no part in yet."""
        skip = features.f1
        context = functional.interpolate(
            self.aspp(features.f4), size=skip.shape[2:], mode="bilinear", align_corners=False
        )  # (N, 256, H/4, W/4)
        if self.gate is not None:
            skip = self.gate(skip, context)
        return self.refine(torch.cat([context, self.reduce(skip)], dim=1))

    def inject(self, d: Tensor, latent: Tensor) -> Tensor:
        """Inject the latent (N, 2048) into the refined map, where the network has injection."""
        return d if self.injection is None else self.injection(d, latent)

    def classify_map(self, d: Tensor, size_px: tuple[int, int]) -> Tensor:
        """Return the logits (N, 2, H, W) of an injected map, at `size_px`."""
        logits = self.classify(self.after_injection(d))
        return functional.interpolate(logits, size=size_px, mode="bilinear", align_corners=False)
