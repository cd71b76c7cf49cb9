"""The whole network and the two modules cut from it."""

import numpy as np
import pytest
import torch
from tiny_model import TINY, draw_discs

from embryofrag.network.attn_reg_deeplab import AttnRegDeepLab
from embryofrag.network.config import NetworkConfig
from embryofrag.network.gate import AttentionGate
from embryofrag.network.modules import ModuleA, ModuleB
from embryofrag.network.normalise import FrameNormalise, ImagenetNormalise
from embryofrag.network.reference import FullNetwork
from embryofrag.network.seeded import MASK_SHARES, module_weights, seeded_network


@pytest.fixture(scope="module")
def frames():
    return draw_discs(TINY.input_px, 4)


@pytest.fixture(scope="module")
def network(frames):
    return seeded_network(TINY, 0, frames)


def test_channels_of_the_papers_network():
    with torch.device("meta"):
        network = AttnRegDeepLab(NetworkConfig())
    assert network.head.pooled_channels == 3072
    assert network.head.latent_channels == 2048
    assert network.decoder.injection.conv.weight.shape == (256, 2304, 3, 3)


@pytest.mark.parametrize("change", [{"separable": False}, {"gate": False}, {"injection": False}, {"output_stride": 8}])
@torch.no_grad()
def test_variants_answer_at_any_size(change):
    config = NetworkConfig(**{"backbone": "resnet18", "width": 0.125} | change)
    network = AttnRegDeepLab(config).eval()
    masks, ratio = network(torch.randn(2, 3, 45, 70))
    assert masks.shape == (2, 2, 45, 70)
    assert ratio.shape == (2,)


def test_every_parameter_is_trained():
    network = AttnRegDeepLab(TINY)
    masks, ratio = network(torch.randn(2, 3, 64, 64))
    (masks.square().mean() + ratio.square().mean()).backward()
    idle = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert idle == []


@torch.no_grad()
def test_modules_answer_as_the_whole_network(network, frames):
    images = torch.from_numpy(frames)
    logits = FullNetwork(network)(images)
    torch.testing.assert_close(ModuleA(network)(images), torch.sigmoid(logits.masks_NKHW))
    torch.testing.assert_close(ModuleB(network)(images), torch.sigmoid(logits.ratio_N))


def test_module_b_has_no_decoder(network, frames):
    decoder = {id(parameter) for parameter in network.decoder.parameters()}
    module = ModuleB(network)
    assert not decoder & {id(parameter) for parameter in module.parameters()}
    exported = torch.export.export(module, (torch.from_numpy(frames),))
    assert not any("decoder" in name for name in exported.state_dict)


def test_module_a_injects_the_latent(network, frames):
    """Without V_reg the masks change: the injection is alive in the deployed graph."""
    images = torch.from_numpy(frames)
    module = ModuleA(network)
    with torch.no_grad():
        masks = module(images)
        features = network.backbone(module.normalise(images))
        without = network.decoder(features, torch.zeros(len(frames), network.head.latent_channels), (64, 64))
    assert (masks - torch.sigmoid(without)).abs().max() > 0.01


def test_frame_normalisation_cancels_gain_and_offset(frames):
    half = torch.from_numpy(frames // 2 * 2)
    normalise = FrameNormalise()
    torch.testing.assert_close(normalise(half // 2 + 60), normalise(half), rtol=1e-4, atol=1e-4)
    one = normalise(half)
    assert one.shape == (4, 3, 64, 64)
    assert abs(float(one[0].mean())) < 1e-4
    assert float(one[0].std(correction=0)) == pytest.approx(1, abs=1e-4)


def test_blank_frame_stays_zero():
    assert FrameNormalise()(torch.full((1, 8, 8, 3), 200, dtype=torch.uint8)).abs().max() == 0


def test_imagenet_normalisation():
    grey = ImagenetNormalise()(torch.full((1, 2, 2, 3), 255, dtype=torch.uint8))
    expected = torch.tensor([(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225])
    torch.testing.assert_close(grey[0, :, 0, 0], expected)


@torch.no_grad()
def test_gate_weighs_the_skip_between_none_and_all():
    gate = AttentionGate(4, 6)
    skip, gating = torch.rand(2, 4, 5, 7), torch.randn(2, 6, 5, 7)
    alpha = gate(skip, gating) / skip
    assert alpha.min() > 0
    assert alpha.max() < 1
    torch.testing.assert_close(alpha, alpha[:, :1].expand_as(alpha))  # one weight a pixel, for all channels


def test_seeded_network_repeats_and_is_calibrated(network, frames):
    again = module_weights(seeded_network(TINY, 0, frames))
    other = module_weights(seeded_network(TINY, 1, frames))
    weights = module_weights(network)
    assert all(np.array_equal(weights[name], again[name]) for name in weights)
    assert not np.array_equal(weights["backbone.conv1.weight"], other["backbone.conv1.weight"])
    with torch.no_grad():
        images = torch.from_numpy(frames)
        shares = (ModuleA(network)(images) > 0.5).double().mean(dim=(0, 2, 3))
        ratios = ModuleB(network)(images)
    assert shares.tolist() == pytest.approx(MASK_SHARES, abs=0.001)
    assert 0.05 < float(ratios.min()) < float(ratios.max()) < 0.3
