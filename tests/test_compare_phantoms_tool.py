import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

import compare_phantoms

from embryofrag.phantom import draw_frame


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("frames")
    for seed in range(4):
        cv2.imwrite(str(root / f"frame_{seed}.png"), draw_frame(seed).image)
    return root


def compare(folder: Path, out: Path, *options: str) -> dict:
    result = CliRunner().invoke(compare_phantoms.main, [str(folder), "--out", str(out), "--count", "4", *options])
    assert result.exit_code == 0, result.output
    return json.loads((out / "distances.json").read_text())["distances"]


def test_the_same_frames_are_no_distance_apart(folder, tmp_path):
    distances = compare(folder, tmp_path / "same")
    assert set(distances) == {"grey_levels", "power_spectrum", "edge_profile", "contrast"}
    assert distances == dict.fromkeys(distances, 0.0)
    sheet = cv2.imread(str(tmp_path / "same" / "sheet.png"), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(sheet[:240], sheet[240:])
    assert (tmp_path / "same" / "statistics.png").stat().st_size > 1000


def test_another_instrument_is_far_away(folder, tmp_path):
    distances = compare(folder, tmp_path / "other", "--instrument", "embryoscope_plus")
    assert distances["grey_levels"] > 0.05
    assert min(distances.values()) > 0


def test_blur_shows_in_spectrum_and_edges():
    image = compare_phantoms.crop_middle(draw_frame(1).image, 256)
    sharp, blurred = (compare_phantoms.measure(window) for window in (image, cv2.GaussianBlur(image, (0, 0), 3)))
    assert (blurred["power_spectrum"][-40:] < sharp["power_spectrum"][-40:] - 1).all()
    rise = [np.diff(measured["edge_profile"]).max() for measured in (sharp, blurred)]
    assert rise[1] < 0.6 * rise[0]
