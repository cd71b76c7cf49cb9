"""uint8 NHWC frames to the float NCHW input of the network.

The cast comes before the permute: TensorRT refuses to permute uint8.
"""

import torch
from torch import Tensor, nn

MIN_STD = 1.0
"""Grey levels. A frame flatter than this (blank, lamp off) is not stretched into noise."""
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class FrameNormalise(nn.Module):
    """Each frame to mean 0 and standard deviation 1 over all its pixels, in fp32: lamp and camera gain cancel."""

    def forward(self, images_NHWC: Tensor) -> Tensor:
        """Map uint8 (N, H, W, 3) to float32 (N, 3, H, W)."""
        x_NCHW = images_NHWC.float().permute(0, 3, 1, 2)
        centred = x_NCHW - x_NCHW.mean(dim=(1, 2, 3), keepdim=True)
        std = centred.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        return centred / std.clamp(min=MIN_STD)


class ImagenetNormalise(nn.Module):
    """ImageNet's channel means and standard deviations, in fp32."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1) * 255, persistent=False)

    def forward(self, images_NHWC: Tensor) -> Tensor:
        """Map uint8 (N, H, W, 3) RGB to float32 (N, 3, H, W)."""
        return (images_NHWC.float().permute(0, 3, 1, 2) - self.mean) / self.std


NORMALISERS = {"frame": FrameNormalise, "imagenet": ImagenetNormalise}
