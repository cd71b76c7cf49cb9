import pytest
import torch
from training_runs import TINY

from embryofrag.network.attn_reg_deeplab import AttnRegDeepLab
from embryofrag.training.freeze import freeze_but, learning_state, set_modes


@pytest.fixture
def network() -> AttnRegDeepLab:
    return AttnRegDeepLab(TINY)


def test_only_the_named_parts_learn(network):
    freeze_but(network, ("head", "decoder.classify"))
    learning = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert learning == {name for name, _ in network.named_parameters() if name.startswith(("head.", "decoder.class"))}
    freeze_but(network, ("backbone",))
    assert not any(parameter.requires_grad for parameter in network.head.parameters())
    assert all(parameter.requires_grad for parameter in network.backbone.parameters())


def test_a_part_that_does_not_exist_is_refused(network):
    with pytest.raises(ValueError, match="neck"):
        freeze_but(network, ("neck",))


def test_a_forward_pass_leaves_frozen_batchnorm_alone(network):
    freeze_but(network, ("decoder",))
    set_modes(network)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network(torch.randn(4, 3, 32, 32))
    moved = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved and all(name.startswith("decoder.") for name in moved)


def test_the_learning_state_is_what_a_phase_changes(network):
    freeze_but(network, ("backbone", "head.to_latent"))
    names = set(learning_state(network))
    assert {"backbone.bn1.running_mean", "backbone.conv1.weight", "head.to_latent.0.bias"} <= names
    assert all(name.startswith(("backbone.", "head.to_latent.")) for name in names)
