"""The exact injection is the convolution over the concatenated map, to rounding, at every size and in gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from embryofrag.network.injection import InjectedConv, constant_map_response
from embryofrag.network.reference import ConcatenatedConv

DECODER, LATENT, OUT = 3, 5, 4
TOLERANCE = 1e-10


def draw_case(height: int, width: int, seed: int = 0) -> tuple[InjectedConv, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    injected = InjectedConv(DECODER, LATENT, OUT, bias=True).double()
    for parameter in injected.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    d = torch.randn(2, DECODER, height, width, generator=generator, dtype=torch.float64, requires_grad=True)
    v = torch.randn(2, LATENT, generator=generator, dtype=torch.float64, requires_grad=True)
    return injected, d, v


def value_and_gradients(module, injected, d, v) -> list[torch.Tensor]:
    """Output, then its gradients by d, v, weight and bias under a weighting that differs at every pixel."""
    value = module(d, v)
    weighting = torch.linspace(-1, 1, value.numel(), dtype=torch.float64).view_as(value)
    inputs = (d, v, injected.conv.weight, injected.conv.bias)
    return [value, *torch.autograd.grad((value * weighting).sum(), inputs)]


@settings(max_examples=40)
@given(height=st.integers(1, 7), width=st.integers(1, 7), seed=st.integers(0, 1000))
def test_equals_the_concatenated_convolution(height, width, seed):
    injected, d, v = draw_case(height, width, seed)
    exact = value_and_gradients(injected, injected, d, v)
    joined = value_and_gradients(ConcatenatedConv(injected), injected, d, v)
    for one, other in zip(exact, joined, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (6, 1), (2, 5), (3, 3), (9, 13)])
def test_border_and_inside_take_at_most_nine_values(size):
    weight = torch.randn(1, LATENT, 3, 3, dtype=torch.float64)
    response = constant_map_response(weight, torch.randn(1, LATENT, dtype=torch.float64), *size)
    assert response.shape == (1, 1, *size)
    assert len(torch.unique(response.round(decimals=9))) == min(size[0], 3) * min(size[1], 3)


def test_weight_is_that_of_one_joined_convolution():
    injected, _, _ = draw_case(4, 4)
    assert injected.conv.weight.shape == (OUT, DECODER + LATENT, 3, 3)
    joined = ConcatenatedConv(injected)
    assert list(joined.state_dict()) == list(injected.state_dict())
