"""One module, or the pair, on several cards at once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from embryofrag.engine.contract import Engine


class SideBySide:
    """The same module, or pair, on several cards; see `contract.Engine` and `contract.PairEngine`.

    A batch is cut into one part a card, and a thread waits for each card. Cards of one model run the same plan, so it
    does not matter to a frame which of them it meets.
    """

    def __init__(self, engines: Sequence[Engine]):
        self.id, self.module, self.input_px = engines[0].id, engines[0].module, engines[0].input_px
        self._engines = engines
        self._threads = ThreadPoolExecutor(len(engines))

    def run(self, images_NHWC: np.ndarray) -> np.ndarray | tuple[np.ndarray, ...]:
        """Run a batch; see `contract.Engine.run`."""
        num_parts = max(1, min(len(self._engines), len(images_NHWC)))
        parts = np.array_split(images_NHWC, num_parts)
        waiting = [
            self._threads.submit(engine.run, part)
            for engine, part in zip(self._engines[:num_parts], parts, strict=True)
        ]
        answers = [one.result() for one in waiting]
        if isinstance(answers[0], tuple):
            return tuple(map(np.concatenate, zip(*answers, strict=True)))
        return np.concatenate(answers)

    def close(self) -> None:
        """Close the engine of every card."""
        self._threads.shutdown()
        for engine in self._engines:
            engine.close()
