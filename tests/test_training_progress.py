import io

import numpy as np
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from embryofrag.training.progress import Reporter, show_training, tint_frames

FIGURES = {"epoch": 0, "train_total": 1.25, "val_loss": 1.5, "val_mae": None, "val_seg": 0.75}


def test_an_epoch_is_one_line_of_the_figures_that_are_known():
    text = io.StringIO()
    reporter = Reporter(Console(file=text, width=200))
    reporter.start_phase("C", num_steps=6, first_step=0)
    reporter.show_epoch(3, FIGURES)
    assert text.getvalue() == "phase C  epoch 0  train_total 1.25  val_loss 1.5\n"


def test_a_silent_reporter_takes_everything(capsys):
    reporter = Reporter()
    reporter.start_phase("C", num_steps=6, first_step=0)
    reporter.show_step(0, {"total": 1.0})
    reporter.show_epoch(3, FIGURES)
    reporter.show_masks(3, np.zeros((1, 4, 4, 3), np.uint8), np.zeros((1, 2, 4, 4), bool))
    reporter.end_phase()
    assert capsys.readouterr() == ("", "")


def test_curves_and_mask_previews_reach_tensorboard(tmp_path, capsys):
    with show_training(tmp_path) as reporter:
        reporter.start_phase("C", num_steps=6, first_step=0)
        reporter.show_step(0, {"total": 1.0, "seg": 0.5})
        reporter.show_epoch(3, FIGURES)
        reporter.show_masks(3, np.zeros((2, 8, 8, 3), np.uint8), np.ones((2, 2, 8, 8), bool))
        reporter.warn("the head is dead")
        reporter.end_phase()
    assert "the head is dead" in capsys.readouterr().err
    events = EventAccumulator(str(tmp_path)).Reload()
    names = {
        "C/step/total",
        "C/step/seg",
        "C/epoch/epoch",
        "C/epoch/train_total",
        "C/epoch/val_loss",
        "C/epoch/val_seg",
    }
    assert set(events.Tags()["scalars"]) == names
    (loss,) = events.Scalars("C/epoch/val_loss")
    assert (loss.step, loss.value) == (3, 1.5)
    assert events.Tags()["images"] == ["C/masks"]


def test_masks_tint_the_frame_where_they_lie():
    images_NHWC = np.full((1, 2, 2, 3), 90, np.uint8)
    masks_NKHW = np.zeros((1, 2, 2, 2), bool)
    masks_NKHW[0, 0, 0, 0] = masks_NKHW[0, 1, 1, 1] = True
    tinted = tint_frames(images_NHWC, masks_NKHW)
    assert tinted[0, 0, 0].tolist() == [145, 60, 60] and tinted[0, 1, 1].tolist() == [60, 145, 60]
    assert tinted[0, 0, 1].tolist() == [90, 90, 90]
