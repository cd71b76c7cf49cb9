from pathlib import Path

import pytest

from embryofrag.errors import EmbryofragError
from embryofrag.training.experiments import PHASE_A, PHASE_B, PHASE_C
from embryofrag.training.row import Row
from embryofrag.training.source import teaching_rows

PAIRED = Row(line=2, image=Path("a.png"), fragment_mask=Path("f.png"), embryo_mask=Path("e.png"))
GRADED = Row(line=3, image=Path("b.png"), grade="B")


@pytest.mark.parametrize(
    ("phase", "rows"), [(PHASE_A, (PAIRED,)), (PHASE_B, (PAIRED, GRADED)), (PHASE_C, (PAIRED, GRADED))]
)
def test_a_grade_alone_teaches_only_where_the_ratio_is_learnt(phase, rows):
    assert teaching_rows((PAIRED, GRADED), phase) == rows


def test_masks_cannot_be_learnt_from_grades():
    with pytest.raises(EmbryofragError, match="phase A learns from masks and no training row has any"):
        teaching_rows((GRADED,), PHASE_A)
