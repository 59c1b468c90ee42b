"""The database that a store is moved into: empty before, in use by nobody until the move is finished.

A batch and how far its table has come are one transaction, so that a move that was ended at any point goes on where it
was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg

from bridge.core.errors import StoreUnavailable, StoreUnusable
from bridge.store.moving.table_copies import COPIES, EVENT_STATE, TableCopy
from bridge.store.postgres import schema
from bridge.store.postgres.db.server_connection import ServerAddress, open_connection
from bridge.store.postgres.db.server_errors import server_error
from bridge.store.postgres.db.server_url import connection_info, shown_url
from bridge.store.postgres.db.timeline_fence import TimelineFence
from bridge.store.postgres.db.transaction import select
from bridge.store.postgres.tables import days
from bridge.store.postgres.tables.bounded_counts import CountKey
from bridge.store.sqlite.db.moved_mark import MovedMark

_IN_USE = ("parcels", "unapplied", "webhooks", "events", "outbox", "deliveries", "attempts", "ledger", "idempotency",
           "mapping_texts", "mapping_drafts", "actions", "refresh_tokens")  # fmt: skip
"""Tables in which nothing may be before a move."""
_TRIED_OUT = ("standings", "refusals", "counts", "count_changes", "console_secrets", "heartbeats", "moved_tables")
"""Tables in which a `serve` that was only tried out leaves something: it makes room for what is moved."""
_ALIVE_MS = 60_000
"""How old the last sign of life of a `serve` may be."""


@dataclass(frozen=True, slots=True)
class TablePlace:
    """How far a table has come: the place of its last row, how many rows are there, and whether that is all."""

    after: str | None = None
    count: int = 0
    is_done: bool = False


@dataclass(frozen=True, slots=True)
class ArrivedMove:
    """A move as the target has it: its token, where it comes from, with how much history, and when it was finished."""

    token: str
    source: str
    history: str
    finished_at: int | None


class MovingTarget:
    """The database, for one move."""

    def __init__(self, db: psycopg.Connection[Any], url: str) -> None:
        self.shown = shown_url(url)
        self._db = db

    def read_move(self) -> ArrivedMove | None:
        """The move that has come here, or is under way."""
        rows = select(self._db, "SELECT token, source, history, finished_at FROM moves")
        return ArrivedMove(*rows[0]) if rows else None

    def require_empty(self) -> None:
        """Raises StoreUnusable where something is kept already, StoreUnavailable where a `serve` runs."""
        for table in _IN_USE:
            if select(self._db, f"SELECT 1 FROM {table} LIMIT 1"):  # noqa: S608  tables of ours
                raise StoreUnusable(
                    f"the store {self.shown} is in use already (its table {table} is not empty), and nothing is moved "
                    "into it; name an empty database"
                )
        alive = "SELECT node FROM heartbeats WHERE NOT stopped AND at > clock_ms() - %s"
        for (node,) in select(self._db, alive, (_ALIVE_MS,)):
            raise StoreUnavailable(
                f"`trackbridge serve` runs on the store {self.shown}, on the node {node}; stop it, and wait a minute "
                "where it was killed"
            )

    def begin_move(self, mark: MovedMark, *, source: str) -> None:
        """Make the partitions for the source's numbers, and keep everybody else out until the move is finished."""
        with self._writing(is_flushed=True):
            for table in _TRIED_OUT:
                self._db.execute(f"DELETE FROM {table}".encode())  # noqa: S608  ours
            days.make_moved_partitions(self._db)
            self._db.execute("UPDATE names_key SET last_event = 0")  # the numbers that come are below those hashed
            self._db.execute(
                "INSERT INTO moves VALUES (%s, %s, %s, %s, NULL)", (mark.token, source, mark.history, mark.begun_at)
            )

    def read_places(self) -> dict[str, TablePlace]:
        """How far each table has come that was begun."""
        rows = select(self._db, "SELECT name, after, n, is_done FROM moved_tables")
        return {name: TablePlace(after or None, count, is_done) for name, after, count, is_done in rows}

    def write_batch(self, copy: TableCopy, rows: Sequence[tuple[Any, ...]], place: TablePlace) -> None:
        """Insert rows, and note how far the table has come by it."""
        with self._writing():
            copy.insert(self._db, rows)
            self._db.execute(
                """
                INSERT INTO moved_tables VALUES (%s, %s, %s, %s)
                ON CONFLICT (name) DO UPDATE SET after = excluded.after, n = excluded.n, is_done = excluded.is_done
                """,
                (copy.name, place.after or "", place.count, place.is_done),
            )

    def count_rows(self) -> dict[str, dict[str, int]]:
        """How many rows of each table are here, by state."""
        return {
            copy.name: dict(
                select(self._db, f"SELECT {copy.state}, count(*) FROM {copy.counted} GROUP BY 1")  # noqa: S608  ours
            )
            for copy in COPIES
        }

    def count_named(self) -> dict[str, dict[tuple[str, str], int]]:
        """How many webhooks, events and deliveries there are, by source, type or destination, and by state."""
        return {
            of: {(name, state): n for name, state, n in select(self._db, f"{query} GROUP BY 1, 2")}
            for of, query in {
                "webhooks": "SELECT source, state, count(*) FROM webhooks",
                "events": f"SELECT event_type, {EVENT_STATE}, count(*) FROM events",  # noqa: S608  ours
                "deliveries": "SELECT destination, state, count(*) FROM all_deliveries",
            }.items()
        }

    def write_counts(self, counts: Mapping[CountKey, int]) -> None:
        """Write all counts in the place of those that are there."""
        rows = sorted((*key, n) for key, n in counts.items())
        with self._writing():
            self._db.execute("DELETE FROM counts")
            if rows:
                self._db.execute(
                    "INSERT INTO counts "
                    "SELECT * FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::text[], %s::bigint[])",
                    [list(one) for one in zip(*rows, strict=True)],
                )

    def prepare_reading(self) -> None:
        """Index and analyse what has come, as `show` and the planner need it."""
        with self._explained():
            self._db.execute(
                "CREATE INDEX IF NOT EXISTS attempts_moved_deliveries ON attempts_moved USING gin (deliveries)"
            )
            self._db.execute(  # what an earlier version told is looked for by it (`tables/earlier_versions.py`)
                "CREATE INDEX IF NOT EXISTS events_moved_earlier ON events_moved (value, occurred_at) "
                "WHERE mapping IS NULL AND value IS NOT NULL"
            )
            self._db.execute(b"ANALYZE " + ", ".join((*days.TABLES, "ledger", "outbox")).encode())

    def finish_move(self, mark: MovedMark, *, at: int) -> None:
        """Let everybody use the store."""
        with self._writing(is_flushed=True):
            self._db.execute("UPDATE moves SET finished_at = %s WHERE token = %s", (at, mark.token))

    @contextmanager
    def _writing(self, *, is_flushed: bool = False) -> Iterator[None]:
        """A transaction. One that is not flushed may be lost with the server's machine, with all that came after it."""
        with self._explained(), self._db.transaction():
            self._db.execute("SELECT set_config('synchronous_commit', %s, true)", ("on" if is_flushed else "off",))
            yield

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise (server_error(error, self.shown) or error) from error


@contextmanager
def opened_target(url: str, *, durable: bool = True) -> Iterator[MovingTarget]:
    """Connect to the database, and make its tables where there are none.

    Raises StoreUnavailable where it cannot be reached, StoreUnusable where it cannot hold a store.
    """
    shown = shown_url(url)
    try:
        address = ServerAddress(connection_info(url), shown, timedelta(), TimelineFence())
        with open_connection(address).db as db:
            schema.migrate_database(db, where=shown, durable=durable)
            yield MovingTarget(db, url)
    except psycopg.Error as error:
        raise (server_error(error, shown) or error) from error
