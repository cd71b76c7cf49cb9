"""Dates gathered into weeks and months."""

from datetime import date, timedelta

import pandas as pd

PERIODS = ("week", "month")


def label_periods(dates: pd.Series, by: str) -> pd.Series:
    """Name the period of each date: ISO week ``2024-W42`` or month ``2024-10``; missing stays missing.

    >>> label_periods(pd.Series(pd.to_datetime(["2024-12-30"])), "week").tolist()
    ['2025-W01']
    """
    if by == "month":
        return dates.dt.strftime("%Y-%m").astype("str")
    return dates.dt.strftime("%G-W%V").astype("str")


def period_start(label: str) -> date:
    """First day of a period.

    >>> period_start("2025-W01"), period_start("2024-10")
    (datetime.date(2024, 12, 30), datetime.date(2024, 10, 1))
    """
    year, _, part = label.partition("-")
    return date.fromisocalendar(int(year), int(part[1:]), 1) if part.startswith("W") else date(int(year), int(part), 1)


def period_end(label: str) -> date:
    """Last day of a period.

    >>> period_end("2025-W01"), period_end("2024-12")
    (datetime.date(2025, 1, 5), datetime.date(2024, 12, 31))
    """
    start = period_start(label)
    if "W" in label:
        return start + timedelta(days=6)
    return date(start.year + start.month // 12, start.month % 12 + 1, 1) - timedelta(days=1)
