import pytest
import torch
from torchvision.models import resnet18
from training_runs import TINY

from embryofrag.errors import EmbryofragError, UsageError
from embryofrag.network.attn_reg_deeplab import AttnRegDeepLab
from embryofrag.network.config import NetworkConfig
from embryofrag.training.checkpoint import save_tensors
from embryofrag.training.initial import imagenet_weights, initial_parts, load_initial, start_head


@pytest.fixture
def no_server(monkeypatch, tmp_path):
    """An empty cache and a proxy that nobody answers at."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


def test_random_weights_are_what_the_constructor_drew():
    torch.manual_seed(0)
    network = AttnRegDeepLab(TINY)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    load_initial(network, "random")
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert initial_parts("random") == ()


def test_a_file_of_the_whole_network_is_loaded(tmp_path):
    path, source, network = str(tmp_path / "w.safetensors"), AttnRegDeepLab(TINY), AttnRegDeepLab(TINY)
    save_tensors(tmp_path / "w.safetensors", source.state_dict())
    load_initial(network, path)
    assert all(torch.equal(source.state_dict()[name], tensor) for name, tensor in network.state_dict().items())
    assert initial_parts(path) == ("backbone", "head", "decoder")


def test_a_torchvision_backbone_is_loaded_without_its_classifier(tmp_path):
    path, source = str(tmp_path / "resnet18.safetensors"), resnet18()
    save_tensors(tmp_path / "resnet18.safetensors", source.state_dict())
    network = AttnRegDeepLab(NetworkConfig(backbone="resnet18", input_px=32))
    load_initial(network, path)
    assert torch.equal(network.backbone.layer4[1].conv2.weight, source.layer4[1].conv2.weight)
    assert initial_parts(path) == initial_parts("imagenet") == ("backbone",)


def test_weights_of_another_size_are_refused(tmp_path):
    save_tensors(tmp_path / "w.safetensors", resnet18().state_dict())
    with pytest.raises(EmbryofragError, match="does not fit"):
        load_initial(AttnRegDeepLab(TINY), str(tmp_path / "w.safetensors"))


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.ckpt"])
def test_a_pickle_is_refused_with_the_reason(tmp_path, name):
    (tmp_path / name).write_bytes(b"never read")
    with pytest.raises(UsageError, match="can run code"):
        load_initial(AttnRegDeepLab(TINY), str(tmp_path / name))


def test_another_word_is_refused():
    with pytest.raises(UsageError, match="random, imagenet or"):
        load_initial(AttnRegDeepLab(TINY), "coco")


@pytest.mark.usefixtures("no_server")
def test_imagenet_weights_that_cannot_be_had_name_the_remedy():
    with pytest.raises(EmbryofragError, match="--init random") as caught:
        imagenet_weights(NetworkConfig(backbone="resnet18"))
    assert "safetensors" in str(caught.value)


def test_imagenet_weights_fit_full_width_only():
    with pytest.raises(EmbryofragError, match="width 1"):
        imagenet_weights(TINY)


def test_the_head_starts_at_the_mean_ratio():
    network = AttnRegDeepLab(TINY)
    for mean, expected in ((0.2, 0.2), (0.0, 0.01)):
        start_head(network, mean)
        assert torch.sigmoid(network.head.to_logit.bias).item() == pytest.approx(expected)
