"""The ledger: one SQLite file, one row for every file ever found, one writer.

A rollback journal (TRUNCATE) with synchronous=FULL: a commit is durable when it returns, and nothing needs shared
memory, so the file also works where WAL does not. A result's files are written before its row (run.atomic), so a row
never points at nothing.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from embryofrag.errors import EmbryofragError
from embryofrag.records import SCHEMA_VERSION, Outcome
from embryofrag.run.results import ITEM_FIELDS, Item

LEDGER_NAME = "ledger.sqlite"

_CREATE = """
CREATE TABLE items (
    source TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, outcome TEXT NOT NULL,
    reason TEXT NOT NULL, sha256 TEXT, result_key TEXT, duplicate_of TEXT, embryo TEXT NOT NULL, frame TEXT,
    slide TEXT, well INTEGER, run INTEGER, hpi REAL, focal_um REAL, um_per_px REAL, ratio_mask REAL, ratio_reg REAL,
    ratio_lo90 REAL, ratio_hi90 REAL, grade TEXT, grade_probabilities TEXT, scheme TEXT, denominator TEXT,
    fragment_area_px INTEGER, embryo_area_px INTEGER, num_fragments INTEGER, focus REAL, referred INTEGER,
    refer_reasons TEXT NOT NULL, model TEXT, engine_a TEXT, engine_b TEXT, in_scope REAL
) WITHOUT ROWID;
CREATE TABLE found (position INTEGER PRIMARY KEY, source TEXT NOT NULL UNIQUE);
CREATE TABLE runs (number INTEGER PRIMARY KEY AUTOINCREMENT, started TEXT NOT NULL);
"""
# `found` holds what the last scan saw, in its order: rows of files that have left the archive stay in `items`
# (nothing is lost when a mount comes up half empty) but leave the tables.

_ADDED = {"in_scope": "REAL"}
"""Columns that ledgers of this schema may lack, because they were made before the column was."""

_COLUMNS = ", ".join(ITEM_FIELDS)
_UPSERT = f"INSERT OR REPLACE INTO items ({_COLUMNS}) VALUES ({', '.join('?' * len(ITEM_FIELDS))})"


class LedgerError(EmbryofragError):
    """The ledger cannot be read or written."""


class Ledger:
    """The open ledger of one output folder. Every method raises LedgerError for trouble with the database."""

    def __init__(self, connection: sqlite3.Connection, path: Path):
        self._connection = connection
        self._path = path

    def item(self, source: str) -> Item | None:
        """The row of one source, whether or not the last scan found it."""
        with _guard(self._path):
            row = self._connection.execute(f"SELECT {_COLUMNS} FROM items WHERE source = ?", (source,)).fetchone()
        return None if row is None else _item(row)

    def found_items(self) -> Iterator[Item]:
        """The items that the last scan found, in its order."""
        query = f"SELECT {_COLUMNS} FROM found JOIN items USING (source) ORDER BY position"
        with _guard(self._path):
            yield from map(_item, self._connection.execute(query))

    def found_by_embryo(self) -> Iterator[Item]:
        """The items that the last scan found and that belong to an embryo, each embryo's together, in scan order."""
        query = f"""SELECT {_COLUMNS} FROM found JOIN items USING (source)
            JOIN (SELECT embryo, min(position) AS first FROM found JOIN items USING (source) GROUP BY embryo)
            USING (embryo) WHERE embryo != '' ORDER BY first, position"""
        with _guard(self._path):
            yield from map(_item, self._connection.execute(query))

    def digests(self, result_key: str) -> Iterator[tuple[str, str]]:
        """(sha256, source) of every found frame that stands on its own pixels under this key."""
        query = """SELECT sha256, source FROM found JOIN items USING (source)
            WHERE sha256 IS NOT NULL AND duplicate_of IS NULL AND result_key = ? ORDER BY position"""
        with _guard(self._path):
            yield from self._connection.execute(query, (result_key,))

    def outcome_counts(self) -> dict[Outcome, int]:
        """Standing outcomes of the files that the last scan found."""
        query = "SELECT outcome, count(*) FROM found JOIN items USING (source) GROUP BY outcome"
        with _guard(self._path):
            return {Outcome(outcome): count for outcome, count in self._connection.execute(query)}

    def begin_run(self, sources: Iterable[str]) -> int:
        """Replace what the last scan saw by `sources`, in one transaction; returns the number of this run, from 1."""
        started = datetime.now(UTC).isoformat(timespec="seconds")
        with _guard(self._path), self._connection:
            number = self._connection.execute("INSERT INTO runs (started) VALUES (?)", (started,)).lastrowid
            self._connection.execute("DELETE FROM found")
            self._connection.executemany("INSERT INTO found VALUES (?, ?)", enumerate(sources))
        return number

    def record(self, items: Sequence[Item]) -> None:
        """Write rows in one durable transaction."""
        with _guard(self._path), self._connection:
            self._connection.executemany(_UPSERT, map(_row, items))


@contextmanager
def open_ledger(out: Path) -> Iterator[Ledger]:
    """Open (or make) the ledger of an output folder.

    Raises:
        LedgerError: it is damaged, of another schema, or cannot be written.
    """
    path = out / LEDGER_NAME
    with _guard(path):
        connection = sqlite3.connect(path)
    try:
        with _guard(path):
            connection.execute("PRAGMA journal_mode = TRUNCATE")
            connection.execute("PRAGMA synchronous = FULL")
            _prepare(connection, path)
        yield Ledger(connection, path)
    finally:
        connection.close()


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        connection.executescript(f"BEGIN; {_CREATE} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    elif version != SCHEMA_VERSION:
        raise LedgerError(
            f"{path} has schema {version} and this embryofrag writes schema {SCHEMA_VERSION}; choose a new --out folder"
        )
    present = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info('items')")}
    for name in _ADDED.keys() - present:
        connection.execute(f"ALTER TABLE items ADD COLUMN {name} {_ADDED[name]}")


@contextmanager
def _guard(path: Path) -> Iterator[None]:
    """Turn trouble with the database into one sentence."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise LedgerError(
            f"the ledger {path} cannot be used ({error}); free space or mend the disk and run again, or move the "
            "file away to grade the archive anew"
        ) from error


def _item(row: Sequence) -> Item:
    values = dict(zip(ITEM_FIELDS, row, strict=True))
    values["outcome"] = Outcome(values["outcome"])
    if values["referred"] is not None:
        values["referred"] = bool(values["referred"])
    return Item(**values)


def _row(item: Item) -> tuple:
    return tuple(getattr(item, name) for name in ITEM_FIELDS)
