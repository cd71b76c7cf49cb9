"""The trunk is torchvision's ResNet, its last strides exchanged for dilation."""

import pytest
import torch
from torchvision.models import resnet18, resnet34, resnet50

from embryofrag.network.backbone import Backbone
from embryofrag.network.config import NetworkConfig

TORCHVISION = {"resnet18": resnet18, "resnet34": resnet34, "resnet50": resnet50}


def layers_of(resnet, x):
    """F1, F3, F4 of a torchvision ResNet."""
    x = resnet.maxpool(resnet.relu(resnet.bn1(resnet.conv1(x))))
    f1 = resnet.layer1(x)
    f3 = resnet.layer3(resnet.layer2(f1))
    return f1, f3, resnet.layer4(f3)


def paired(name: str, output_stride: int, **options):
    """A seeded torchvision ResNet and the backbone with its weights."""
    torch.manual_seed(0)
    resnet = TORCHVISION[name](weights=None, **options).eval()
    backbone = Backbone(NetworkConfig(backbone=name, output_stride=output_stride)).eval()
    weights = {key: value for key, value in resnet.state_dict().items() if not key.startswith("fc.")}
    backbone.load_state_dict(weights)
    return resnet, backbone


@pytest.mark.parametrize("name", TORCHVISION)
@pytest.mark.parametrize("output_stride", [16, 8])
@torch.no_grad()
def test_every_second_pixel_is_that_of_the_strided_network(name, output_stride):
    resnet, backbone = paired(name, output_stride)
    x = torch.randn(1, 3, 96, 64)
    f1, f3, f4 = layers_of(resnet, x)
    features = backbone(x)
    step = 32 // output_stride
    f3_step = 16 // output_stride
    torch.testing.assert_close(features.f1, f1)
    torch.testing.assert_close(features.f3[..., ::f3_step, ::f3_step], f3, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(features.f4[..., ::step, ::step], f4, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("output_stride", "replace"), [(16, [False, False, True]), (8, [False, True, True])])
@torch.no_grad()
def test_equals_torchvisions_dilated_resnet50(output_stride, replace):
    resnet, backbone = paired("resnet50", output_stride, replace_stride_with_dilation=replace)
    x = torch.randn(1, 3, 65, 97)
    for ours, theirs in zip(backbone(x), layers_of(resnet, x), strict=True):
        torch.testing.assert_close(ours, theirs)


@torch.no_grad()
def test_channels_and_strides_of_resnet50():
    features = Backbone(NetworkConfig()).eval()(torch.zeros(1, 3, 64, 64))
    assert [tuple(feature.shape[1:]) for feature in features] == [(256, 16, 16), (1024, 4, 4), (2048, 4, 4)]
