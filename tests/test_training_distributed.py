"""Two processes under torchrun, gloo on the CPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import training_runs
from safetensors.torch import load_file
from torch import nn
from training_runs import draw_data_set, tiny_config

from embryofrag.engine.model import read_model
from embryofrag.training.distributed import Ranks, join_ranks
from embryofrag.training.train import train

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def test_alone_nothing_is_shared(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with join_ranks() as ranks:
        module = nn.Linear(1, 1)
        assert ranks.is_first and ranks.share(module) is module and ranks.from_first(0.25) == 0.25
    assert not Ranks(rank=1, world_size=2).is_first


AVERAGE_SCRIPT = """
import sys, torch
from torch import nn
from embryofrag.training.distributed import join_ranks
with join_ranks() as ranks:
    torch.manual_seed(0)
    linear = nn.Linear(2, 1)
    shared = ranks.share(linear)
    shared(torch.eye(2)[ranks.rank : ranks.rank + 1]).sum().backward()
    assert torch.allclose(linear.weight.grad, torch.tensor([[0.5, 0.5]])), linear.weight.grad
    assert ranks.from_first(float(ranks.rank + 7)) == 7.0
    open(f"{sys.argv[1]}/{ranks.rank}.done", "w").close()
"""


@pytest.mark.slow
def test_gradients_are_averaged_over_two_processes(tmp_path):
    script = tmp_path / "average.py"
    script.write_text(AVERAGE_SCRIPT)
    subprocess.run([*TORCHRUN, str(script), str(tmp_path)], check=True, capture_output=True)
    assert {path.name for path in tmp_path.glob("*.done")} == {"0.done", "1.done"}


@pytest.mark.slow
def test_two_processes_train_one_model(tmp_path):
    manifest = draw_data_set(tmp_path)
    out: Path = tmp_path / "two"
    subprocess.run([*TORCHRUN, training_runs.__file__, str(manifest), str(out), "D+"], check=True, capture_output=True)
    assert read_model(out).trained
    alone = train(tiny_config("D+"), manifest, tmp_path / "one", quiet=True)
    ours, theirs = load_file(out / "module_b.safetensors"), load_file(alone / "module_b.safetensors")
    assert ours.keys() == theirs.keys() and all(torch.isfinite(tensor).all() for tensor in ours.values())
    best = json.loads((out / "metrics.json").read_text())["phases"]["D+"]["best"]
    assert best["val_loss"] < 1.0
