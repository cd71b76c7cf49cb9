"""What every engine is to the run: a uint8 batch in, probabilities or ratios out.

An engine is one module of a model on one backend, without letterbox before it and without threshold behind it;
normalisation is part of it. Shape legend: N image, K class (0 fragment, 1 embryo), S side of the square input.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np

MODULES = ("a", "b")
"""Module A gives masks, module B the ratio."""
LOCATOR = "locator"
"""A third module that some models have: it sees the whole frame and finds the embryo that the others look at."""
SCOPE = "scope"
"""A fourth module that some models with a locator have: it says whether what the locator found is in scope.

In scope is an embryo at cleavage stage; out of scope a morula, a blastocyst, a degenerate mass, an empty zona.
"""
NUMBER_MODULES = ("b", SCOPE)
"""They give one number an image, from backbone and head alone; the others give masks."""
PAIR = "pair"
"""Modules A and B in one pass, where they have the same backbone: it runs once, and no answer changes."""


class Engine(Protocol):
    """One loaded module. Not thread-safe: one caller at a time for each engine."""

    id: str
    """"<backend>-<precision>:<8 hex of what was built>", as the result rows name it."""
    module: str
    """One of `MODULES`, `LOCATOR` or `SCOPE`."""
    input_px: int
    """Side S of the input."""

    def run(self, images_NHWC: np.ndarray) -> np.ndarray:
        """Run a batch of any size from 1; an image's result never depends on the rest of its batch, to the bit.

        Args:
            images_NHWC: uint8 (N, S, S, 3) RGB.

        Returns:
            Module A and the locator: probabilities, float32 (N, 2, S, S), fragment and embryo. Module B: ratios,
            float32 (N,), 0..1. The scope module: probabilities of being in scope, float32 (N,).
        """
        ...

    def close(self) -> None:
        """Give threads and memory back; the engine is not used again."""
        ...


class PairEngine(Protocol):
    """Modules A and B, loaded as one pass. Otherwise as `Engine`."""

    id: str
    input_px: int

    def run(self, images_NHWC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Run a batch, uint8 (N, S, S, 3); return what the engines of modules A and B would."""
        ...

    def close(self) -> None:
        """Give threads and memory back; the engine is not used again."""
        ...


def file_stem(module: str) -> str:
    """Name the files of a module, without their ending.

    >>> file_stem("a"), file_stem(LOCATOR), file_stem(SCOPE), file_stem(PAIR)
    ('module_a', 'locator', 'scope', 'pair')
    """
    return f"module_{module}" if module in MODULES else module


def passes_of(modules: Iterable[str], *, in_one: bool) -> tuple[str, ...]:
    """Return what runs, and is compiled, for some modules: themselves, or A and B as one pass.

    >>> passes_of((LOCATOR, "a", "b"), in_one=False), passes_of((LOCATOR, "a", "b"), in_one=True)
    (('locator', 'a', 'b'), ('locator', 'pair'))
    """
    alone = tuple(module for module in modules if not (in_one and module in MODULES))
    return (*alone, PAIR) if in_one else alone


def modules_of(name: str) -> tuple[str, ...]:
    """Return the modules whose answers a pass gives.

    >>> modules_of("b"), modules_of(PAIR)
    (('b',), ('a', 'b'))
    """
    return MODULES if name == PAIR else (name,)


def by_module(results: Mapping[str, object]) -> dict[str, object]:
    """Return what passes gave as what their modules give: the pair's answer is A's and B's.

    >>> by_module({LOCATOR: "where", PAIR: ("masks", "ratios")})
    {'locator': 'where', 'a': 'masks', 'b': 'ratios'}
    """
    apart = {name: result for name, result in results.items() if name != PAIR}
    return apart | dict(zip(MODULES, results[PAIR], strict=True)) if PAIR in results else apart


def output_shape(module: str, num_images: int, input_px: int) -> tuple[int, ...]:
    """Return the shape of what `Engine.run` returns.

    >>> output_shape("a", 3, 512), output_shape("b", 3, 512)
    ((3, 2, 512, 512), (3,))
    """
    return (num_images,) if module in NUMBER_MODULES else (num_images, 2, input_px, input_px)


def check_images(images_NHWC: np.ndarray, input_px: int) -> None:
    """Refuse what no engine takes.

    Raises:
        ValueError: not uint8 (N, S, S, 3) with N of at least 1.
    """
    shape = images_NHWC.shape
    if images_NHWC.dtype != np.uint8 or len(shape) != 4 or shape[0] < 1 or shape[1:] != (input_px, input_px, 3):
        raise ValueError(f"an engine takes uint8 (N, {input_px}, {input_px}, 3), not {images_NHWC.dtype} {shape}")
