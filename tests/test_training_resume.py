"""kill -9 in the middle of a run: --resume goes on to the same losses and the same weights."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import training_runs
from training_runs import draw_data_set, tiny_config

from embryofrag.training.checkpoint import read_facts
from embryofrag.training.loop import LAST_FILE
from embryofrag.training.train import train

EXPERIMENT = "D+"
NUM_EPOCHS = 3
STEPS_OF_A, STEPS_OF_D = 2, 3
"""Of an epoch. A learns from the frames with masks alone, D+ also from grades."""


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    return draw_data_set(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def undisturbed(manifest, tmp_path_factory) -> Path:
    return train(tiny_config(EXPERIMENT), manifest, tmp_path_factory.mktemp("undisturbed") / "model", quiet=True)


def train_and_die(manifest: Path, out: Path, *fate: str) -> None:
    command = [sys.executable, training_runs.__file__, str(manifest), str(out), EXPERIMENT, *fate]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert not (out / "model.json").exists()


def history(out: Path, phase: str) -> list[dict]:
    return read_facts(out / "training" / phase / LAST_FILE)["history"]


@pytest.mark.parametrize(
    ("fate", "epochs_done"),
    [
        pytest.param(("--die-after-steps", "1"), {}, id="in the first epoch", marks=pytest.mark.slow),
        pytest.param(("--die-after-steps", str(STEPS_OF_A + 1)), {"A": 1}, id="in phase 1"),
        pytest.param(
            ("--die-after-steps", str(NUM_EPOCHS * STEPS_OF_A + STEPS_OF_D + 1)), {"A": 3, "D+": 1}, id="in phase 2"
        ),
        pytest.param(("--die-while-saving", "4"), {"A": 1}, id="while saving", marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_goes_on_to_the_same_losses_and_weights(manifest, undisturbed, tmp_path, fate, epochs_done):
    out = tmp_path / "model"
    train_and_die(manifest, out, *fate)
    begun = {path.parent.name: len(read_facts(path)["history"]) for path in out.rglob(LAST_FILE)}
    assert begun == epochs_done
    train(tiny_config(EXPERIMENT), manifest, out, resume=True, quiet=True)
    for phase in ("A", "D+"):
        assert history(out, phase) == history(undisturbed, phase)
    for name in ("module_a.safetensors", "module_b.safetensors", "model.json", "predictions.csv"):
        assert (out / name).read_bytes() == (undisturbed / name).read_bytes(), name
