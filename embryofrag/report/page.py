"""report.html: one file with everything in it, made to be read in a browser, filtered, and printed."""

import os
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from embryofrag import __version__
from embryofrag.report.about import RESEARCH_USE, UNTRAINED_WARNING, is_trained
from embryofrag.report.contents import Contents
from embryofrag.report.control import ALL_INSTRUMENTS, MEASURES, ControlChart
from embryofrag.report.embryo_table import choose_shown, draw_embryos
from embryofrag.report.gallery import Gallery
from embryofrag.report.headline import draw_headline
from embryofrag.report.html_table import draw_table
from embryofrag.report.markup import Markup, join, prose, tag
from embryofrag.report.pictures import Album
from embryofrag.report.section_charts import draw_charts, draw_control_chart
from embryofrag.run.atomic import write_atomic

_HERE = Path(__file__).parent
_NOT_ON_PAGE = frozenset({"frames"})
"""Sections that only the workbook has room for."""
_SCOPE = "scope"
"""The table of the first section that stands in the page's head."""
_LEGEND = (
    "Curve: the ratio of each graded frame (points; diamonds are referred frames) over the bands of the grades, with "
    "the 90 % interval as a grey band where the model has a calibration. All curves share their axes; the ratio's is a "
    "square root, which spreads the low ratios. Picture: the frame nearest to the median ratio, embryo outlined in "
    "blue, fragments in orange. A name with a link leads to the embryo over time."
)


def write_page(contents: Contents, album: Album, gallery: Gallery, path: Path) -> None:
    """Write the page, whole or not at all.

    It loads nothing: styles, the script that sorts and filters, charts and pictures lie inside, and a content security
    policy that names their hashes forbids all else.

    Args:
        contents: What to show.
        album: The pictures of the results.
        gallery: What was written to disk, for links that work where the page lies beside it.
        path: Where to.

    Raises:
        OutputError: it cannot be written.
    """
    style, script = ((_HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    body = _body(contents, _embryo_section(contents, album, gallery, path.parent))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="generator", content=f"embryofrag {__version__}"),
        tag("title", f"embryofrag report: {contents.results.root.name}"),
        tag("style", Markup(style)),
    )
    page = join(
        [Markup("<!doctype html>\n"), tag("html", head, tag("body", body, tag("script", Markup(script))), lang="en")]
    )
    write_atomic(path, page.encode("utf-8", "replace"))


def _policy(style: str, script: str) -> str:
    """Nothing is loaded; only this style and this script count, only pictures inside the page are shown."""
    hashes = {name: b64encode(sha256(text.encode()).digest()).decode() for name, text in (("s", style), ("j", script))}
    return (
        f"default-src 'none'; style-src 'sha256-{hashes['s']}'; script-src 'sha256-{hashes['j']}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _body(contents: Contents, embryos: Markup) -> Markup:
    names = sorted((name for name in contents.sections if name not in _NOT_ON_PAGE), key=lambda name: name == "about")
    links = tag("ul", *(tag("li", tag("a", _title(name), href=f"#{name}")) for name in names))
    sections = [tag("section", tag("h2", _title(name)), *_parts(name, contents, embryos), id=name) for name in names]
    return join(
        [
            tag("a", "To the embryos", href="#embryos", class_="skip"),
            _header(contents),
            tag("nav", links, aria_label="Sections"),
            tag("main", draw_headline(contents.results), *sections),
            tag("footer", tag("p", RESEARCH_USE), tag("p", f"embryofrag {__version__}", class_="note")),
        ]
    )


def _title(section: str) -> str:
    return "Definitions" if section == "about" else section.capitalize()


def _parts(name: str, contents: Contents, embryos: Markup) -> list[Markup | None]:
    """What stands in one section: the embryos' own table, else charts and tables."""
    tables = [table for table in contents.sections[name] if table.name != _SCOPE]
    if name == "embryos":
        return [embryos, *(tag("p", prose(table.note), class_="note") for table in tables)]
    charts = [_control_charts(contents.charts)] if name == "control" else []
    return [*charts, *(part for table in tables for part in (draw_charts(table), draw_table(table)))]


def _control_charts(charts: Sequence[ControlChart]) -> Markup:
    """The charts of all instruments together, and those of single ones that have limits."""
    shown = [chart for chart in charts if chart.instrument == ALL_INSTRUMENTS or chart.points["centre"].notna().any()]
    left_out = len(charts) - len(shown)
    words = f"{left_out} charts of single instruments have no limits yet and are left to the workbook."
    figures = [
        tag("figure", tag("h3", chart.title), draw_control_chart(chart), tag("figcaption", _control_words(chart)))
        for chart in shown
    ]
    return join([tag("div", *figures, class_="charts"), tag("p", words, class_="note") if left_out else None])


def _control_words(chart: ControlChart) -> str:
    flagged = int((chart.points["flags"] != "").sum())
    counted = f"Of {MEASURES[chart.measure].cases}, {len(chart.points)} points; {flagged} raise a rule"
    return f"{counted} (diamonds)." if flagged else f"{counted}."


def _header(contents: Contents) -> Markup:
    """Title, the words that go with everything, and what this is a report of."""
    scope = next((table.data for table in contents.sections["about"] if table.name == _SCOPE), None)
    facts = [] if scope is None else scope.itertuples(index=False, name=None)
    warning = None if is_trained(contents.results) else tag("p", UNTRAINED_WARNING, class_="notice warning")
    return tag(
        "header",
        tag("h1", "Embryo fragmentation report"),
        tag("p", RESEARCH_USE, class_="notice"),
        warning,
        tag("dl", *(part for name, value in facts for part in (tag("dt", name), tag("dd", value)))),
    )


def _embryo_section(contents: Contents, album: Album, gallery: Gallery, folder: Path) -> Markup:
    results = contents.results
    shown = choose_shown(results.embryos, album)
    links = {embryo: _link(path, folder) for embryo, path in gallery.strips.items()}
    sheets = [tag("li", tag("a", title, href=_link(path, folder))) for title, path in gallery.sheets.items()]
    table = draw_embryos(shown, album, results.grading.grade_scheme, links)
    missing = [f"{count} pictures could not be shown: {reason}." for reason, count in sorted(album.missing.items())]
    return join(
        [
            tag("p", _LEGEND),
            table,
            *(tag("p", prose(words), class_="note") for words in (*gallery.left_out, *missing)),
            tag("h3", "Contact sheets") if sheets else None,
            tag("ul", *sheets) if sheets else None,
        ]
    )


def _link(target: Path, folder: Path) -> str:
    """Return the address of a file as seen from the page's folder, quoted for a link."""
    return quote(Path(os.path.relpath(target, folder)).as_posix())
