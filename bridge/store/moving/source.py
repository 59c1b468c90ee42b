"""The SQLite store that is moved: everything in it has a row, nothing writes to it, and its rows are read in order."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bridge.core.errors import StoreUnusable
from bridge.store.codec.columns import to_ms
from bridge.store.moving.table_copies import COPIES, EVENT_GOES, TableCopy
from bridge.store.sqlite.db import errors, moved_mark, open_file
from bridge.store.sqlite.db.moved_mark import MovedMark
from bridge.store.sqlite.ingest import apply, log_reader
from bridge.store.sqlite.ingest.log_writer import folder_of
from bridge.store.sqlite.tables import ledger

BATCH_ROWS, BATCH_BYTES = 1000, 8 * 1024 * 1024
"""What is read, and written in one transaction, at once."""
_APPLIED = 1000
_BUSY = timedelta(seconds=5)
NEVER = 1 << 62
"""After every time: no history goes along."""


class MovingSource:
    """The store in the file at `path`, for one process that has locked it against `serve`."""

    def __init__(self, db: sqlite3.Connection, path: str) -> None:
        self.path = path
        self._db = db
        self._since = 0

    @property
    def mark(self) -> MovedMark | None:
        """The mark of the move under way, or done."""
        return moved_mark.read_mark(self._db)

    def write_mark(self, mark: MovedMark) -> None:
        """Mark the store: from now on every other process refuses it."""
        with errors.explained_errors(self.path):
            moved_mark.write_mark(self._db, mark)

    def drop_mark(self) -> None:
        """Make it a store like any other again."""
        with errors.explained_errors(self.path):
            self._db.execute("DELETE FROM moved_to")

    def apply_everything(self) -> None:
        """Give all webhooks of the ingest log rows, and empty the ledger's write buffer."""
        folder = folder_of(self.path)
        with errors.explained_errors(self.path):
            for trouble in log_reader.unread_files(self._db, folder):
                raise StoreUnusable(f"the store cannot be moved before all of its ingest log can be read: {trouble}")
            while (found := log_reader.read_unapplied(self._db, folder, limit=_APPLIED)) != log_reader.NOTHING:
                with _writing(self._db):
                    apply.split_log(self._db, folder, found)
            while self._db.execute("SELECT EXISTS (SELECT 1 FROM recent)").fetchone()[0]:
                with _writing(self._db):
                    ledger.flush_step(self._db)

    def hold_still(self, *, since: int) -> None:
        """Let nobody write from now on; `since` is the time from which on history goes along."""
        self._since = since
        with errors.explained_errors(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            prepare_lookups(self._db, since=since)

    def count_rows(self) -> dict[str, dict[str, int]]:
        """How many rows of each table go along, by state."""
        return {copy.name: dict(self._run(_count_of(copy)).fetchall()) for copy in COPIES}

    def read_batch(self, copy: TableCopy, after: str | None) -> list[tuple[Any, ...]]:
        """The next rows of a table, after a place that `place_of` returned."""
        values = [] if after is None else _from_place(after)
        found = self._run(batch_query(copy, is_first=after is None), {f"k{n}": one for n, one in enumerate(values)})
        rows, size = [], 0
        with errors.explained_errors(self.path), closing(found):
            for row in found:
                rows.append(row)
                size += sum(len(one) for one in row if isinstance(one, bytes | str))
                if size >= BATCH_BYTES:
                    break
        return rows

    def read_counters(self, table: str) -> list[tuple[Any, ...]]:
        """All rows of a table of counters."""
        return self._run(f"SELECT * FROM {table}").fetchall()  # noqa: S608  a table of ours

    def finish_move(self, mark: MovedMark, *, at: datetime) -> None:
        """Let it go, and mark it as moved."""
        with errors.explained_errors(self.path):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self.write_mark(replace(mark, finished_at=to_ms(at)))

    def _run(self, query: str, values: dict[str, Any] | None = None) -> sqlite3.Cursor:
        with errors.explained_errors(self.path):
            return self._db.execute(query, {"since": self._since} | (values or {}))


def prepare_lookups(db: sqlite3.Connection, *, since: int) -> None:
    """Gather what is held by claims, and the deliveries of each attempt, for which the store has no index."""
    db.execute("CREATE TEMP TABLE held (token INTEGER, delivery INTEGER PRIMARY KEY, due INTEGER)")
    db.execute(
        """
        INSERT OR IGNORE INTO temp.held
        SELECT c.token, d.number, json_extract(one.value, '$[1]')
        FROM claims AS c, json_each(c.held) AS one, deliveries AS d
        WHERE d.number = json_extract(one.value, '$[0]') AND d.token = c.token AND d.state = 'pending'
        """
    )
    db.execute(
        "CREATE TEMP TABLE of_attempts (attempt INTEGER, delivery INTEGER, PRIMARY KEY (attempt, delivery)) "
        "WITHOUT ROWID"
    )
    db.execute(
        f"""
        INSERT INTO temp.of_attempts SELECT a.attempt, a.delivery FROM attempted AS a
        JOIN deliveries AS d ON d.number = a.delivery JOIN events AS e ON e.number = d.event
        WHERE {EVENT_GOES} ORDER BY 1, 2
        """,  # noqa: S608  a condition of ours
        {"since": since},
    )


def batch_query(copy: TableCopy, *, is_first: bool) -> str:
    """The query of a batch: the first one, or one after the key `:k0`, `:k1` and so on."""
    where = "" if is_first else f"WHERE ({copy.key}) > ({', '.join(f':k{n}' for n in range(copy.keys))})"
    return f"SELECT * FROM ({copy.select}) {where} ORDER BY {copy.key} LIMIT {BATCH_ROWS}"  # noqa: S608  queries of ours


def place_of(copy: TableCopy, row: Sequence[Any]) -> str:
    """Where the next batch begins, after a row, as text."""
    return json.dumps([{"hex": one.hex()} if isinstance(one, bytes) else one for one in row[: copy.keys]])


def _from_place(place: str) -> list[Any]:
    return [bytes.fromhex(one["hex"]) if isinstance(one, dict) else one for one in json.loads(place)]


def _count_of(copy: TableCopy) -> str:
    return f"SELECT {copy.state}, count(*) FROM ({copy.select}) GROUP BY 1"  # noqa: S608  queries of ours


@contextmanager
def opened_source(path: str) -> Iterator[MovingSource]:
    """Open the store, brought to this version; it is closed after the block.

    Raises StoreUnusable for a file that is no store, StoreUnavailable for one that cannot be opened now.
    """
    open_file.prepare_file(path)
    with errors.explained_errors(path):
        db = open_file.connect_to(path, reading=False, busy=_BUSY)
    with closing(db):
        db.execute("PRAGMA temp_store = FILE")
        yield MovingSource(db, path)


@contextmanager
def _writing(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
