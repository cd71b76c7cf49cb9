"""Regression head: pooled F3 and F4 to the latent V_reg and the ratio's logit."""

import torch
from torch import Tensor, nn


class RegressionHead(nn.Module):
    """concat(GAP(F3), GAP(F4)) -> MLP with latent V_reg -> one logit (arXiv 2511.18454, section III).

    F3 and F4 are pooled before they are joined, so they may differ in size; the pools and the MLP run in fp32.
    """

    def __init__(self, f3_channels: int, f4_channels: int, latent_channels: int):
        super().__init__()
        self.pooled_channels = f3_channels + f4_channels
        self.latent_channels = latent_channels
        self.to_latent = nn.Sequential(nn.Linear(self.pooled_channels, latent_channels), nn.ReLU())
        self.to_logit = nn.Linear(latent_channels, 1)

    @staticmethod
    def pool(f3: Tensor, f4: Tensor) -> Tensor:
        """Return the pooled features, float32 (N, C3 + C4), from F3 (N, C3, h, w) and F4 (N, C4, h, w)."""
        return torch.cat([f3.float().mean(dim=(2, 3)), f4.float().mean(dim=(2, 3))], dim=1)  # (N, 3072)

    def latent(self, f3: Tensor, f4: Tensor) -> Tensor:
        """Return V_reg, (N, latent), from F3 (N, C3, h, w) and F4 (N, C4, h, w)."""
        return self.to_latent(self.pool(f3, f4))

    def ratio_logit(self, latent: Tensor) -> Tensor:
        """Return the logit of the fragmentation ratio, (N,), from V_reg (N, latent)."""
        return self.to_logit(latent).squeeze(1)
