import numpy as np
import pytest

from embryofrag.phantom.body import Body
from embryofrag.phantom.fragment import plan_fragments
from embryofrag.phantom.shattered import draw_pieces
from embryofrag.phantom.zona import Zona, trace_inside

SHAPE = (300, 300)
ZONA = Zona(inner=Body(x_px=150, y_px=150, radius_px=100), thickness_um=15, um_per_px=0.6)
INSIDE = trace_inside(ZONA, SHAPE)
CELLS = INSIDE > 20


def draw_many(ratio: float) -> list:
    return [draw_pieces(np.random.default_rng(seed), ZONA, INSIDE, CELLS, ratio, 1.5) for seed in range(60)]


@pytest.mark.parametrize("ratio", [0.1, 0.3, 0.7])
def test_pieces_lie_in_the_zona_and_cover_less_than_the_ratio(ratio):
    mosaics = [pieces for pieces in draw_many(ratio) if pieces]
    assert 6 < len(mosaics) < 30
    for pieces in mosaics:
        union = np.zeros(SHAPE, bool)
        for piece in pieces:
            union[piece.window] |= piece.inside
        assert not (union & (INSIDE <= 0)).any()
        assert union.sum() < ratio * (union | CELLS).sum()


def test_pieces_hardly_overlap():
    overlaps = []
    for pieces in draw_many(0.5):
        count = np.zeros(SHAPE, int)
        for piece in pieces:
            count[piece.window] += piece.inside
        if pieces:
            overlaps.append((count > 1).sum() / (count > 0).sum())
    assert np.median(overlaps) < 0.3
    assert max(overlaps) < 0.5


def test_little_fragmentation_shatters_no_cell():
    assert not any(draw_many(0.05))


@pytest.mark.parametrize("ratio", [0.1, 0.3, 0.7])
def test_the_ratio_is_reached_from_the_pieces_on(ratio):
    for seed, pieces in enumerate(draw_many(ratio)):
        if pieces:
            rng = np.random.default_rng(seed)
            patches, fragment, embryo = plan_fragments(rng, ZONA, INSIDE, CELLS, ratio, 1.5, pieces)
            assert patches[: len(pieces)] == pieces
            assert fragment.sum() / embryo.sum() == pytest.approx(ratio, abs=0.03)
