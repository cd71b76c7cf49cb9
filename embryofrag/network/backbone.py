"""ResNet trunk with dilated last stages, F1, F3 and F4 out.

State-dict keys are torchvision's without ``fc``, so ImageNet weights load by `load_state_dict`.
"""

from typing import NamedTuple

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from embryofrag.network.config import NetworkConfig

STAGES = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
}


class Features(NamedTuple):
    """What the other parts read. Channels are those of ResNet-50 at width 1."""

    f1: Tensor
    """(N, 256, H/4, W/4), layer 1."""
    f3: Tensor
    """(N, 1024, H/16, W/16), layer 3; 1/8 at output stride 8."""
    f4: Tensor
    """(N, 2048, H/16, W/16), layer 4; 1/8 at output stride 8."""


class Backbone(nn.Module):
    """ResNet-18, -34 or -50 without its classifier."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        block, depths = STAGES[config.backbone]
        planes = [config.channels(count) for count in (64, 128, 256, 512)]
        stem = planes[0]
        self.conv1 = nn.Conv2d(3, stem, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        outs = [count * block.expansion for count in planes]
        self.layer1 = _stage(block, depths[0], stem, planes[0], stride=1)
        self.layer2 = _stage(block, depths[1], outs[0], planes[1], stride=2)
        self.layer3 = _stage(block, depths[2], outs[1], planes[2], stride=2)
        self.layer4 = _stage(block, depths[3], outs[2], planes[3], stride=2)
        if config.output_stride == 8:
            _dilate(self.layer3, before=1, after=2)
            _dilate(self.layer4, before=2, after=4)
        else:
            _dilate(self.layer4, before=1, after=2)
        self.f1_channels, self.f3_channels, self.f4_channels = outs[0], outs[2], outs[3]

    def forward(self, x_NCHW: Tensor) -> Features:
        """Map float (N, 3, H, W) to its features."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x_NCHW))))
        f1 = self.layer1(x)
        f3 = self.layer3(self.layer2(f1))
        return Features(f1, f3, self.layer4(f3))


def _stage(block: type, depth: int, channels_in: int, planes: int, *, stride: int) -> nn.Sequential:
    channels_out = planes * block.expansion
    downsample = None
    if stride != 1 or channels_in != channels_out:
        downsample = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False), nn.BatchNorm2d(channels_out)
        )
    first = block(channels_in, planes, stride, downsample)
    return nn.Sequential(first, *(block(channels_out, planes) for _ in range(depth - 1)))


def _dilate(stage: nn.Sequential, *, before: int, after: int):
    """Replace a stage's stride by dilation, so that its outputs at every second pixel stay what they were.

    The convolution that held the stride still sees pixels spaced `before` apart; all later ones see `after`.
    torchvision's BasicBlock refuses a dilation in its constructor, so it is set on the built convolutions.
    """
    for module in stage.modules():
        if not isinstance(module, nn.Conv2d):
            continue
        rate = after
        if module.stride == (2, 2):
            module.stride = (1, 1)
            rate = before
        if module.kernel_size == (3, 3):
            module.dilation = module.padding = (rate, rate)
