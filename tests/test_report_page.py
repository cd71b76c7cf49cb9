import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pandas as pd
import pytest
from drawn_results import graded, write_results, year_items

from embryofrag.records import Outcome
from embryofrag.report import embryo_table
from embryofrag.report.choices import ReportChoices
from embryofrag.report.contents import Table
from embryofrag.report.gallery import Gallery
from embryofrag.report.html_table import MAX_ROWS, draw_table
from embryofrag.report.page import write_page
from embryofrag.report.pictures import Album
from embryofrag.report.sections import make_contents
from embryofrag.report.source import read_results
from embryofrag.run.results import Item

HOSTILE = "\"><script>alert('x')</script><img src=x onerror=alert(1)> & é"
VOID = {"br", "col", "img", "input", "meta", "wbr"}


class Page(HTMLParser):
    """What a page holds; fails on an element that is not closed where it should be."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))
        if name not in VOID:
            self._open.append(name)

    def handle_endtag(self, name):
        assert self._open.pop() == name

    def handle_data(self, data):
        if not self._open or self._open[-1] not in ("script", "style"):
            self.text += data

    def all(self, name: str) -> list[dict]:
        return [attributes for found, attributes in self.elements if found == name]


def make_page(out, **choices) -> tuple[str, Page]:
    results = read_results(out)
    contents, _ = make_contents(results, ReportChoices(**choices), {})
    path = out / "report.html"
    write_page(contents, Album(results), Gallery(strips={"linked": out / "strips" / "a b&c.jpg"}), path)
    text = path.read_text(encoding="utf-8")
    return text, Page(text)


@pytest.fixture(scope="module")
def year(tmp_path_factory):
    return make_page(write_results(tmp_path_factory.mktemp("year"), year_items(num_slides=24)))


def test_nothing_is_loaded_and_only_what_is_inside_may_run(year):
    text, page = year
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    for kind in ("style", "script"):
        (inside,) = re.findall(f"<{kind}>(.*?)</{kind}>", text, re.S)
        assert f"{kind}-src 'sha256-{b64encode(sha256(inside.encode()).digest()).decode()}'" in policy
    attributes = [name for _, found in page.elements for name in found]
    assert not [name for name in attributes if name == "style" or name.startswith("on")]
    assert all(found["src"].startswith("data:") for found in page.all("img"))
    assert not page.all("link")
    assert not re.search(r"(src|href)=\"(https?:)?//", text)


def test_every_section_has_content_and_the_links_lead_to_them(year):
    _, page = year
    sections = [found["id"] for found in page.all("section")]
    assert sections == [
        "summary", "embryos", "control", "agreement", "bias", "calibration", "drift", "failures", "provenance", "about",
    ]  # fmt: skip
    targets = {found.get("id") for _, found in page.elements} - {None}
    links = [found["href"] for name in ("a", "use") for found in page.all(name) if found["href"].startswith("#")]
    assert {link[1:] for link in links} <= targets


def test_the_files_add_up_in_the_headline(year):
    text, _ = year
    (tiles,) = re.findall(r'<ul class="tiles">(.*?)</ul>', text)[:1]
    found, *parts = [int(number) for number in re.findall(r"<b>[=+ ]*(\d+)</b>", tiles)]
    assert found == sum(parts) == 24 * (6 * 3 + 1)


def test_every_embryo_has_a_row_with_its_grade_and_curve(year):
    text, page = year
    rows = [found for found in page.all("tr") if "data-grade" in found]
    assert len(rows) == 24 * 6
    assert {row["data-referred"] for row in rows} == {"yes", "no"}
    assert {row["data-grade"] for row in rows} <= {"A", "B", "C", "D"}
    assert len([found for found in page.all("svg") if "curve-chart" in found.get("class", "")]) == len(rows)
    assert "interval-area" in text


def test_tables_tell_a_screen_reader_what_their_cells_are(year):
    _, page = year
    assert len(page.all("caption")) == len(page.all("table"))
    assert all("scope" in found for found in page.all("th"))
    assert all(found.get("alt") for found in page.all("img"))
    assert all(found.get("aria-label") for found in page.all("svg") if "aria-hidden" not in found)


def test_hostile_names_are_words(tmp_path):
    items = [
        graded("linked", "RUN1", 0.2, source=HOSTILE, slide=HOSTILE, model=HOSTILE, referred=True),
        Item(source=f"2{HOSTILE}", size_bytes=1, mtime_ns=1, outcome=Outcome.DAMAGED, reason=HOSTILE, embryo="linked"),
    ]  # fmt: skip
    run = {"archive": HOSTILE, "model": {"label": HOSTILE, "trained": False}}
    _, page = make_page(write_results(tmp_path, items, **run))
    assert page.text.count(HOSTILE) >= 4
    assert len(page.all("script")) == 1
    assert "strips/a%20b%26c.jpg" in [found.get("href") for found in page.all("a")]
    assert "The model was never trained" in page.text


def test_a_lone_surrogate_does_not_stop_the_page(tmp_path):
    item = graded("linked", "RUN1", 0.2)
    write_results(tmp_path, [item], archive="\udcff")
    _, page = make_page(tmp_path)
    assert "linked" in page.text


def test_a_run_without_a_graded_frame_has_a_page(tmp_path):
    item = Item(
        source="a", size_bytes=1, mtime_ns=1, outcome=Outcome.NO_EMBRYO, embryo="empty", frame="f",
    )  # fmt: skip
    _, page = make_page(write_results(tmp_path, [item]))
    (row,) = (found for found in page.all("tr") if "data-grade" in found)
    assert row == {"data-grade": "", "data-referred": "no"}


def test_referred_embryos_come_first_where_the_page_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr(embryo_table, "MAX_EMBRYOS", 3)
    items = [graded(f"e{place}", "RUN1", 0.01 if place % 2 else 0.105) for place in range(6)]
    _, page = make_page(write_results(tmp_path, items))
    rows = [found["data-referred"] for found in page.all("tr") if "data-grade" in found]
    assert rows == ["yes", "yes", "yes"]
    assert "3 of 6 embryos are shown, 0 of them with a picture." in page.text
    assert "3 pictures could not be shown: the run wrote no masks." in page.text


def draw(**columns) -> tuple[str, Page]:
    text = draw_table(Table(name="t", title="Title", note="Of `all` rows.", data=pd.DataFrame(columns)))
    return text, Page(text)


def test_a_number_and_its_interval_share_a_cell():
    text, page = draw(grade=["A"], share=[0.25], share_low95=[0.05], share_high95=[0.699], n=[4])
    assert re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", text)[-3:] == ["A", "25 % (5 to 70)", "4"]
    assert len(page.all("td")) == 2


def test_rows_over_the_limit_are_counted():
    _, page = draw(place=list(range(MAX_ROWS + 7)))
    assert "7 more rows are in the workbook." in page.text
    assert len(page.all("tr")) == MAX_ROWS + 1


def test_an_empty_table_says_so_with_its_note():
    _, page = draw()
    assert page.text == "TitleNo rows.Of all rows."


def test_unknown_values_are_blank():
    text, _ = draw(name=["a"], ratio=[float("nan")], date=[pd.NaT])
    assert text.count("<td></td>") + text.count('<td class="short"></td>') == 2


def test_a_person_s_grade_stands_beside_the_machine_s(tmp_path):
    out = write_results(tmp_path, [graded("linked", "RUN1", 0.2)])
    results = read_results(out)
    overridden = results.embryos.assign(final_grade="C", override_by="anna <b>", override_on="2024-10-20")
    shown = embryo_table.Shown(rows=overridden, thumbnails={}, note="")
    drawn = embryo_table.draw_embryos(shown, Album(results), results.grading.grade_scheme, {})
    assert "C by anna <b>" in Page(drawn).text
    assert 'data-grade="B"' in drawn
