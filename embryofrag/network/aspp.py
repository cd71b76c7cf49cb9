"""Atrous spatial pyramid pooling on F4 (DeepLabV3+, arXiv 1802.02611)."""

import torch
from torch import Tensor, nn

from embryofrag.network.convolution import conv3x3_block, conv_block


class ASPP(nn.Module):
    """1x1, one 3x3 per rate and the image pool, joined and projected."""

    def __init__(self, channels_in: int, channels_out: int, rates: tuple[int, ...], *, separable: bool):
        super().__init__()
        self.branches = nn.ModuleList([conv_block(channels_in, channels_out)])
        self.branches.extend(conv3x3_block(channels_in, channels_out, rate=rate, separable=separable) for rate in rates)
        self.image_pool = conv_block(channels_in, channels_out)
        self.project = conv_block(channels_out * (len(rates) + 2), channels_out)

    def forward(self, f4: Tensor) -> Tensor:
        """Map (N, 2048, h, w) to (N, 256, h, w)."""
        pooled = f4.float().mean(dim=(2, 3), keepdim=True).to(f4.dtype)  # fp32: a long sum
        image = self.image_pool(pooled).expand(-1, -1, *f4.shape[2:])
        return self.project(torch.cat([*(branch(f4) for branch in self.branches), image], dim=1))
