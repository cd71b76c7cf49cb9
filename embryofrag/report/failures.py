"""What could not be graded, and why."""

import re

from embryofrag.records import TROUBLE, Outcome
from embryofrag.report.contents import Table
from embryofrag.report.source import Results

MAX_LISTED = 5000
"""Files in trouble that the report lists; `files.csv` of the run lists all."""


def failure_tables(results: Results) -> tuple[Table, ...]:
    """Reasons with their counts, then every file in trouble."""
    files = results.files[results.files["outcome"] != Outcome.GRADED]
    in_trouble = files["outcome"].isin(TROUBLE)
    counts = files.assign(in_trouble=in_trouble, kind=files["reason"].map(_kind))
    counts = counts.groupby(["in_trouble", "outcome", "kind"], sort=False).size().rename("files").reset_index()
    counts = counts.sort_values(["in_trouble", "files"], ascending=False, kind="stable")
    listed = files.loc[in_trouble, ["source", "embryo", "outcome", "reason"]]
    more = f" The first {MAX_LISTED} are listed; files.csv of the run has all." if len(listed) > MAX_LISTED else ""
    return (
        Table(
            name="reasons",
            title="Files without a grade, by reason",
            note=f"{len(files)} of {len(results.files)} files found have no grade; those in trouble come first. "
            "Numbers and names inside a reason are left out, so that like reasons count together.",
            data=counts.rename(columns={"kind": "reason"})[["outcome", "in_trouble", "reason", "files"]],
        ),
        Table(
            name="failures",
            title="Files in trouble",
            note=f"{len(listed)} of {len(results.files)} files found: {', '.join(sorted(TROUBLE))}. The next run tries "
            f"those again that failed.{more}",
            data=listed.head(MAX_LISTED).reset_index(drop=True),
        ),
    )


def _kind(reason: str) -> str:
    """A reason without what differs from file to file.

    >>> _kind("the same bytes as D1/RUN7.jpg"), _kind("")
    ('the same bytes as …', 'none given')
    """
    words = ("…" if re.search(r"[0-9/\\]", word) else word for word in reason.split(" "))
    return " ".join(words) or "none given"
