"""Tiny UNTRAINED models for the engine tests, drawn by code."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from embryofrag.engine.model import Crop, ModelHeader, ModelInfo, write_model
from embryofrag.network.config import NetworkConfig
from embryofrag.network.seeded import module_weights, seeded_network

TINY = NetworkConfig(backbone="resnet18", width=0.125, input_px=64)
TINY_LOCATOR = replace(TINY, input_px=32)
TINY_SCOPE = replace(TINY, injection=False)
LOCATOR_SHARES = (0.05, 0.3)
"""Masks that leave something to crop to."""


def draw_discs(size_px: int, count: int) -> np.ndarray:
    """uint8 (count, S, S, 3): a bright disc with darker spots on a noisy ground, another one in each frame."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:size_px, :size_px] / size_px
    frames = []
    for _ in range(count):
        frame = rng.normal(90, 4, (size_px, size_px))
        for grey, radius in ((60, 0.35), *((-40, 0.07),) * 4):
            cy, cx = rng.uniform(0.35, 0.65, 2)
            frame += grey * ((y - cy) ** 2 + (x - cx) ** 2 < radius**2)
        frames.append(np.repeat(frame.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2))
    return np.stack(frames)


def two_modules(weights: dict[str, np.ndarray], one_backbone: bool) -> dict[str, dict[str, np.ndarray]]:
    """Return the weights of modules A and B: the same, or B's backbone a little different."""
    first = "backbone.conv1.weight"
    other = weights if one_backbone else weights | {first: weights[first] * np.float32(1.01)}
    return {"a": weights, "b": other}


def write_tiny_model(
    out: Path,
    *,
    config: NetworkConfig = TINY,
    seed: int = 0,
    name: str = "tiny",
    num_probe_frames: int = 4,
    one_backbone: bool = False,
) -> ModelInfo:
    """Write an untrained model folder; `one_backbone`: both modules get the same network."""
    frames = draw_discs(config.input_px, num_probe_frames)
    weights = module_weights(seeded_network(config, seed, frames))
    header = ModelHeader(name=name, trained=False, network=config.to_dict())
    return write_model(out, header, two_modules(weights, one_backbone), frames)


def write_tiny_model_with_locator(
    out: Path,
    *,
    diameter_share: float = 0.7,
    num_probe_frames: int = 4,
    scope_threshold: float | None = None,
    one_backbone: bool = False,
) -> ModelInfo:
    """Write an untrained model folder whose modules look at the embryo that its locator finds.

    With a `scope_threshold` it has a scope module too, whose probabilities lie near 0.12.
    """
    frames, whole = draw_discs(TINY.input_px, num_probe_frames), draw_discs(TINY_LOCATOR.input_px, num_probe_frames)
    weights = module_weights(seeded_network(TINY, 0, frames))
    locator = module_weights(seeded_network(TINY_LOCATOR, 1, whole, LOCATOR_SHARES))
    modules = {**two_modules(weights, one_backbone), "locator": locator}
    crop = Crop(locator=TINY_LOCATOR.to_dict(), diameter_share=diameter_share)
    if scope_threshold is not None:
        modules["scope"] = module_weights(seeded_network(TINY_SCOPE, 2, frames))
        crop = replace(crop, scope=TINY_SCOPE.to_dict(), scope_threshold=scope_threshold)
    header = ModelHeader(name="located", trained=False, network=TINY.to_dict(), crop=crop)
    return write_model(out, header, modules, frames, whole)
