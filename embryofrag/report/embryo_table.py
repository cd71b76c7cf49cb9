"""The embryos of the page: a table that sorts and filters, with a picture and the curve over time in each row."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from embryofrag.grading.schemes import Scheme
from embryofrag.report.curve import Curve, CurveFrame, curve_frames, draw_curve, tint
from embryofrag.report.html_table import scrolled
from embryofrag.report.markup import Markup, breakable, join, tag
from embryofrag.report.pictures import Album, Shot, time_of

MAX_EMBRYOS = 2000
"""Rows of the page: a browser stays quick with so many."""
MAX_THUMBNAILS = 400
"""Pictures of the page; a hundred add about 1 MB to it."""

_COLUMNS = (
    ("picture", ""),
    ("embryo", "text"),
    ("grade", "text"),
    ("ratio", "number"),
    ("IQR", "number"),
    ("frames", "number"),
    ("referred", "text"),
    ("ratio over time", ""),
)
"""Heading, and how it sorts; empty for not at all."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Which embryos the page shows, and with a picture."""

    rows: pd.DataFrame
    thumbnails: Mapping[str, bytes]
    note: str
    """What was left out, and why."""


def choose_shown(embryos: pd.DataFrame, album: Album) -> Shown:
    """Take all embryos and pictures up to the page's limits, the referred ones first; rows keep their order."""
    referred = embryos["referred"].fillna(False).astype(bool)
    first = [*embryos.index[referred], *embryos.index[~referred]]
    rows = embryos.loc[sorted(first[:MAX_EMBRYOS])]
    pictured = [name for name in embryos.loc[first[:MAX_EMBRYOS], "embryo"] if name in album.shots][:MAX_THUMBNAILS]
    thumbnails = album.make_thumbnails(pictured)
    words = f"{len(rows)} of {len(embryos)} embryos are shown, {len(thumbnails)} of them with a picture."
    if len(rows) < len(embryos) or len(pictured) == MAX_THUMBNAILS:
        words += " Referred embryos come first; the workbook and the tables hold every embryo."
    return Shown(rows=rows, thumbnails=thumbnails, note=words)


def draw_embryos(shown: Shown, album: Album, scheme: Scheme, links: Mapping[str, str]) -> Markup:
    """Return filters, table and its words.

    Args:
        shown: What to show.
        album: The graded frames of each embryo.
        scheme: Of the grades.
        links: Where an embryo's own picture over time lies, as a relative address; none for some.
    """
    curves = {name: embryo_curve(album.shots[name]) for name in shown.rows["embryo"] if name in album.shots}
    frames = curve_frames(list(curves.values()), scheme)
    rows = join(
        _row(embryo, shown.thumbnails.get(embryo.embryo), _curve_cell(curves.get(embryo.embryo), frames), scheme, links)
        for embryo in shown.rows.itertuples()
    )
    head = tag("tr", *(tag("th", words, scope="col", data_sort=sort or None) for words, sort in _COLUMNS))
    table = tag(
        "table",
        tag("caption", "Embryos"),
        tag("thead", head),
        tag("tbody", rows),
        id="embryo-table",
    )
    shared = tag("svg", *(frame.symbol for frame in frames.values()), class_="shared", aria_hidden="true")
    buttons = [tag("button", words, type="button") for words in ("Show 100 more", "Show all")]
    more = tag("p", *buttons, id="embryo-more", hidden=True)
    return join([_filters(scheme), shared, scrolled("Embryos", table), more, tag("p", shown.note, class_="note")])


def embryo_curve(shots: Sequence[Shot]) -> Curve:
    """Return an embryo's graded frames, in the order of time, as a curve."""
    time = time_of(shots)
    moments = [getattr(shot, time) for shot in shots] if time else range(1, len(shots) + 1)
    return Curve(
        embryo=shots[0].embryo,
        time=time or "order",
        moments=[float(moment) for moment in moments],
        ratios=[shot.ratio_reg for shot in shots],
        intervals=[
            None if shot.ratio_lo90 is None or shot.ratio_hi90 is None else (shot.ratio_lo90, shot.ratio_hi90)
            for shot in shots
        ],
        referred=[shot.referred for shot in shots],
    )


def _filters(scheme: Scheme) -> Markup:
    """Controls that the page's script shows and serves; without a script there are none."""
    grades = [
        tag("label", tag("input", type="checkbox", checked=True, value=grade, data_filter="grade"), f" {grade}")
        for grade in scheme.grades
    ]
    ungraded = tag("label", tag("input", type="checkbox", checked=True, value="", data_filter="grade"), " not graded")
    kinds = (("all", "all"), ("yes", "referred"), ("no", "not referred"))
    referred = [
        tag("label", tag("input", type="radio", name="referred", value=value, checked=value == "all"), f" {words}")
        for value, words in kinds
    ]
    search = tag("label", "Name ", tag("input", type="search", id="embryo-search"))
    return tag(
        "div",
        tag("fieldset", tag("legend", "Grade"), *grades, ungraded),
        tag("fieldset", tag("legend", "Referred"), *referred),
        search,
        tag("output", id="embryo-count"),
        id="filters",
        hidden=True,
    )


def _row(embryo, thumbnail: bytes | None, curve: Markup | None, scheme: Scheme, links: Mapping[str, str]) -> Markup:
    """One row of `Results.embryos` with its picture and curve."""
    grade = None if pd.isna(embryo.grade) else str(embryo.grade)
    is_referred = bool(embryo.referred) if not pd.isna(embryo.referred) else False
    reasons = "" if pd.isna(embryo.refer_reasons) else str(embryo.refer_reasons)
    return tag(
        "tr",
        tag("td", _image(embryo.embryo, thumbnail)),
        tag("th", _name(embryo, links), scope="row"),
        tag("td", _chip(grade, scheme), _override(embryo)),
        tag("td", _ratio(embryo.ratio_median), class_="number"),
        tag("td", _ratio(embryo.ratio_iqr), class_="number"),
        tag("td", f"{embryo.num_graded}/{embryo.num_frames}", class_="number"),
        tag("td", *_referral(reasons, is_referred, _of_frames(embryo))),
        tag("td", curve),
        data_grade=grade or "",
        data_referred="yes" if is_referred else "no",
    )


def _image(embryo: str, thumbnail: bytes | None) -> Markup | None:
    if thumbnail is None:
        return tag("span", "no picture", class_="note")
    source = f"data:image/jpeg;base64,{b64encode(thumbnail).decode()}"
    words = f"{embryo}: the frame nearest to the median ratio, with outlines"
    return tag("img", src=source, alt=words, width=112, height=112, loading="lazy")


def _name(embryo, links: Mapping[str, str]) -> Markup:
    name = breakable(embryo.embryo)
    if embryo.embryo in links:
        name = tag("a", name, href=links[embryo.embryo])
    parts = [
        None if pd.isna(embryo.well) else f"well {embryo.well}",
        None if pd.isna(embryo.date) else f"{embryo.date:%Y-%m-%d}",
        None if pd.isna(embryo.operator) else embryo.operator,
    ]
    known = [part for part in parts if part]
    below = join(tag("span", f"{part}, " if part is not known[-1] else part, class_="whole") for part in known)
    return join([name, tag("span", below, class_="below") if below else None])


def _chip(grade: str | None, scheme: Scheme) -> Markup | None:
    if grade not in scheme.grades:
        return tag("span", "none", class_="note")
    return tag("span", grade, class_=f"chip {tint(scheme.grades.index(grade), len(scheme.grades))}")


def _override(embryo) -> Markup | None:
    """The grade that a person set in place of the machine's, which stays beside it."""
    person = getattr(embryo, "override_by", None)
    return None if pd.isna(person) else tag("span", f"{embryo.final_grade} by {person}", class_="below")


def _of_frames(embryo) -> str:
    return f"{embryo.num_referred} of {embryo.num_graded} frames" if embryo.num_graded else ""


def _ratio(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.3f}"


def _referral(reasons: str, is_referred: bool, frames: str) -> list[Markup]:
    """The embryo's own reasons, and how many of its frames are referred."""
    words = ", ".join(reason.replace("_", " ") for reason in reasons.split())
    below = tag("span", f"{words} ({frames})" if words else frames, class_="below")
    return [tag("span", "◆ referred", class_="referred"), below] if is_referred else [below]


def _curve_cell(curve: Curve | None, frames: Mapping[str, CurveFrame]) -> Markup | None:
    return None if curve is None else draw_curve(curve, frames[curve.time])
