"""What a run grades by: the model's own limits, where the user chose no others."""

import numpy as np
import pytest
from tiny_model import TINY, draw_discs

from embryofrag.engine.model import ModelHeader, write_model
from embryofrag.grading.referral import ReferralSettings
from embryofrag.run.settings import grading_by

WEIGHTS = {module: {"w": np.zeros(3, np.float32)} for module in ("a", "b")}


def written(folder, **limits):
    header = ModelHeader(name="tiny", trained=True, network=TINY.to_dict(), **limits)
    return write_model(folder, header, WEIGHTS, draw_discs(TINY.input_px, 2))


def test_a_model_states_its_limits_and_the_user_has_the_last_word(tmp_path):
    model = written(tmp_path / "m", mask_threshold=0.4, min_embryo_confidence=0.9, denominator="image")
    assert model.min_embryo_confidence == 0.9
    grading = grading_by(model)
    assert (grading.mask_threshold, grading.denominator, grading.scope_threshold) == (0.4, "image", 0.5)
    assert grading.referral == ReferralSettings(min_embryo_confidence=0.9)
    chosen = grading_by(model, denominator="embryo", scheme="istanbul-2011", referral={"cut_margin": 0.0})
    assert (chosen.denominator, chosen.scheme) == ("embryo", "istanbul-2011")
    assert chosen.referral == ReferralSettings(min_embryo_confidence=0.9, cut_margin=0.0)


def test_a_model_without_limits_is_graded_by_the_defaults(tmp_path):
    assert grading_by(written(tmp_path / "m")).referral == ReferralSettings()


def test_a_choice_that_cannot_be_is_refused(tmp_path):
    with pytest.raises(ValueError, match="scheme"):
        grading_by(written(tmp_path / "m"), scheme="none")
