import math
from datetime import date

import numpy as np
import pandas as pd
import pytest
from drawn_results import write_results, year_items

from embryofrag.errors import UsageError
from embryofrag.report.baseline import MIN_POINTS, read_baseline, write_baseline
from embryofrag.report.choices import ReportChoices
from embryofrag.report.control import Change, chart_key, control_charts, control_series
from embryofrag.report.drift import drift_table, embryo_samples
from embryofrag.report.sections import find_baseline
from embryofrag.report.source import read_results

SPAN = (date(2024, 1, 1), date(2024, 4, 28))
CHOICES = ReportChoices(baseline_span=SPAN, min_n=5)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return read_results(write_results(tmp_path_factory.mktemp("control") / "out", year_items()))


@pytest.fixture(scope="module")
def series(results):
    return control_series(results, "week")


@pytest.fixture(scope="module")
def samples(results):
    return embryo_samples(results)


def charts_of(series, samples, choices=CHOICES):
    baseline, _ = find_baseline(series, samples, choices, "regdeeplab/1")
    return {chart.key: chart for chart in control_charts(series, baseline, choices.changes, choices.min_n)}, baseline


def test_points_are_the_means_of_their_weeks(results, series):
    points = series[chart_key("ratio", "all")]
    weeks = results.embryos["date"].dt.strftime("%G-W%V")
    expected = results.embryos.groupby(weeks)["ratio_median"].agg(["size", "mean"])
    assert points["period"].tolist() == expected.index.tolist()
    assert points["n"].tolist() == expected["size"].tolist()
    assert points["value"].to_numpy() == pytest.approx(expected["mean"].to_numpy())


def test_limits_come_from_the_baseline_alone(series, samples):
    charts, baseline = charts_of(series, samples)
    points = charts["ratio|all"].points
    inside = points[points["in_baseline"]]
    assert len(inside) >= MIN_POINTS
    assert points["centre"].dropna().unique() == pytest.approx([inside["value"].mean()])
    sigma = inside["value"].std()
    assert points["upper_3s"].dropna().unique() == pytest.approx([inside["value"].mean() + 3 * sigma])
    later = {key: points.assign(value=points["value"].where(points["start"] < "2024-05-01", 0.9))
             for key, points in series.items()}  # fmt: skip
    assert charts_of(later, samples)[1].limits["ratio|all"] == baseline.limits["ratio|all"]


def test_limits_of_a_share_widen_where_there_are_few_cases(series, samples):
    charts, _ = charts_of(series, samples)
    points = charts["above_25|all"].points.dropna(subset=["upper_3s"])
    centre = points["centre"].iloc[0]
    expected = np.minimum(1, centre + 3 * np.sqrt(centre * (1 - centre) / points["n"].astype(float)))
    assert points["upper_3s"].to_numpy() == pytest.approx(expected.to_numpy())


def test_the_shifted_incubator_is_out_of_control_and_the_other_is_not(series, samples):
    charts, _ = charts_of(series, samples)
    assert charts["ratio|I9270"].is_out_of_control
    assert not charts["ratio|I4778"].is_out_of_control
    assert (charts["ratio|I9270"].points.query("start < '2024-07-01'")["flags"] != "").sum() <= 2


def test_few_cases_are_drawn_and_not_judged(series, samples):
    choices = ReportChoices(baseline_span=SPAN, min_n=7)
    points = charts_of(series, samples, choices)[0]["ratio|all"].points
    few = points[points["n"] < 7]
    assert len(few)
    assert few["value"].notna().all()
    assert few["centre"].isna().all()
    assert (few["flags"] == "").all()


def test_a_change_is_marked_at_the_first_point_from_it_on(series, samples):
    choices = ReportChoices(baseline_span=SPAN, min_n=5, changes=(Change(day=date(2024, 7, 3), text="new lamp"),))
    points = charts_of(series, samples, choices)[0]["ratio|all"].points
    marked = points[points["change"] != ""]
    assert marked["change"].tolist() == ["2024-07-03 new lamp"]
    assert marked["start"].iloc[0] <= pd.Timestamp("2024-07-03") < marked["start"].iloc[0] + pd.Timedelta(days=7)


def test_without_enough_periods_there_are_no_limits_and_the_words_say_so(series, samples):
    short = {key: points.head(MIN_POINTS) for key, points in series.items()}
    baseline, whence = find_baseline(short, samples, ReportChoices(), "regdeeplab/1")
    assert baseline is None
    assert "no baseline" in whence
    assert drift_table(samples, None).data.empty


def test_the_default_is_the_first_periods(series, samples):
    baseline, whence = find_baseline(series, samples, ReportChoices(min_n=5), "regdeeplab/1")
    enough = series[chart_key("ratio", "all")].query("n >= 5")
    assert baseline.start == enough["start"].iloc[0].date()
    assert "since none was named" in whence


def test_a_stored_baseline_judges_as_it_did(series, samples, tmp_path):
    charts, baseline = charts_of(series, samples)
    path = tmp_path / "baseline.json"
    path.write_bytes(write_baseline(baseline))
    again, _ = charts_of(series, samples, ReportChoices(baseline_file=path, min_n=5))
    for key, chart in charts.items():
        pd.testing.assert_frame_equal(again[key].points, chart.points)


def test_a_stored_baseline_of_other_periods_or_none_is_refused(series, samples, tmp_path):
    path = tmp_path / "baseline.json"
    path.write_bytes(write_baseline(charts_of(series, samples)[1]))
    with pytest.raises(UsageError, match="was frozen with by week and this report has month"):
        read_baseline(path, by="month", scheme="regdeeplab/1")
    with pytest.raises(UsageError, match="was frozen with scheme"):
        read_baseline(path, by="week", scheme="istanbul-2011/1")
    path.write_text('{"baseline_schema": 1}')
    with pytest.raises(UsageError, match="is no stored baseline"):
        read_baseline(path, by="week", scheme="regdeeplab/1")
    with pytest.raises(UsageError, match="cannot be read"):
        read_baseline(tmp_path / "none.json", by="week", scheme="regdeeplab/1")


def test_drift_shows_where_ratios_have_moved_and_where_not(series, samples):
    _, baseline = charts_of(series, samples)
    rows = drift_table(samples, baseline).data.set_index(["measure", "instrument", "month"]).sort_index()
    moved = rows.loc[("ratio", "I9270")].iloc[-4:]
    still = rows.loc[("ratio", "I4778")]
    assert moved["ks_p"].median() < still["ks_p"].median()
    assert moved["median"].median() > 1.2 * moved["baseline_median"].iloc[0]
    assert rows.index.get_level_values("month").min() > "2024-04"


def test_a_stored_baseline_tells_nothing_about_any_embryo(series, samples):
    text = write_baseline(charts_of(series, samples)[1]).decode()
    assert "WELL" not in text
    assert not any(math.isnan(value) for value in charts_of(series, samples)[1].samples["ratio|all"])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"by": "day"}, "--by"),
        ({"delimiter": "|"}, "--delimiter"),
        ({"min_n": 0}, "--min-n"),
        ({"since": date(2024, 2, 1), "until": date(2024, 1, 1)}, "--since"),
        ({"baseline_span": (date(2024, 2, 1), date(2024, 1, 1))}, "starts after it ends"),
    ],
)
def test_choices_that_cannot_be_are_refused(options, match):
    with pytest.raises(UsageError, match=match):
        ReportChoices(**options)


def test_two_baselines_are_refused(tmp_path):
    with pytest.raises(UsageError, match="exclude each other"):
        ReportChoices(baseline_span=SPAN, baseline_file=tmp_path / "b.json")
