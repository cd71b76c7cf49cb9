"""What TensorRT is given is the network: folded, halved where it may be, with a free batch."""

import numpy as np
import pytest
import torch
from tiny_model import TINY, draw_discs
from torch import nn

from embryofrag.engine.parity import MASK_DIFFER_LIMIT_FRAC, RATIO_DIFFERENCE_LIMIT
from embryofrag.engine.tensorrt import graph
from embryofrag.engine.tensorrt.graph import HalfInjectedConv, export_module, fold_batchnorm, normalisation
from embryofrag.network.config import NetworkConfig
from embryofrag.network.injection import InjectedConv
from embryofrag.network.modules import DEPLOYED, ModuleA, ModulePair
from embryofrag.network.seeded import seeded_network

MAX_BATCH = 3
FRAMES = draw_discs(TINY.input_px, 4)
OTHER = NetworkConfig(
    backbone="resnet50", width=0.125, input_px=64, separable=False, gate=False, injection=False, normalise="imagenet"
)


def deployed(module: str, config: NetworkConfig = TINY) -> nn.Module:
    return DEPLOYED[module](seeded_network(config, 0, FRAMES)).eval()


@torch.inference_mode()
def answers(network, num_images: int) -> np.ndarray:
    return network(torch.tensor(FRAMES[:num_images])).numpy()


@pytest.mark.parametrize("config", [TINY, OTHER], ids=["gated", "plain"])
@pytest.mark.parametrize("module", ["a", "b"])
def test_folded_network_gives_the_same_answers(module, config):
    network = deployed(module, config)
    expected = answers(network, 2)
    exported = export_module(network, precision="fp32", input_px=64, max_batch=MAX_BATCH)
    np.testing.assert_allclose(answers(exported.module(), 2), expected, atol=1e-4)
    assert "batch_norm" not in str(exported.graph)
    assert np.array_equal(answers(network, 2), expected)  # the network given stays as it was


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_pair_is_one_graph_with_both_answers(precision):
    networks = [seeded_network(TINY, seed, FRAMES) for seed in (0, 1)]
    networks[1].backbone.load_state_dict(networks[0].backbone.state_dict())
    exported = export_module(ModulePair(*networks).eval(), precision=precision, input_px=64, max_batch=MAX_BATCH)
    convolutions = [node for node in exported.graph.nodes if str(node.target).startswith("aten.conv")]
    assert len(convolutions) == sum(isinstance(layer, nn.Conv2d) for layer in ModuleA(networks[0]).modules())
    for module, network, result in zip(("a", "b"), networks, exported.module()(torch.tensor(FRAMES[:2])), strict=True):
        expected = answers(DEPLOYED[module](network).eval(), 2)
        if precision == "fp32":
            np.testing.assert_allclose(result.detach().numpy(), expected, atol=1e-4)
        else:
            _assert_within_parity(result.detach().numpy(), expected)


@pytest.mark.parametrize("module", ["a", "b"])
def test_half_network_takes_any_batch_and_stays_close(module):
    network = deployed(module)
    exported = export_module(network, precision="fp16", input_px=64, max_batch=MAX_BATCH).module()
    for num_images in (1, 2, MAX_BATCH):
        result = answers(exported, num_images)
        assert result.dtype == np.float32
        _assert_within_parity(result, answers(network, num_images))
    dtypes = {name: parameter.dtype for name, parameter in exported.named_parameters()}
    assert {dtype for name, dtype in dtypes.items() if "backbone" in name} == {torch.float16}
    assert {dtype for name, dtype in dtypes.items() if "to_latent" in name} == {torch.float32}


def _assert_within_parity(result: np.ndarray, expected: np.ndarray) -> None:
    """Probabilities of a drawn network may differ more than a trained one's; what a build asks of it must hold."""
    if result.ndim == 1:
        np.testing.assert_allclose(result, expected, atol=RATIO_DIFFERENCE_LIMIT)
    else:
        assert np.mean((result > 0.5) != (expected > 0.5)) <= MASK_DIFFER_LIMIT_FRAC


def test_normalisation_is_named():
    assert [normalisation(deployed("b", config)) for config in (TINY, OTHER)] == ["frame", "imagenet"]


def test_convolution_that_kept_its_precision_is_found(monkeypatch):
    monkeypatch.setattr(graph, "halve_convolutions", lambda network: None)
    with pytest.raises(ValueError, match="convolutions these are not torch"):
        export_module(deployed("b"), precision="fp16", input_px=64, max_batch=MAX_BATCH)


def test_batchnorm_without_convolution_is_found():
    network = nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3)).eval()
    with pytest.raises(ValueError, match="no convolution to fold 1 into"):
        fold_batchnorm(network)


@pytest.mark.parametrize("bias", [False, True])
def test_half_injection_keeps_the_latent_exact(bias):
    torch.manual_seed(0)
    injected = InjectedConv(8, 64, 16, bias=bias).eval()
    d, v = torch.randn(2, 8, 5, 7), 100 * torch.randn(2, 64)
    with torch.inference_mode():
        expected = injected(d, v)
        result = HalfInjectedConv(injected)(d.half(), v)
    assert result.dtype == torch.float16
    torch.testing.assert_close(result.float(), expected, rtol=2e-3, atol=2e-2)
