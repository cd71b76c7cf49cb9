import resource
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import nn

from embryofrag.errors import EmbryofragError
from embryofrag.training.checkpoint import (
    below_prefix,
    load_network,
    load_tensors,
    optimizer_tensors,
    read_facts,
    restore_optimizer,
    save_tensors,
    with_prefix,
)


@contextmanager
def files_of_at_most(size_bytes: int):
    """A disk on which no file grows larger."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_tensors_and_facts_come_back(tmp_path):
    channels_last = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    tensors = {"a": channels_last, "b": torch.arange(3), "c": torch.randn(2).bfloat16()}
    save_tensors(tmp_path / "x.safetensors", tensors, {"epoch": 3, "loss": None})
    loaded, facts = load_tensors(tmp_path / "x.safetensors")
    assert facts == read_facts(tmp_path / "x.safetensors") == {"epoch": 3, "loss": None}
    assert all(torch.equal(loaded[name], tensors[name]) for name in tensors)
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path):
    path = tmp_path / "last.safetensors"
    save_tensors(path, {"a": torch.zeros(10)})
    good = path.read_bytes()
    with files_of_at_most(1000), pytest.raises(EmbryofragError, match="last good checkpoint"):
        save_tensors(path, {"a": torch.ones(10_000)})
    assert path.read_bytes() == good
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_gone_is_an_error(tmp_path):
    with pytest.raises(EmbryofragError, match="--resume"):
        save_tensors(tmp_path / "gone" / "x.safetensors", {"a": torch.zeros(1)})


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a pickle in a zip", b"\xff" * 64])
def test_other_files_are_refused(tmp_path, content):
    path: Path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(EmbryofragError, match="safetensors"):
        load_tensors(path)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(EmbryofragError, match="safetensors"):
        load_tensors(tmp_path / "x.safetensors")


def test_prefixes_keep_names_apart():
    joined = with_prefix("network", {"a.b": torch.zeros(1)}) | with_prefix("ema", {"a.b": torch.ones(1)})
    assert list(below_prefix("ema", joined)) == ["a.b"]
    assert below_prefix("network", joined)["a.b"] == 0


def step_three_times(network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    for scale in (1.0, -2.0, 0.5):
        optimizer.zero_grad()
        (scale * network(torch.ones(1, 2))).sum().backward()
        optimizer.step()


def test_a_restored_optimizer_takes_the_same_steps():
    networks = []
    for _ in range(2):
        torch.manual_seed(0)
        networks.append(nn.Linear(2, 2))
    first, second = networks
    optimizer = torch.optim.AdamW(first.parameters(), lr=0.1)
    step_three_times(first, optimizer)
    second.load_state_dict(first.state_dict())
    restored = torch.optim.AdamW(second.parameters(), lr=0.1)
    restore_optimizer(restored, {name: tensor.clone() for name, tensor in optimizer_tensors(optimizer).items()})
    step_three_times(first, optimizer)
    step_three_times(second, restored)
    assert torch.equal(first.weight, second.weight)


def test_weights_of_another_network_are_refused_by_name(tmp_path):
    save_tensors(tmp_path / "x.safetensors", nn.Linear(3, 2).state_dict())
    with pytest.raises(EmbryofragError, match=r"x\.safetensors.*weight"):
        load_network(nn.Linear(2, 2), tmp_path / "x.safetensors")
