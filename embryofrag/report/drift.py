"""Whether pictures and ratios still look as they did in the baseline, without any human grade."""

from collections.abc import Mapping
from datetime import date

import numpy as np
import pandas as pd

from embryofrag.report.baseline import Baseline
from embryofrag.report.contents import Table
from embryofrag.report.control import ALL_INSTRUMENTS
from embryofrag.report.periods import label_periods, period_end, period_start
from embryofrag.report.source import Results
from embryofrag.statistics.drift import distribution_shift, stability_by_chance, stability_index

MEASURES = {
    "ratio": "median ratio of the embryo (module B)",
    "disagreement": "median |module A - module B|",
    "focus": "median focus score",
    "embryo_area_px": "median embryo area in pixels of the frame",
}
"""What is compared, by name; one value an embryo."""

NOTE = (
    "One row a measure, instrument and month outside of the baseline; one value an embryo: "
    + "; ".join(f"{name}: {meaning}" for name, meaning in MEASURES.items())
    + ". PSI: population stability index over ten bins of equal baseline share; psi_by_chance: what an unmoved month "
    "of this size stays below in 95 of 100 cases, so that only a PSI above it says anything (customary words: below "
    ".10 little, above .25 much). ks_distance, ks_p: two-sample Kolmogorov-Smirnov test, for embryos taken as "
    "independent. Of many rows some p are small by chance."
)


def embryo_samples(results: Results) -> pd.DataFrame:
    """One row a graded, dated embryo: date, instrument and `MEASURES`."""
    graded = results.frames[results.frames["ratio_reg"].notna()]
    values = graded.assign(
        ratio=graded["ratio_reg"],
        disagreement=(graded["ratio_reg"] - graded["ratio_mask"]).abs(),
        embryo_area_px=graded["embryo_area_px"].astype("float64"),
    )
    medians = values.groupby("embryo", sort=False)[list(MEASURES)].median().reset_index()
    return results.embryos[["embryo", "date", "instrument"]].merge(medians, on="embryo").dropna(subset=["date"])


def baseline_samples(samples: pd.DataFrame, span: tuple[date, date]) -> dict[str, tuple[float, ...]]:
    """Sorted values of each measure and instrument inside a stretch of time, by `sample_key`."""
    inside = samples[samples["date"].between(pd.Timestamp(span[0]), pd.Timestamp(span[1]))]
    kept = {}
    for instrument, rows in _by_instrument(inside):
        for measure in MEASURES:
            # sorted and rounded: a stored baseline tells nothing about any one embryo
            kept[sample_key(measure, instrument)] = tuple(np.sort(rows[measure].dropna().round(6)).tolist())
    return kept


def sample_key(measure: str, instrument: str) -> str:
    return f"{measure}|{instrument}"


def drift_table(samples: pd.DataFrame, baseline: Baseline | None) -> Table:
    """Months outside of the baseline against it; says so where there is no baseline."""
    title = "Drift against the baseline"
    if baseline is None:
        hint = "There is no baseline to compare with. Name one by --baseline START END."
        return Table(name="drift", title=title, note=hint, data=pd.DataFrame())
    months = samples.assign(month=label_periods(samples["date"], "month"))
    rows = [
        row
        for instrument, group in _by_instrument(months)
        for month, values in group.groupby("month")
        if not _overlaps(month, baseline)
        for row in _rows(instrument, month, values, baseline.samples)
    ]
    note = f"Baseline {baseline.start} to {baseline.end}. {NOTE}"
    return Table(name="drift", title=title, note=note, data=pd.DataFrame(rows))


def _rows(instrument: str, month: str, values: pd.DataFrame, samples: Mapping[str, tuple[float, ...]]) -> list[dict]:
    rows = []
    for measure in MEASURES:
        before = np.array(samples.get(sample_key(measure, instrument), ()))
        now = values[measure].dropna().to_numpy()
        distance, p = distribution_shift(before, now)
        rows.append(
            {
                "measure": measure,
                "instrument": instrument,
                "month": month,
                "embryos": len(now),
                "median": np.median(now) if len(now) else np.nan,
                "baseline_embryos": len(before),
                "baseline_median": np.median(before) if len(before) else np.nan,
                "psi": stability_index(before, now),
                "psi_by_chance": stability_by_chance(len(before), len(now)),
                "ks_distance": distance,
                "ks_p": p,
            }
        )
    return rows


def _by_instrument(samples: pd.DataFrame):
    """(instrument, its rows), all instruments together first; alone where there is but one."""
    yield ALL_INSTRUMENTS, samples
    if samples["instrument"].nunique() > 1:
        yield from samples.groupby("instrument")


def _overlaps(month: str, baseline: Baseline) -> bool:
    return period_start(month) <= baseline.end and baseline.start <= period_end(month)
