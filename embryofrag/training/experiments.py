"""The paper's experiments as configurations, one line of difference each (arXiv 2511.18454, section IV and Table II).

| name | what trains | losses |
|---|---|---|
| A | phase 1, everything but the last layer of the head | L_seg + L_cons |
| B | backbone and regression head | L_reg |
| C | end to end | L_seg + L_reg + L_cons |
| D | A, then phase 2 on its frozen backbone: head and classification layer | L_reg (Table II) |
| D+ | as D | L_reg + L_cons (text of section III.C) |
| E | as C, without injection | as C |
| dual | A for the masks and C for the ratio, deployed together | as A, as C |

L_reg gives the classification layer no gradient: in D it is free to move, but stays. The masks of D change
nevertheless, because V_reg, which the decoder takes in, does.
"""

from collections.abc import Callable
from dataclasses import replace

from embryofrag.network.config import NetworkConfig
from embryofrag.training.config import START, PhaseConfig, TrainConfig

PHASE_A = PhaseConfig(name="A", trainable=("backbone", "head.to_latent", "decoder"), beta=0)
PHASE_B = PhaseConfig(name="B", trainable=("backbone", "head"), alpha=0, gamma=0)
PHASE_C = PhaseConfig(name="C")
PHASE_D = PhaseConfig(
    name="D", start="A", trainable=("head", "decoder.classify"), alpha=0, gamma=0, lr=1e-5, views=4, cache=True
)


def experiment_a() -> TrainConfig:
    """Phase 1: masks, held to the ratio by L_cons."""
    return one_model("A", PHASE_A)


def experiment_b() -> TrainConfig:
    """Pure regression: no decoder."""
    return one_model("B", PHASE_B)


def experiment_c() -> TrainConfig:
    """Everything at once, from the start."""
    return one_model("C", PHASE_C)


def experiment_d() -> TrainConfig:
    """Two stages: A, then the head alone."""
    return one_model("D", PHASE_A, PHASE_D)


def experiment_d_plus() -> TrainConfig:
    """D with the consistency of masks and ratio."""
    return one_model("D+", PHASE_A, replace(PHASE_D, name="D+", gamma=1))


def experiment_e() -> TrainConfig:
    """C without feature injection."""
    return replace(one_model("E", replace(PHASE_C, name="E")), network=NetworkConfig(injection=False))


def dual() -> TrainConfig:
    """The deployed pair: module A from experiment A, module B from experiment C."""
    return TrainConfig(experiment="dual", phases=(PHASE_A, PHASE_C), module_a="A", module_b="C")


def decoupled() -> TrainConfig:
    """Module A from experiment A, and for B a head that learnt on its frozen features (D): one backbone for both."""
    return TrainConfig(experiment="decoupled", phases=(PHASE_A, PHASE_D), module_a="A", module_b="D")


def one_model(name: str, *phases: PhaseConfig) -> TrainConfig:
    """Return a run whose last phase becomes both modules."""
    return TrainConfig(experiment=name, phases=phases, module_a=phases[-1].name, module_b=phases[-1].name)


def only_last_phase(config: TrainConfig, weights: str) -> TrainConfig:
    """Return the run without its earlier phases: the last one starts from a ``.safetensors`` file that they made."""
    last = replace(config.phases[-1], start=START)
    return replace(config, phases=(last,), module_a=last.name, module_b=last.name, init=weights)


EXPERIMENTS: dict[str, Callable[[], TrainConfig]] = {
    "A": experiment_a,
    "B": experiment_b,
    "C": experiment_c,
    "D": experiment_d,
    "D+": experiment_d_plus,
    "E": experiment_e,
    "dual": dual,
    "decoupled": decoupled,
}
"""What ``--experiment`` takes."""
