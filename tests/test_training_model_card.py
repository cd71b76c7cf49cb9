from pathlib import Path

import pytest
from drawn_predictions import SCHEME, drawn_predictions

from embryofrag.grading.conformal import Conformal
from embryofrag.training.config import TrainConfig
from embryofrag.training.experiments import EXPERIMENTS
from embryofrag.training.model_card import ModelFacts, format_model_card, write_model_card
from embryofrag.training.row import Row
from embryofrag.training.scores import evaluate_predictions

CALIBRATION = Conformal(alpha=0.1, floor=0.05, quantile=1.25, residuals=(0.0,), num_frames=40)


def drawn_rows(first, count):
    rows = [
        Row(line=i, image=Path(f"{i}.png"), labelme=Path(f"{i}.json"), ratio=0.05, patient=f"P{i // 2}", stage="T2")
        for i in range(first, first + count)
    ]
    return (*rows, Row(line=first + count, image=Path(f"g{first}.png"), grade="D", patient=f"P{first // 2}"))


def make_facts(**changes) -> ModelFacts:
    facts = {
        "name": "lab-1",
        "experiment": "dual",
        "config": EXPERIMENTS["dual"]().to_dict(),
        "manifest": "manifest.csv",
        "data_note": "Frames drawn by embryofrag phantom",
        "parts": {"train": drawn_rows(0, 20), "val": drawn_rows(20, 4), "test": drawn_rows(30, 6)},
        "scheme": SCHEME,
        "evaluated_part": "test",
        "evaluation": evaluate_predictions(drawn_predictions(), SCHEME, num_resamples=50),
        "calibrated_part": "test",
        "calibration": CALIBRATION,
        "intervals": {"coverage": 0.875, "mean_width": 0.21},
    }
    return ModelFacts(**(facts | changes))


def table_row(card: str, first_cell: str) -> list[str]:
    """The other cells of the one table row that begins with this cell."""
    (line,) = (line for line in card.splitlines() if line.startswith(f"| {first_cell} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_the_card_is_written_as_formatted(tmp_path):
    facts = make_facts()
    path = write_model_card(tmp_path / "MODEL_CARD.md", facts)
    assert path.read_text(encoding="utf-8") == format_model_card(facts)


def test_it_has_every_section_and_says_what_it_is_for():
    card = format_model_card(make_facts())
    titles = [line for line in card.splitlines() if line.startswith("#")]
    assert titles == [
        "# Model card: lab-1",
        "## Data",
        "## Training",
        "## Results",
        "## Calibration of the ratio",
        "## Limits",
    ]
    assert "Research use only" in card


def test_counts_are_those_of_the_parts():
    card = format_model_card(make_facts())
    assert table_row(card, "frames") == ["21", "5", "7"]
    assert table_row(card, "paired") == ["20", "4", "6"]
    assert table_row(card, "grade-only") == ["1", "1", "1"]
    assert table_row(card, "groups") == ["10", "2", "3"]
    assert table_row(card, "grade A") == ["20", "4", "6"]
    assert table_row(card, "grade D") == ["1", "1", "1"]
    assert table_row(card, "stage T2") == ["20", "4", "6"]


def test_losses_and_seed_are_those_of_the_run():
    config = EXPERIMENTS["D"]()
    card = format_model_card(make_facts(config=config.to_dict()))
    assert table_row(card, "seed") == [str(config.seed)]
    assert table_row(card, "precise_loss") == [config.precise_loss]
    phase = next(line for line in card.splitlines() if line.startswith("| D | A |"))
    assert f"| {config.phases[1].lr} |" in phase
    assert table_row(card, "backbone") == [config.network.backbone]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_has_a_card_with_tables_of_even_rows(name):
    config: TrainConfig = EXPERIMENTS[name]()
    card = format_model_card(make_facts(config=config.to_dict()))
    for block in card.split("\n\n"):
        widths = {line.count("|") for line in block.splitlines() if line.startswith("|")}
        assert len(widths) <= 1, block


def test_scores_stand_with_their_intervals():
    facts = make_facts()
    estimate = facts.evaluation.overall.estimates["ratio_reg_mae"]
    (cell,) = table_row(format_model_card(facts), "ratio of the head, mean absolute error")
    assert cell == f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def test_scores_without_intervals_stand_alone():
    evaluation = evaluate_predictions(drawn_predictions(), SCHEME, num_resamples=0)
    (cell,) = table_row(format_model_card(make_facts(evaluation=evaluation)), "fragment Dice, pooled")
    assert cell == "0.727"


def test_calibration_says_what_it_promises_and_what_it_holds():
    card = format_model_card(make_facts())
    assert "90% of frames" in card
    assert "87.5%" in card


def test_free_text_cannot_break_a_table():
    rows = (Row(line=2, image=Path("a.png"), grade="A", stage="2|4-cell"),)
    card = format_model_card(make_facts(parts={"train": rows, "val": rows, "test": rows}))
    assert r"| stage 2\|4-cell | 1 | 1 | 1 |" in card


def test_a_small_evaluation_is_called_small():
    small = evaluate_predictions(drawn_predictions(12), SCHEME, num_resamples=0)
    card = format_model_card(make_facts(evaluation=small))
    assert "evaluated on 2 groups only" in card
    assert "Grade D was evaluated on" in card


def test_what_is_missing_is_said():
    card = format_model_card(make_facts(evaluation=None, calibration=None, intervals=None, data_note=""))
    assert "no part of the data was left" in card
    assert "too few frames" in card
    assert "accuracy is unknown" in card
