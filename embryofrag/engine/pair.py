"""Which engine a run takes, and its loaded modules as one thing to ask."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embryofrag.engine.contract import LOCATOR, MODULES, PAIR, SCOPE, Engine, PairEngine, by_module
from embryofrag.engine.model import Crop, ModelInfo, modules_with
from embryofrag.engine.parity import Answers, judge_results
from embryofrag.engine.views import average_views


@dataclass(frozen=True, kw_only=True)
class EngineChoice:
    """Which engine a run takes, and why. Picklable."""

    model: ModelInfo
    backend: str
    precision: str
    folder: Path | None
    """Where the compiled engine lies; None for the reference."""
    reason: str
    """One sentence for the user."""
    engine_a_id: str
    engine_b_id: str
    input_px: int
    mask_threshold: float
    crop: Crop | None = None
    """Where modules A and B look; None: at whole frames, and the locator, if there is one, is not loaded."""
    engine_locator_id: str | None = None
    """None without `crop`."""
    engine_scope_id: str | None = None
    """None without `crop`, and where the model has no scope module."""
    device: str | None = None
    """The GPUs that were asked for, as "cuda:0,cuda:1"; None: the first, where the backend runs on one."""
    num_views: int = 1
    """Views of each frame whose answers are averaged, one of `views.NUM_VIEWS`."""

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that run, in their order."""
        return modules_with(self.crop)

    @property
    def looks_at(self) -> str:
        """What modules A and B look at: "embryo" or "frame"."""
        return "frame" if self.crop is None else "embryo"


@dataclass(frozen=True)
class EnginePair:
    """The loaded modules of one model. They may run at the same time, each for one caller."""

    choice: EngineChoice
    loaded: Mapping[str, Engine | PairEngine]
    """The choice's modules by name, or `contract.PAIR` in place of A and B."""

    def masks(self, images_NHWC: np.ndarray) -> np.ndarray:
        """Return probabilities float32 (N, 2, S, S), fragment and embryo, of uint8 (N, S, S, 3)."""
        return self._run("a", images_NHWC)

    def ratios(self, images_NHWC: np.ndarray) -> np.ndarray:
        """Return ratios float32 (N,), 0..1, of uint8 (N, S, S, 3)."""
        return self._run("b", images_NHWC)

    def masks_and_ratios(self, images_NHWC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what `masks` and `ratios` do, averaged over the choice's views: what a frame is graded by."""
        return average_views(self._both, images_NHWC, self.choice.num_views)

    def _both(self, images_NHWC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """In one pass where the engine has one."""
        if PAIR in self.loaded:
            return self.loaded[PAIR].run(images_NHWC)
        return self.masks(images_NHWC), self.ratios(images_NHWC)

    def locate(self, images_NLLC: np.ndarray) -> np.ndarray:
        """Return the locator's embryo probabilities float32 (N, L, L) of whole frames uint8 (N, L, L, 3)."""
        return self._run(LOCATOR, images_NLLC)[:, 1]

    def scopes(self, images_NHWC: np.ndarray) -> np.ndarray | None:
        """Return how probable it is that each window is in scope, float32 (N,), 0..1; None without a scope module.

        The windows are those of modules A and B, uint8 (N, S, S, 3).
        """
        return self._run(SCOPE, images_NHWC) if SCOPE in self.loaded else None

    def answers(self, images: Mapping[str, np.ndarray]) -> Answers:
        """Return thresholded masks and ratios of the probe frames of each module, as parity counts them.

        The frames of module A are those of the pair.
        """
        results = {name: engine.run(images["a" if name == PAIR else name]) for name, engine in self.loaded.items()}
        return judge_results(by_module(results), self.choice.model)

    def close(self) -> None:
        """Close all engines."""
        for engine in self.loaded.values():
            engine.close()

    def _run(self, module: str, images_NHWC: np.ndarray) -> np.ndarray:
        if module in self.loaded:
            return self.loaded[module].run(images_NHWC)
        return self.loaded[PAIR].run(images_NHWC)[MODULES.index(module)]
