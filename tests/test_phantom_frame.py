import math
import subprocess
import sys
from zlib import crc32

import numpy as np
import pytest

from embryofrag.errors import UsageError
from embryofrag.phantom import INSTRUMENTS, draw_frame
from embryofrag.phantom.frame import draw_ratio
from embryofrag.phantom.scene import draw_scene
from embryofrag.phantom.zona import trace_inside

RATIO_TOLERANCE = 0.03


def digest(frame) -> int:
    return crc32(frame.image.tobytes() + frame.fragment_mask.tobytes() + frame.embryo_mask.tobytes())


@pytest.mark.parametrize(
    ("instrument", "shape", "um_per_px"),
    [("embryoscope", (500, 500), 0.5814), ("embryoscope_plus", (800, 800), 0.3436), ("bench", None, None)],
)
def test_shapes_and_types(instrument, shape, um_per_px):
    frame = draw_frame(11, instrument=instrument)
    assert shape is None or frame.image.shape == shape
    assert (frame.image.ndim == 3) == (instrument == "bench")
    assert frame.image.dtype == np.uint8
    assert frame.fragment_mask.shape == frame.embryo_mask.shape == frame.image.shape[:2]
    assert frame.fragment_mask.dtype == frame.embryo_mask.dtype == bool
    assert um_per_px is None or frame.um_per_px == um_per_px


def test_same_arguments_same_bytes_and_other_seed_other_bytes():
    assert digest(draw_frame(5)) == digest(draw_frame(5))
    assert digest(draw_frame(5)) != digest(draw_frame(6))


def test_same_bytes_in_another_process():
    code = (
        "from zlib import crc32; from embryofrag.phantom import draw_frame; f = draw_frame(5); "
        "print(crc32(f.image.tobytes() + f.fragment_mask.tobytes() + f.embryo_mask.tobytes()))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(result.stdout) == digest(draw_frame(5))


@pytest.mark.parametrize("ratio", [0.01, 0.03, 0.08, 0.15, 0.25, 0.4, 0.5, 0.6, 0.7])
def test_asked_for_ratio_is_reached(ratio):
    for seed in range(4):
        frame = draw_frame(seed, ratio=ratio, instrument=list(INSTRUMENTS)[seed % 3])
        assert frame.ratio == pytest.approx(ratio, abs=RATIO_TOLERANCE)
        inside = frame.fragment_mask & frame.embryo_mask
        assert frame.ratio == np.count_nonzero(inside) / np.count_nonzero(frame.embryo_mask)


@pytest.mark.parametrize("num_cells", range(1, 9))
def test_ratio_zero_has_no_fragment_pixel(num_cells):
    frame = draw_frame(21, ratio=0.0, num_cells=num_cells)
    assert frame.ratio == 0.0
    assert frame.stage == f"{num_cells}-cell"
    assert not frame.fragment_mask.any()
    assert frame.embryo_mask.any()


@pytest.mark.parametrize("seed", range(4))
def test_masks_lie_inside_the_zona_and_fragments_belong_to_the_embryo(seed):
    frame = draw_frame(seed, ratio=0.4)
    scene = draw_scene(seed, "embryoscope")
    inside = trace_inside(scene.zona, scene.kind.shape) > 0
    assert not (frame.embryo_mask & ~inside).any()
    assert not (frame.fragment_mask & ~frame.embryo_mask).any()


def test_zona_is_110_to_130_um_wide():
    for seed in range(5):
        embryo = draw_frame(seed, instrument="embryoscope_plus", num_cells=8, ratio=0.3).embryo_mask
        rows = np.flatnonzero(embryo.any(axis=1))
        assert 75 < (rows[-1] - rows[0]) * 0.3436 < 136


def test_empty_well():
    frame = draw_frame(8, num_cells=0)
    assert frame.stage == "empty"
    assert math.isnan(frame.ratio)
    assert not frame.embryo_mask.any()
    assert not frame.fragment_mask.any()
    assert frame.image.std() > 5


def test_no_embryo_is_near_invisible():
    for seed in range(25):
        frame = draw_frame(seed)
        assert frame.image[frame.embryo_mask].std() > 4


def test_about_a_quarter_of_random_ratios_is_zero():
    ratios = [draw_ratio(np.random.default_rng(seed)) for seed in range(2000)]
    assert np.mean(np.array(ratios) == 0) == pytest.approx(0.25, abs=0.04)
    assert max(ratios) <= 0.7


def test_text_is_burned_in_where_asked_for():
    plain = draw_frame(3, well=None, hpi=40.0).image
    marked = draw_frame(3, well=12, hpi=40.0).image
    changed = np.argwhere(np.abs(plain.astype(int) - marked) > 60)
    assert len(changed)
    assert changed[:, 0].min() > 460
    assert changed[:, 1].max() < 100


def test_wrong_arguments_are_refused():
    with pytest.raises(UsageError, match="choose one of embryoscope"):
        draw_frame(1, instrument="telescope")
    with pytest.raises(ValueError, match="num_cells"):
        draw_frame(1, num_cells=17)
    with pytest.raises(ValueError, match="ratio"):
        draw_frame(1, ratio=0.9)
