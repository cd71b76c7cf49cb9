"""A process that has used OpenVINO still survives its signals."""

import signal
import subprocess
import sys

import pytest

CODE = """
import os, signal, sys
from pathlib import Path
from embryofrag.engine.select import choose_engine, load_pair
import numpy as np
caught = []
signal.signal(signal.SIGUSR1, lambda *_: caught.append(1))
pair = load_pair(choose_engine(Path(sys.argv[1])))
pair.masks(np.zeros((3, 256, 256, 3), np.uint8))
os.kill(os.getpid(), signal.SIGUSR1)
pair.close()
os.kill(os.getpid(), signal.SIGUSR1)
assert len(caught) == 2
"""


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="POSIX signals")
def test_signals_are_handled_after_an_engine_was_loaded(model_dir):
    run = subprocess.run([sys.executable, "-c", CODE, str(model_dir)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
