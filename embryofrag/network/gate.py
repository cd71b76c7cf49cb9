"""Additive attention gate (Attention U-Net, arXiv 1804.03999, eq. 1-3)."""

import torch
from torch import Tensor, nn


class AttentionGate(nn.Module):
    """alpha = sigmoid(psi(relu(W_x x + W_g g))); the gated skip is alpha x."""

    def __init__(self, skip_channels: int, gating_channels: int):
        super().__init__()
        inner = max(1, skip_channels // 2)
        self.from_skip = nn.Conv2d(skip_channels, inner, 1, bias=False)
        self.from_gating = nn.Conv2d(gating_channels, inner, 1)
        self.psi = nn.Conv2d(inner, 1, 1)

    def forward(self, skip: Tensor, gating: Tensor) -> Tensor:
        """Weigh `skip` (N, Cx, h, w) by `gating` (N, Cg, h, w), brought to the same size before."""
        alpha = torch.sigmoid(self.psi(torch.relu(self.from_skip(skip) + self.from_gating(gating))))  # (N, 1, h, w)
        return skip * alpha
