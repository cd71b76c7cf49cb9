"""What no archive says: patient, operator, instrument and date, joined by embryo or slide from a person's CSV."""

from pathlib import Path

import pandas as pd

from embryofrag.errors import UsageError
from embryofrag.report.user_table import parse_dates, read_user_table

CONTEXT_COLUMNS = ("instrument", "date", "patient", "operator")
"""What is known of an embryo beside its frames; patient is the slide where nothing else is said."""


def add_context(frames: pd.DataFrame, path: Path | None) -> pd.DataFrame:
    """Overlay frames with a CSV of the columns embryo or slide, and any of `CONTEXT_COLUMNS`.

    Args:
        frames: With every one of `CONTEXT_COLUMNS`, as far as names give them; cells that the CSV fills take their
            place.
        path: The CSV; None: as they are.

    Raises:
        UsageError: wrong columns, a key named twice or found nowhere, or a date that is none.
    """
    if path is None:
        return frames
    table = read_user_table(path, "--context", (), ("embryo", "slide", *CONTEXT_COLUMNS))
    keys = [key for key in ("embryo", "slide") if table[key].notna().any()]
    if len(keys) != 1 or table[keys[0]].isna().any():
        raise UsageError(f"--context {path} needs one filled column that says whose rows they are: embryo or slide")
    (key,) = keys
    if (twice := table[key].duplicated()).any():
        raise UsageError(f"--context {path} names {key} {table.loc[twice, key].iloc[0]} twice")
    if (strange := ~table[key].isin(frames[key])).any():
        raise UsageError(f"--context {path} names {key} {table.loc[strange, key].iloc[0]}, which the run does not hold")
    table["date"] = parse_dates(table["date"], table["line"], f"--context {path}")
    table = table.set_index(key)
    told = {name: frames[key].map(table[name]) for name in CONTEXT_COLUMNS}
    return frames.assign(**{name: values.where(values.notna(), frames[name]) for name, values in told.items()})
