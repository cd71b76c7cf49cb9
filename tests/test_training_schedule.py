import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from embryofrag.training.schedule import cosine_lr, make_optimizer, set_lr


@given(num_steps=st.integers(1, 500), warmup_frac=st.floats(0, 0.9))
def test_the_rate_rises_to_the_peak_and_then_falls_towards_zero(num_steps, warmup_frac):
    rates = [cosine_lr(s, num_steps=num_steps, peak_lr=0.1, warmup_frac=warmup_frac) for s in range(num_steps)]
    top = rates.index(max(rates))
    assert all(0 < rate <= 0.1 for rate in rates)
    assert rates[: top + 1] == sorted(rates[: top + 1]) and rates[top:] == sorted(rates[top:], reverse=True)


def test_only_weights_that_learn_decay():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))
    network[2].requires_grad_(False)
    optimizer = make_optimizer(network, lr=0.1, weight_decay=0.5)
    decaying, others = optimizer.param_groups
    assert [p.ndim for p in decaying["params"]] == [4] and decaying["weight_decay"] == 0.5
    assert [p.ndim for p in others["params"]] == [1, 1, 1] and others["weight_decay"] == 0


def test_a_network_without_biases_has_one_group():
    optimizer = make_optimizer(nn.Linear(2, 2, bias=False), lr=0.1, weight_decay=0.5)
    assert len(optimizer.param_groups) == 1


def test_every_group_gets_the_rate():
    optimizer = torch.optim.AdamW(
        [{"params": [nn.Parameter(torch.ones(1))]}, {"params": [nn.Parameter(torch.ones(1))]}]
    )
    set_lr(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.25, 0.25])
