import json
from dataclasses import replace

import pytest

from embryofrag.training.config import PhaseConfig, TrainConfig, change_phases
from embryofrag.training.experiments import experiment_c, experiment_d


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"trainable": ()}, "trainable"),
        ({"trainable": ("neck",)}, "trainable"),
        ({"alpha": -1}, "alpha"),
        ({"alpha": 0, "beta": 0, "gamma": 0}, "alpha"),
        ({"lr": 0}, "lr"),
        ({"epochs": 0}, "epochs"),
        ({"cache": True}, "cached"),
        ({"cache": True, "trainable": ("head",), "alpha": 0, "views": 0}, "views"),
    ],
)
def test_a_phase_that_cannot_run_is_refused(changes, reason):
    with pytest.raises(ValueError, match=reason):
        PhaseConfig(name="X", **changes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"phases": ()}, "phases"),
        ({"phases": (PhaseConfig(name="C"), PhaseConfig(name="C"))}, "different names"),
        ({"phases": (PhaseConfig(name="C", start="A"),)}, "no earlier phase"),
        ({"module_a": "A"}, "module_a"),
        ({"precise_loss": "l2"}, "precise_loss"),
        ({"precision": "int8"}, "precision"),
        ({"batch_size": 1}, "batch_size"),
        ({"accumulate": 0}, "accumulate"),
        ({"warmup_frac": 1.0}, "warmup_frac"),
        ({"val_frac": 0.0}, "val_frac"),
        ({"val_frac": 0.5, "test_frac": 0.5}, "val_frac"),
    ],
)
def test_a_run_that_cannot_start_is_refused(changes, reason):
    with pytest.raises(ValueError, match=reason):
        replace(experiment_c(), **changes)


def test_a_run_is_json():
    values = experiment_d().to_dict()
    assert json.loads(json.dumps(values)) == values
    assert [phase["name"] for phase in values["phases"]] == ["A", "D"]


def test_lineage_leads_back_to_the_start():
    config = experiment_d()
    assert [phase.name for phase in config.lineage("D")] == ["A", "D"]
    assert [phase.name for phase in config.lineage("A")] == ["A"]


def test_changes_reach_every_phase():
    config = change_phases(experiment_d(), epochs=7)
    assert isinstance(config, TrainConfig) and [phase.epochs for phase in config.phases] == [7, 7]
