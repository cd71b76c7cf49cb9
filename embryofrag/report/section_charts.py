"""Which chart goes with which table of the page."""

from collections.abc import Callable

from embryofrag.report.contents import Table
from embryofrag.report.markup import Markup


def draw_charts(section: str, table: Table) -> list[Markup]:
    """Return the charts of one table of a section; none where the table says it best itself."""
    return [CHARTS[section](table)] if section in CHARTS else []


CHARTS: dict[str, Callable[[Table], Markup]] = {}
