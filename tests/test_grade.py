"""The whole way from an archive to its results."""

import json
import sqlite3
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest
from conftest import contents, run_grade, state_of

from embryofrag.archive import scan_archive
from embryofrag.engine.model import read_model
from embryofrag.engine.select import choose_engine
from embryofrag.errors import EmbryofragError
from embryofrag.grading.frame import GradingSettings
from embryofrag.records import Outcome
from embryofrag.run.job import Job
from embryofrag.run.outputs import Outputs
from embryofrag.run.settings import RunSettings, read_calibration
from embryofrag.run.supervisor import Clock, Supervisor

FRAME_COLUMNS = [
    "frame", "source", "run", "hpi", "focal_um", "um_per_px", "outcome", "ratio_mask", "ratio_reg", "grade", "scheme",
    "denominator", "fragment_area_px", "embryo_area_px", "num_fragments", "referred", "refer_reasons", "model",
    "engine_a", "engine_b", "ratio_lo90", "ratio_hi90", "grade_probabilities", "in_scope",
]  # fmt: skip


@pytest.fixture(scope="module")
def graded(drawn_export, model_dir, tmp_path_factory):
    """One run over the drawn export, with every kind of output."""
    out = tmp_path_factory.mktemp("graded") / "out"
    before = state_of(drawn_export)
    run = run_grade(drawn_export, out, model_dir, "--overlays")
    assert state_of(drawn_export) == before, "the archive was touched"
    return run, out


def test_it_ends_well_and_says_where_to_look(graded):
    run, out = graded
    assert run.returncode == 0, run.stderr
    assert str(out) in run.stdout
    assert "files found" in run.stdout
    assert "UNTRAINED" in run.stdout
    assert "auto: took openvino-fp32" in run.stderr


def test_every_file_has_one_row(graded, drawn_export):
    _, out = graded
    files = pd.read_csv(out / "files.csv", keep_default_na=False)
    assert list(files.columns) == ["source", "embryo", "outcome", "reason"]
    on_disk = {path.relative_to(drawn_export).as_posix() for path in drawn_export.rglob("*") if path.is_file()}
    assert len(files) == len(on_disk)
    assert set(files["source"]) == on_disk
    assert set(files["outcome"]) <= {str(outcome) for outcome in Outcome}


def test_frames_have_their_rows_in_the_order_of_their_runs(graded):
    _, out = graded
    tables = sorted((out / "embryos").glob("*.csv"))
    assert len(tables) == 3
    for table in tables:
        frames = pd.read_csv(table)
        assert list(frames.columns) == FRAME_COLUMNS
        assert frames["run"].is_monotonic_increasing
        assert frames["model"].str.startswith("UNTRAINED").all()
        assert (frames["um_per_px"] == 0.5814).all()
        assert (frames["focal_um"] == 0).all()
        rows = frames[frames["outcome"] == "graded"]
        inside = rows["fragment_area_px"] / rows["embryo_area_px"]
        np.testing.assert_allclose(rows["ratio_mask"], inside, atol=5e-5)
        assert rows["ratio_reg"].between(0, 1).all()
        assert frames["in_scope"].isna().all()


def test_masks_lie_on_the_frame_pixel_for_pixel(graded, drawn_export):
    _, out = graded
    for table in (out / "embryos").glob("*.csv"):
        frames = pd.read_csv(table)
        for row in frames[frames["outcome"] == "graded"].itertuples():
            picture = cv2.imread(str(drawn_export / row.source), cv2.IMREAD_GRAYSCALE)
            masks = [
                cv2.imread(str(out / "masks" / table.stem / f"{row.frame}{kind}.png"), cv2.IMREAD_UNCHANGED)
                for kind in ("", ".embryo")
            ]
            for mask in masks:
                assert mask.shape == picture.shape
                assert set(np.unique(mask)) <= {0, 255}
            assert np.count_nonzero(masks[1]) == row.embryo_area_px
            assert np.count_nonzero(masks[0] & masks[1]) == row.fragment_area_px
            assert (out / "overlays" / table.stem / f"{row.frame}.jpg").is_file()


def test_one_row_an_embryo_sums_its_frames_up(graded):
    _, out = graded
    embryos = pd.read_csv(out / "embryos.csv").set_index("embryo")
    for table in (out / "embryos").glob("*.csv"):
        frames = pd.read_csv(table)
        row = embryos.loc[table.stem]
        assert row["num_frames"] == len(frames)
        assert row["num_graded"] == (frames["outcome"] == "graded").sum()
        assert row["ratio_median"] == pytest.approx(frames["ratio_reg"].median(), abs=1e-4)


def test_the_record_adds_up(graded):
    _, out = graded
    record = json.loads((out / "run.json").read_text())
    assert record["schema_version"] == 1
    assert sum(record["counts"].values()) == record["files_found"]
    assert sum(record["standing"].values()) == record["files_found"]
    assert record["model"]["label"].startswith("UNTRAINED")
    assert not record["model"]["trained"]


def test_a_second_run_has_nothing_to_do_and_changes_no_byte(graded, drawn_export, model_dir):
    _, out = graded
    before = contents(out)
    again = run_grade(drawn_export, out, model_dir, "--overlays")
    assert again.returncode == 0
    record = json.loads((out / "run.json").read_text())
    assert record["counts"] == {"unchanged": record["files_found"]}
    assert contents(out) == before


@pytest.mark.parametrize("options", [("--batch-size", "1"), ("--batch-size", "5", "--threads", "1")], ids=" ".join)
def test_batches_and_threads_change_no_byte(graded, drawn_export, model_dir, tmp_path, options):
    _, out = graded
    run_grade(drawn_export, tmp_path / "out", model_dir, "--overlays", *options)
    assert contents(tmp_path / "out") == contents(out)


def test_without_masks_no_mask_is_written_and_asking_later_brings_them(drawn_export, model_dir, tmp_path):
    out = tmp_path / "out"
    run_grade(drawn_export, out, model_dir, "--no-masks")
    assert not (out / "masks").exists()
    run_grade(drawn_export, out, model_dir)
    masks = {path.stem for path in (out / "masks").rglob("*.png")}
    assert masks


def test_another_scheme_grades_again(drawn_export, model_dir, tmp_path):
    out = tmp_path / "out"
    run_grade(drawn_export, out, model_dir, "--no-masks")
    run_grade(drawn_export, out, model_dir, "--no-masks", "--scheme", "istanbul-2011")
    embryos = pd.read_csv(out / "embryos.csv")
    assert set(embryos["scheme"]) == {"istanbul-2011/1"}


def test_a_file_that_leaves_the_archive_leaves_the_tables_but_not_the_ledger(export, model_dir, tmp_path):
    out = tmp_path / "out"
    run_grade(export, out, model_dir)
    gone = sorted(export.rglob("*.JPG"))[0]
    gone.unlink()
    run_grade(export, out, model_dir)
    source = gone.relative_to(export).as_posix()
    assert source not in set(pd.read_csv(out / "files.csv")["source"])
    with sqlite3.connect(out / "ledger.sqlite") as ledger:
        assert ledger.execute("SELECT count(*) FROM items WHERE source = ?", (source,)).fetchone() == (1,)


def test_a_changed_file_is_graded_again_and_its_neighbours_are_not(export, model_dir, tmp_path):
    out = tmp_path / "out"
    run_grade(export, out, model_dir)
    first = sorted(export.rglob("*.JPG"))[0]
    picture = cv2.imread(str(first), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(first), picture[::-1])
    run_grade(export, out, model_dir)
    record = json.loads((out / "run.json").read_text())
    assert record["frames_read"] == 1
    assert record["counts"]["unchanged"] == record["files_found"] - 1


def test_copies_and_contradictions_are_told_apart(export, model_dir, tmp_path):
    out = tmp_path / "out"
    first, second = sorted(export.rglob("*.JPG"))[:2]
    copy = export / "copied" / first.name
    copy.parent.mkdir()
    copy.write_bytes(first.read_bytes())
    other = export / "copied" / second.name
    cv2.imwrite(str(other), cv2.imread(str(second), cv2.IMREAD_GRAYSCALE)[::-1])
    run = run_grade(export, out, model_dir)
    files = pd.read_csv(out / "files.csv", keep_default_na=False)
    outcomes = files["outcome"].value_counts()
    assert outcomes["duplicate"] == 1
    assert outcomes["conflict"] == 1
    assert run.returncode == 3
    reasons = files.set_index("outcome")["reason"]
    assert reasons["duplicate"].startswith("same bytes as ")
    assert "but another picture" in reasons["conflict"]


def test_a_model_with_a_calibration_gives_intervals_and_probabilities(drawn_export, model_dir, tmp_path):
    values = {"alpha": 0.1, "floor": 0.05, "quantile": 1.5, "residuals": [-1.0, 0.0, 1.0], "num_frames": 30}
    grading = GradingSettings()
    calibration = read_calibration(replace(read_model(model_dir), calibration=values), grading)
    settings = RunSettings(grading=grading, calibration=calibration, masks=False)
    choice = choose_engine(model_dir)
    job = Job(choice=choice, settings=settings, outputs=Outputs(tmp_path), result_key="k")
    items = list(Supervisor(job, seen=dict, clock=Clock()).grade(scan_archive(drawn_export).frames[:3]))
    for item in items:
        half = 1.5 * (0.05 + abs(item.ratio_reg - item.ratio_mask))
        assert item.ratio_lo90 == pytest.approx(max(0.0, item.ratio_reg - half))
        assert item.ratio_hi90 == pytest.approx(min(1.0, item.ratio_reg + half))
        shares = dict(cell.split("=") for cell in item.grade_probabilities.split())
        assert list(shares) == ["A", "B", "C", "D"]
        assert sum(map(float, shares.values())) == pytest.approx(1, abs=0.02)


def test_a_calibration_for_another_interval_is_refused(model_dir):
    values = {"alpha": 0.2, "floor": 0.05, "quantile": 1.5, "residuals": [0.0], "num_frames": 30}
    model = replace(read_model(model_dir), calibration=values)
    with pytest.raises(EmbryofragError, match="80% intervals"):
        read_calibration(model, GradingSettings())
    assert read_calibration(model, GradingSettings(denominator="image")) is None
