import pytest

from embryofrag.training.experiments import EXPERIMENTS, only_last_phase


def test_the_experiments_of_the_paper_are_there_under_their_names():
    assert list(EXPERIMENTS) == ["A", "B", "C", "D", "D+", "E", "dual", "decoupled"]
    for name, make in EXPERIMENTS.items():
        assert make().experiment == name


@pytest.mark.parametrize(
    ("name", "losses"),
    [("A", "sc"), ("B", "r"), ("C", "src"), ("D", "r"), ("D+", "rc"), ("E", "src")],
)
def test_the_last_phase_has_the_losses_of_its_experiment(name, losses):
    phase = EXPERIMENTS[name]().phases[-1]
    weights = zip("src", (phase.alpha, phase.beta, phase.gamma), strict=True)
    assert "".join(letter for letter, weight in weights if weight) == losses


def test_phase_two_is_slower_and_freezes_the_backbone():
    for name in ("D", "D+"):
        first, second = EXPERIMENTS[name]().phases
        assert (first.lr, second.lr) == (1e-4, 1e-5)
        assert second.start == "A" and set(second.trainable) == {"head", "decoder.classify"}


def test_only_experiment_e_has_no_injection():
    assert {name for name, make in EXPERIMENTS.items() if not make().network.injection} == {"E"}


def test_the_dual_model_takes_its_modules_from_a_and_c():
    config = EXPERIMENTS["dual"]()
    assert (config.module_a, config.module_b) == ("A", "C")
    assert [phase.start for phase in config.phases] == ["init", "init"]


def test_phase_two_alone_starts_from_a_file():
    config = only_last_phase(EXPERIMENTS["D"](), "a.safetensors")
    assert [phase.name for phase in config.phases] == ["D"]
    assert (config.init, config.phases[0].start, config.module_a) == ("a.safetensors", "init", "D")
