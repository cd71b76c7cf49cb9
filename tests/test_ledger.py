import sqlite3

import pytest

from embryofrag.records import SCHEMA_VERSION, Outcome
from embryofrag.run.ledger import LEDGER_NAME, LedgerError, open_ledger
from embryofrag.run.results import Item


def item(source: str, **values) -> Item:
    return Item(**{"source": source, "size_bytes": 1, "mtime_ns": 2, "outcome": Outcome.GRADED} | values)


def test_rows_come_back_as_they_went(tmp_path):
    whole = item(
        "a/b.jpg", sha256="ab", result_key="k", embryo="e", frame="f", well=3, hpi=33.25, ratio_reg=0.125,
        grade="B", referred=True, refer_reasons="near_cut soft_focus", model="m", num_fragments=0,
    )  # fmt: skip
    bare = item("c.txt", outcome=Outcome.UNSUPPORTED, reason="not an image")
    with open_ledger(tmp_path) as ledger:
        ledger.record([whole, bare])
    with open_ledger(tmp_path) as ledger:
        assert ledger.item("a/b.jpg") == whole
        assert ledger.item("c.txt") == bare
        assert ledger.item("gone") is None


def test_a_later_row_replaces_the_earlier(tmp_path):
    with open_ledger(tmp_path) as ledger:
        ledger.record([item("a", grade="A"), item("a", grade="B")])
        ledger.record([item("a", grade="C")])
        assert ledger.item("a").grade == "C"


def test_only_what_the_last_scan_found_is_shown_in_its_order(tmp_path):
    with open_ledger(tmp_path) as ledger:
        ledger.record([item("RUN10"), item("RUN2"), item("gone")])
        assert ledger.begin_run(["RUN2", "RUN10"]) == 1
        assert [i.source for i in ledger.found_items()] == ["RUN2", "RUN10"]
        assert ledger.outcome_counts() == {Outcome.GRADED: 2}
        assert ledger.begin_run(["RUN10"]) == 2
        assert [i.source for i in ledger.found_items()] == ["RUN10"]
        assert ledger.item("gone") is not None


def test_embryos_come_together_in_the_order_of_their_first_frame(tmp_path):
    with open_ledger(tmp_path) as ledger:
        ledger.record([item("1", embryo="z"), item("2", embryo="a"), item("3", embryo="z"), item("4")])
        ledger.begin_run(["1", "2", "3", "4"])
        assert [(i.embryo, i.source) for i in ledger.found_by_embryo()] == [("z", "1"), ("z", "3"), ("a", "2")]


def test_digests_vouch_only_for_frames_of_the_same_key_that_stand_alone(tmp_path):
    with open_ledger(tmp_path) as ledger:
        ledger.record(
            [
                item("a", sha256="1", result_key="k"),
                item("b", sha256="1", result_key="k", duplicate_of="a", outcome=Outcome.DUPLICATE),
                item("c", sha256="2", result_key="old"),
                item("d", sha256="3", result_key="k"),
            ]
        )
        ledger.begin_run(["a", "b", "c"])
        assert list(ledger.digests("k")) == [("1", "a")]


def test_a_ledger_of_another_schema_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / LEDGER_NAME) as other:
        other.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(LedgerError, match=r"schema .* choose a new --out"), open_ledger(tmp_path):
        pass


def test_a_ledger_from_before_a_column_gets_it(tmp_path):
    with open_ledger(tmp_path) as ledger:
        ledger.record([item("a", ratio_reg=0.25)])
    with sqlite3.connect(tmp_path / LEDGER_NAME) as older:
        older.execute("ALTER TABLE items DROP COLUMN in_scope")
    with open_ledger(tmp_path) as ledger:
        assert (ledger.item("a").ratio_reg, ledger.item("a").in_scope) == (0.25, None)
        ledger.record([item("a", in_scope=0.75)])
    with open_ledger(tmp_path) as ledger:
        assert ledger.item("a").in_scope == 0.75


def test_a_damaged_ledger_is_one_sentence(tmp_path):
    (tmp_path / LEDGER_NAME).write_bytes(b"no database at all, but long enough to be read as a header" * 20)
    with pytest.raises(LedgerError, match=r"cannot be used .*not a database"), open_ledger(tmp_path):
        pass


def test_a_locked_ledger_is_one_sentence(tmp_path, monkeypatch):
    with open_ledger(tmp_path):
        pass
    other = sqlite3.connect(tmp_path / LEDGER_NAME)
    other.execute("BEGIN EXCLUSIVE")
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path: real(path, timeout=0.05))
    with pytest.raises(LedgerError, match="locked"), open_ledger(tmp_path) as ledger:
        ledger.record([item("a")])
    other.close()
