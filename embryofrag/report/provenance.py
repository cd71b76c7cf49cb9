"""With what, from what and how these numbers were made."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from embryofrag.report.contents import Table
from embryofrag.report.source import Results


def provenance_tables(results: Results, made: Mapping[str, object]) -> tuple[Table, ...]:
    """run.json and the report's own options, line by line; then the models and engines behind the frames.

    Args:
        results: What the report is of.
        made: How the report was made.
    """
    lines = [*_flatten("report", made), *_flatten("run", results.run)]
    columns = ["model", "engine_a", "engine_b", "scheme", "denominator"]
    graded = results.frames[results.frames["ratio_reg"].notna()]
    models = graded.groupby(columns, sort=False, dropna=False).size().rename("frames").reset_index()
    return (
        Table(
            name="provenance",
            title="Provenance",
            note="report: how this report was made. run: run.json of the last run.",
            data=pd.DataFrame(lines, columns=["name", "value"]),
        ),
        Table(
            name="models",
            title="Models and engines",
            note="Graded frames by what graded them; more than one row means that results of different models or "
            "settings stand side by side.",
            data=models,
        ),
    )


def _flatten(name: str, value: object) -> Iterator[tuple[str, str]]:
    """Leaves of nested mappings and lists as (dotted name, text).

    >>> list(_flatten("run", {"engines": {"backend": "openvino"}, "windows": [{"n": 1}], "pattern": None}))
    [('run.engines.backend', 'openvino'), ('run.windows.0.n', '1'), ('run.pattern', '')]
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flatten(f"{name}.{key}", inner)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for place, inner in enumerate(value):
            yield from _flatten(f"{name}.{place}", inner)
    else:
        yield name, "" if value is None else str(value)
