"""Control charts: points against limits from a frozen baseline, and the rules that say when to look.

| rule   | raised where                                                                          | meaning         |
|--------|---------------------------------------------------------------------------------------|-----------------|
| `1_2s` | a point is more than 2 standard deviations from the centre                              | warning         |
| `1_3s` | a point is more than 3 from it                                                          | out of control  |
| `2_2s` | it and the point before are more than 2 from it, on one side                            | out of control  |
| `4_1s` | it and the three points before are more than 1 from it, on one side                     | out of control  |
| `10_x` | it and the nine points before lie on one side of the centre                             | out of control  |

Westgard, Barry, Hunt and Groth 1981, Clinical Chemistry 27:493. `R_4s` compares two controls of one run and has no
counterpart in a series of single points.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

WARNING_RULE = "1_2s"
RULES = (WARNING_RULE, "1_3s", "2_2s", "4_1s", "10_x")
"""Every rule, in the order in which they are reported."""

_RUN_RULES = (("2_2s", 2, 2.0), ("4_1s", 4, 1.0), ("10_x", 10, 0.0))
"""Rule, points in a row, distance that each of them exceeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Centre and standard deviation of a chart's points; nan where the baseline does not give them."""

    centre: float
    sigma: float


def level_limits(values: Sequence[float]) -> Limits:
    """Return the limits of a Levey-Jennings chart: mean and standard deviation (n - 1) of the baseline's points.

    >>> level_limits([1.0, 2.0, 3.0])
    Limits(centre=2.0, sigma=1.0)
    """
    values_N = np.asarray(values, np.float64)
    if len(values_N) < 2:
        return Limits(centre=np.nan, sigma=np.nan)
    return Limits(centre=float(values_N.mean()), sigma=float(values_N.std(ddof=1)))


def share_sigma(centre: float, count: int) -> float:
    """Return the standard deviation of a share of ``count`` cases on a p-chart; nan of nothing.

    >>> round(share_sigma(0.2, 100), 4)
    0.04
    """
    return float(np.sqrt(centre * (1 - centre) / count)) if count else np.nan


def control_flags(distances: Sequence[float], restarts: Collection[int] = ()) -> list[tuple[str, ...]]:
    """Return the rules that each point raises, in the order of `RULES`.

    Args:
        distances: Distance of each point from the centre in standard deviations; nan for a point that is not judged.
            Such a point neither adds to a row of points nor ends it.
        restarts: Places of points before which something was changed: rows of points begin anew there.

    >>> control_flags([0.5, 2.5, 2.1, -3.2])
    [(), ('1_2s',), ('1_2s', '2_2s'), ('1_2s', '1_3s')]
    >>> control_flags([2.5, 2.1], restarts={1})
    [('1_2s',), ('1_2s',)]
    """
    flags, row = [], []
    for place, distance in enumerate(distances):
        if place in restarts:
            row = []
        if np.isnan(distance):
            flags.append(())
            continue
        row = [*row, distance][-max(length for _, length, _ in _RUN_RULES) :]
        raised = {WARNING_RULE: abs(distance) > 2, "1_3s": abs(distance) > 3}
        raised |= {rule: _one_sided(row[-length:], length, beyond) for rule, length, beyond in _RUN_RULES}
        flags.append(tuple(rule for rule in RULES if raised[rule]))
    return flags


def _one_sided(row: Sequence[float], length: int, beyond: float) -> bool:
    """Whether there are so many points and all lie further than this from the centre, on one side."""
    return len(row) == length and (min(row) > beyond or max(row) < -beyond)
