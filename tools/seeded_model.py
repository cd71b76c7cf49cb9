"""Write an UNTRAINED model folder with weights drawn from a seed, for benchmarks and demonstrations.

python tools/seeded_model.py OUT --backbone resnet50 --width 1 --input-px 512 --seed 0
python tools/seeded_model.py --shipped   (writes engines/untrained anew, compiled, without its weights)
"""

import shutil
import tempfile
from pathlib import Path

import click
import numpy as np

from embryofrag.engine.model import ModelHeader, ModelInfo, weights_file, write_model
from embryofrag.network.config import BACKBONES, NetworkConfig
from embryofrag.network.seeded import module_weights, seeded_network

SHIPPED_DIR = Path(__file__).resolve().parents[1] / "engines" / "untrained"
SHIPPED_CONFIG = NetworkConfig(backbone="resnet18", width=0.125, input_px=256)
SHIPPED_PROBE_FRAMES = 2
PROBE_FRAMES = 8


def write_seeded_model(
    out: Path, config: NetworkConfig, seed: int, name: str, probe_images_NHWC: np.ndarray
) -> ModelInfo:
    """Write an UNTRAINED model folder; both modules get the same network."""
    weights = module_weights(seeded_network(config, seed, probe_images_NHWC))
    header = ModelHeader(name=name, trained=False, network=config.to_dict(), provenance={"seed": seed})
    return write_model(out, header, {"a": weights, "b": weights}, probe_images_NHWC)
