"""What measures the reference model, on rows and masks written here."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from drawn_labels import draw_masks, paired, write_manifest, write_png

TOOLS = Path(__file__).resolve().parents[1] / "tools"
sys.path.insert(0, str(TOOLS))

import ablation  # noqa: E402
import reference_card_text  # noqa: E402
import reference_figures  # noqa: E402
import reference_model  # noqa: E402

from embryofrag.grading.schemes import SCHEMES  # noqa: E402
from embryofrag.phantom.element import check_elements  # noqa: E402
from embryofrag.training.initial import initial_parts  # noqa: E402
from embryofrag.training.locator import open_locator  # noqa: E402
from embryofrag.training.manifest import read_manifest  # noqa: E402


@pytest.fixture
def answered(tmp_path):
    """Three frames with an embryo: one answered exactly, one with half its embryo, one refused."""
    rows = read_manifest(
        write_manifest(tmp_path, [paired(tmp_path, seed, stage="2-cell") for seed in range(3)]), SCHEMES["regdeeplab"]
    )
    fragment, embryo = draw_masks()
    half = embryo.copy()
    half[:20] = False
    (tmp_path / "masks").mkdir()
    frames = []
    for row, mask, outcome in zip(rows, (embryo, half, None), ("graded", "graded", "no_embryo"), strict=True):
        stem = row.image.stem
        answer = {"embryo": stem, "frame": stem, "outcome": outcome, "referred": "false"}
        answer |= {"ratio_reg": "", "ratio_mask": ""}
        if mask is not None:
            (tmp_path / "masks" / stem).mkdir()
            write_png(tmp_path / "masks" / stem / f"{stem}.png", fragment)
            write_png(tmp_path / "masks" / stem / f"{stem}.embryo.png", mask)
            answer |= {"ratio_reg": f"{row.ratio + 0.1}", "ratio_mask": f"{row.ratio}", "referred": "true"}
        frames.append(reference_figures.Graded(answer=answer, results=tmp_path, image=row.image, row=row))
    return frames


def test_scores_are_those_of_the_written_masks_and_rows(answered):
    scores = reference_figures.score_embryos(answered)["all"]
    embryo = draw_masks()[1]
    half = embryo.copy()
    half[:20] = False
    of_half = 2 * half.sum() / (half.sum() + embryo.sum())
    assert scores["embryo_dice"] == pytest.approx((1 + of_half + 0) / 3, abs=1e-5)
    assert scores["fragment_dice_pooled"] == pytest.approx(2 * 2 / (2 + 3), abs=1e-5)
    assert scores["fragment_dice_per_image"] == pytest.approx(2 / 3, abs=1e-5)
    assert scores["ratio_reg_mae"] == pytest.approx(0.1) and scores["ratio_mask_mae"] == pytest.approx(0, abs=1e-6)
    assert scores["not_graded_share"] == pytest.approx(1 / 3, abs=1e-5)
    assert scores["referred_share"] == pytest.approx(2 / 3, abs=1e-5)
    assert scores["num_frames"] == 3 and scores["ratio_reg_fragment_free"] is None


def test_refusals_add_up(answered):
    counts = reference_figures.count_refusals(answered)
    assert counts["num_frames"] == 3 and counts["passed_share"] == pytest.approx(0, abs=1e-5)
    assert counts["no_embryo_share"] + counts["referred_share"] == pytest.approx(1, abs=1e-5)


def test_a_mask_that_jumps_has_left_its_neighbours():
    masks = np.zeros((9, 20, 20), bool)
    masks[:, 5:15, 5:15] = True
    masks[4] = np.roll(masks[4], 8, axis=1)
    overlaps = [reference_figures.neighbour_iou(masks, place) for place in range(9)]
    assert overlaps[4] < reference_figures.LEAVES_BELOW_IOU
    assert min(overlaps[:4] + overlaps[5:]) == 1.0


def test_the_sheet_shows_the_worst_frames(answered):
    assert reference_figures.error_of(answered[2]) == 1.0
    assert reference_figures.error_of(answered[1]) == pytest.approx(0.1)
    assert reference_figures.sheet_of_failures(answered).startswith(b"\xff\xd8")


@pytest.mark.parametrize(("value", "verdict"), [(0.96, "reached"), (0.94, "**missed**")])
def test_the_card_says_which_figures_were_missed(answered, value, verdict):
    values = reference_figures.score_embryos(answered)["all"] | {"embryo_dice": value}
    text = reference_card_text._format_scores(
        values, {"embryo_dice": "embryo Dice"}, reference_card_text.PHANTOM_TARGETS
    )
    assert f"| embryo Dice | {value:.3f} | >= 0.95 | {verdict} |" in text


def test_the_recipe_goes_on_from_the_shipped_weights():
    recipe = reference_model.MODULES_RECIPE
    assert recipe.module_a == recipe.module_b == recipe.experiment == "C"
    assert initial_parts(recipe.init) == ("backbone", "head", "decoder")
    assert open_locator(Path(recipe.locator)).module == "locator"


def test_the_head_learns_last_on_the_frozen_backbone_of_the_masks():
    recipe = reference_model.FINISHING_RECIPE
    assert (recipe.module_a, recipe.module_b) == ("C", "D")
    masks, head = recipe.lineage("D")
    assert masks.name == "C" and head.cache and "backbone" not in head.trainable


def test_the_card_shows_the_ablation_where_there_is_one():
    results = [{"variant": "without mosaics", "seed": seed, "embryo_dice": seed / 4} for seed in (1, 3)]
    text = reference_card_text._format_ablation({"ablation": results})
    assert "| without mosaics | 2 | 0.500 (0.250 to 0.750) |" in text
    assert "1,500 EmbryoScope phantoms" in text
    assert "tools/ablation.py" in reference_card_text._format_ablation({})


def test_the_last_pass_leaves_out_what_looks_like_late_embryos():
    first, last = (reference_model.FRAMES[name][2] for name in ("frames", "new"))
    assert {"morula", "degenerate"} <= set(first.out_of_scope_kinds) - set(last.out_of_scope_kinds)
    assert last.out_of_scope_share > 0


def test_the_ablation_leaves_out_elements_that_exist_and_tells_mean_and_range(tmp_path):
    for variant in ablation.VARIANTS.values():
        check_elements(variant.without)
        assert ablation.configure(variant, Path("reference"), 1).crop == variant.crop
    (tmp_path / "results").mkdir()
    for seed, value in enumerate((0.5, 0.6)):
        result = {"variant": "without mosaics", "seed": seed, "embryo_dice": value, "fragment_dice_pooled": None}
        (tmp_path / "results" / f"3-{seed}.json").write_text(json.dumps(result))
    ablation.write_table(tmp_path)
    lines = (tmp_path / "ablation.md").read_text().splitlines()
    assert lines[0] == "| trained on | seeds | embryo Dice | fragment Dice |"
    assert lines[2:] == ["| without mosaics | 2 | 0.550 (0.500 to 0.600) | - |"]
