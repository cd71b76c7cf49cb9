"""How many of what: outcomes that add up, and grades by period, instrument and well."""

import pandas as pd

from embryofrag.records import TROUBLE, Outcome
from embryofrag.report.contents import Table
from embryofrag.report.groups import grade_rows, group_rows
from embryofrag.report.periods import label_periods
from embryofrag.report.source import Results

_GROUP_NOTE = (
    "One row a group of embryos. `graded`: embryos with at least one graded frame, the denominator of every share. "
    "Means and medians are of the embryos' median ratios. `share_above_25`: ratio .25 or more. "
    "low95 and high95: 95 % Wilson score interval."
)


def summary_tables(results: Results, by: str) -> tuple[Table, ...]:
    """Outcomes, grades, and grades by group.

    Args:
        results: What to sum up.
        by: ``week`` or ``month``.
    """
    grades = results.grading.grade_scheme.grades
    embryos = results.embryos.assign(period=label_periods(results.embryos["date"], by))
    groups = {
        "by_period": (f"Embryos by {by}", ["period"]),
        "by_instrument": ("Embryos by instrument", ["instrument"]),
        "by_well": ("Embryos by well", ["well"]),
        "by_period_instrument_well": (f"Embryos by {by}, instrument and well", ["period", "instrument", "well"]),
    }
    return (
        outcome_table(results),
        grade_table(results),
        *(
            Table(name=name, title=title, note=_GROUP_NOTE, data=group_rows(embryos, keys, grades))
            for name, (title, keys) in groups.items()
        ),
    )


def outcome_table(results: Results) -> Table:
    """Every file found once; the rows add up to the last."""
    counts = results.files["outcome"].value_counts()
    graded = results.frames[results.frames["outcome"] == Outcome.GRADED]
    num_referred = int(graded["referred"].sum())
    rows = [("graded, not referred", len(graded) - num_referred), ("graded, referred", num_referred)]
    others = [outcome for outcome in Outcome if outcome not in (Outcome.GRADED, Outcome.UNCHANGED)]
    rows += [(f"{outcome}{' *' if outcome in TROUBLE else ''}", int(counts.get(outcome, 0))) for outcome in others]
    found = len(results.files)
    rows.append(("files found", found))
    data = pd.DataFrame(rows, columns=["outcome", "files"])
    return Table(
        name="outcomes",
        title="Files found",
        note="Every file found has one outcome; the rows add up to the last. The share is of the files found. An "
        "asterisk: the file is in trouble. Referred: a person should look at it, see `refer_reasons`.",
        data=data.assign(share=data["files"] / found),
    )


def grade_table(results: Results) -> Table:
    """Shares of the grades among graded embryos."""
    scheme = results.grading.grade_scheme
    data = grade_rows(results.embryos["grade"], scheme.grades)
    if "final_grade" in results.embryos:
        final = results.embryos["final_grade"].value_counts()
        data["embryos_after_overrides"] = [int(final.get(grade, 0)) for grade in scheme.grades]
    num_ungraded = int(results.embryos["grade"].isna().sum())
    return Table(
        name="grades",
        title=f"Grades by scheme {scheme.label}",
        note=f"An embryo's grade is that of the median ratio over its graded frames (denominator: "
        f"{results.grading.denominator}). Shares are of the {int(data['embryos'].sum())} embryos with a grade, with "
        f"95 % Wilson score intervals; {num_ungraded} embryos have no graded frame.",
        data=data,
    )
