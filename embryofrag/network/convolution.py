"""The 3x3 and 1x1 convolution blocks that ASPP and decoder are made of."""

from torch import nn


def conv_block(channels_in: int, channels_out: int, *, kernel: int = 1, rate: int = 1) -> nn.Sequential:
    """Convolution, BatchNorm, ReLU; the size stays."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, padding=rate * (kernel // 2), dilation=rate, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


def conv3x3_block(channels_in: int, channels_out: int, *, rate: int = 1, separable: bool) -> nn.Sequential:
    """3x3 convolution block; `separable` splits it into depthwise 3x3 and pointwise 1x1 (DeepLabV3+, eq. 2)."""
    if not separable:
        return conv_block(channels_in, channels_out, kernel=3, rate=rate)
    depthwise = nn.Conv2d(channels_in, channels_in, 3, padding=rate, dilation=rate, groups=channels_in, bias=False)
    return nn.Sequential(
        depthwise, nn.BatchNorm2d(channels_in), nn.ReLU(inplace=True), *conv_block(channels_in, channels_out)
    )
