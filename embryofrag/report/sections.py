"""From results to a whole report: the one place that knows what stands where."""

from datetime import date

import pandas as pd

from embryofrag.report.about import about_tables
from embryofrag.report.agreement import agreement_tables
from embryofrag.report.baseline import MIN_POINTS, Baseline, read_baseline
from embryofrag.report.bias import bias_table
from embryofrag.report.calibration import calibration_tables
from embryofrag.report.choices import ReportChoices
from embryofrag.report.contents import Contents, Table
from embryofrag.report.control import (
    MEASURES,
    ControlChart,
    baseline_limits,
    control_charts,
    control_series,
    default_span,
)
from embryofrag.report.drift import baseline_samples, drift_table, embryo_samples
from embryofrag.report.failures import failure_tables
from embryofrag.report.human import read_human
from embryofrag.report.provenance import provenance_tables
from embryofrag.report.source import Results
from embryofrag.report.summary import summary_tables

EMBRYO_NOTE = (
    "One row an embryo. ratio_median: median of ratio_reg over the graded frames, which the grade follows; ratio_iqr: "
    "distance of the quartiles; ratio_last: of the latest time point; day2, day3: frames of 43-45 h and 67-69 h. "
    "grade is the machine's; final_grade, where there are overrides, the person's or else the machine's."
)
FRAME_NOTE = (
    "One row a frame, in the order of the archive. ratio_reg (module B) is the reported ratio; ratio_mask comes from "
    "module A's masks; ratio_lo90 to ratio_hi90 is the 90 % interval of a model with a calibration."
)
_CONTROL_NOTE = (
    "Levey-Jennings charts of means and p-charts of shares, one point a {by}. {baseline} Centre and limits come from "
    "the baseline alone and stay frozen: of means, the mean and standard deviation of its points (20 are customary, at "
    "least {min_points} are needed); of shares, its pooled share p and 3 sqrt(p (1 - p) / n) at each point. Points of "
    "fewer than {min_n} cases are drawn and not judged. flags (Westgard): 1_2s one point beyond 2 s (a warning); "
    "1_3s one beyond 3 s; 2_2s two in a row beyond 2 s on one side; 4_1s four in a row beyond 1 s on one side; 10_x "
    "ten in a row on one side. At a known change (--change) the rules over several points begin anew. Embryos without "
    "a date have no point."
)


def make_contents(
    results: Results, choices: ReportChoices, made: dict[str, object]
) -> tuple[Contents, Baseline | None]:
    """Compute every table and chart.

    Args:
        results: What to report, overrides joined.
        choices: What was asked for.
        made: How the report is made, for the provenance.

    Returns:
        The contents, and the baseline that was used.

    Raises:
        UsageError: a file that was named cannot be read or joined.
    """
    scheme = results.grading.grade_scheme
    human = None if choices.human is None else read_human(choices.human, results)
    series = control_series(results, choices.by)
    samples = embryo_samples(results)
    baseline, whence = find_baseline(series, samples, choices, scheme.label)
    charts = control_charts(series, baseline, choices.changes, choices.min_n)
    sections = {
        "about": about_tables(results),
        "summary": summary_tables(results, choices.by),
        "embryos": (Table(name="embryos", title="Embryos", note=EMBRYO_NOTE, data=results.embryos),),
        "frames": (Table(name="frames", title="Frames", note=FRAME_NOTE, data=results.frames),),
        "control": (control_table(charts, choices, whence),),
        "agreement": agreement_tables(human, scheme),
        "bias": (bias_table(results),),
        "calibration": calibration_tables(human),
        "drift": (drift_table(samples, baseline),),
        "failures": failure_tables(results),
        "provenance": provenance_tables(results, made | {"baseline": whence}),
    }
    return Contents(results=results, sections=sections, charts=charts), baseline


def find_baseline(
    series: dict[str, pd.DataFrame], samples: pd.DataFrame, choices: ReportChoices, scheme: str
) -> tuple[Baseline | None, str]:
    """The baseline to judge by, and where it comes from in words.

    A stored one, else the stretch that was named, else the first periods with enough cases, else none.

    Raises:
        UsageError: a stored baseline cannot be used.
    """
    if choices.baseline_file is not None:
        baseline = read_baseline(choices.baseline_file, by=choices.by, scheme=scheme)
        return baseline, f"Baseline: {baseline.start} to {baseline.end}, from {choices.baseline_file.name}."
    span = choices.baseline_span or default_span(series, choices.min_n)
    if span is None:
        return None, (
            f"There is no baseline and so no limits: name one by --baseline START END, or grade more than {MIN_POINTS} "
            f"{choices.by}s of at least {choices.min_n} graded embryos."
        )
    named = (
        "as named"
        if choices.baseline_span
        else (f"the first {MIN_POINTS} {choices.by}s of at least {choices.min_n} graded embryos, since none was named")
    )
    return _baseline(series, samples, span, choices, scheme), f"Baseline: {span[0]} to {span[1]}, {named}."


def control_table(charts: tuple[ControlChart, ...], choices: ReportChoices, whence: str) -> Table:
    """Points of all charts, one below the other."""
    points = [chart.points.assign(chart=MEASURES[chart.measure].title, instrument=chart.instrument) for chart in charts]
    table = pd.concat(points, ignore_index=True) if points else pd.DataFrame()
    first = ["chart", "instrument"]
    note = _CONTROL_NOTE.format(by=choices.by, baseline=whence, min_points=MIN_POINTS, min_n=choices.min_n)
    data = table[[*first, *(name for name in table if name not in first)]]
    return Table(name="control", title="Control charts", note=note, data=data)


def _baseline(
    series: dict[str, pd.DataFrame], samples: pd.DataFrame, span: tuple[date, date], choices: ReportChoices, scheme: str
) -> Baseline:
    return Baseline(
        start=span[0],
        end=span[1],
        by=choices.by,
        scheme=scheme,
        limits=baseline_limits(series, span, choices.min_n),
        samples=baseline_samples(samples, span),
    )
