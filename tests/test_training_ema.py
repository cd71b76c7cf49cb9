import torch
from torch import nn

from embryofrag.training.ema import Ema


def test_the_average_moves_towards_the_network_by_its_decay():
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    ema = Ema(network, decay=0.5)
    nn.init.ones_(network.weight)
    ema.update(network)
    assert torch.isclose(ema.network.weight, torch.tensor(0.9))  # the first update has decay 1 / 10
    ema.num_updates = 1000
    ema.update(network)
    assert torch.isclose(ema.network.weight, torch.tensor(0.95))


def test_without_decay_it_is_the_network():
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    ema = Ema(network, decay=0)
    network(torch.randn(8, 2))
    nn.init.normal_(network[0].weight)
    ema.update(network)
    for name, tensor in network.state_dict().items():
        assert torch.equal(ema.network.state_dict()[name], tensor), name


def test_what_is_frozen_is_left_alone():
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network[0].requires_grad_(False)
    ema = Ema(network, decay=0.5)
    assert set(ema.state) == {"1.weight", "1.bias"}
    assert torch.equal(ema.network[0].weight, network[0].weight)
    assert not any(parameter.requires_grad for parameter in ema.network.parameters())
