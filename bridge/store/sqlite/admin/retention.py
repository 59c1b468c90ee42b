"""Deletes what was kept long enough, a few rows at a time, table by table in the order of their keys.

A step reads a bounded number of rows and bytes, so that no writer waits long for it. One step hashes the e-mails of new
events, which is left to the sweep so that making an event costs nothing more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from bridge.store.codec.columns import to_ms
from bridge.store.protocol import PurgeStep, RetentionPolicy
from bridge.store.rules.purged_conversions import lends_without_person
from bridge.store.sqlite.tables import coverage, event_names, ledger, quarters

STEP_BYTES = 8 * 1024 * 1024
"""Bytes of bodies that one step takes at most, or one body."""
LEDGER_ROWS = 10
"""How many rows of the ledger are read instead of one of another table: they are small."""
NAMED_ROWS = 2
"""How many events have their names hashed instead."""
REQUESTS = timedelta(hours=48)
"""How long an Idempotency-Key is known: longer than the 24 hours that are promised."""
FREE = 0.25
"""The share of the file that may be free before it shrinks; what is free is used again first."""
FREE_PAGES = 64
"""How many pages go back to the disk in one step."""


class PurgePlace(NamedTuple):
    """Where a step begins: the table, and the key after which to continue, empty at the table's beginning."""

    table: str
    key: str


BEGINNING = PurgePlace("events", "")
"""Where a sweep begins."""

_Step = Callable[[sqlite3.Connection, str, RetentionPolicy, datetime, int], tuple[int, str | None]]


def purge_step(
    db: sqlite3.Connection, keeping: RetentionPolicy, *, now: datetime, place: PurgePlace, limit: int
) -> tuple[PurgeStep, PurgePlace]:
    """Purge one step from a place on; returns it with the place of the next."""
    taken, last = _STEPS[place.table](db, place.key, keeping, now, limit)
    if last is not None:
        return PurgeStep(taken, more=True, kind=place.table), PurgePlace(place.table, last)
    following = _ORDER[_ORDER.index(place.table) + 1 :]
    following_place = PurgePlace(following[0], "") if following else BEGINNING
    return PurgeStep(taken, more=bool(following), kind=place.table), following_place


# ------------------------------------------------------------------------------------------------------- the tables


def _purge_events(
    db: sqlite3.Connection, key: str, keeping: RetentionPolicy, now: datetime, limit: int
) -> tuple[int, str | None]:
    """Events with their deliveries and those deliveries' attempts, unless one is still pending."""
    rows = db.execute(
        """
        SELECT number, created_at <= ?, EXISTS (SELECT 1 FROM deliveries WHERE event = e.number AND state = 'pending'),
            created_at > ?
        FROM events AS e WHERE number > ? ORDER BY number LIMIT ?
        """,
        (to_ms(now - keeping.events), to_ms(now), int(key or 0), limit),
    ).fetchall()
    gone = [(number,) for number, old, pending, _ in rows if old and not pending]
    db.executemany(_KEEP_KNOWN, gone)
    db.executemany("DELETE FROM events WHERE number = ?", gone)
    return len(gone), _next_number(rows, limit)


_KEEP_KNOWN = """
    INSERT OR REPLACE INTO purged_events
    SELECT number, id, origin, event_type, order_id, value, currency, webhook, mapping, rank, duplicate_of, created_at
    FROM events WHERE number = ? AND length(claims) > 0
"""
"""What later webhooks of a conversion ask for, without anything of a person."""


def _purge_known(
    db: sqlite3.Connection, key: str, keeping: RetentionPolicy, now: datetime, limit: int
) -> tuple[int, str | None]:
    """What is known of purged events and of conversions that were not told, when the ledger forgets them, too."""
    before = to_ms(now - keeping.ledger)
    taken = 0
    for table, number in (("purged_events", "number"), ("remembered", "number")):
        taken += db.execute(
            f"DELETE FROM {table} WHERE {number} IN "  # noqa: S608  tables of ours
            f"(SELECT {number} FROM {table} WHERE created_at <= ? ORDER BY {number} LIMIT ?)",
            (before, limit),
        ).rowcount
    forgotten = db.execute(
        "SELECT number, lends FROM remembered WHERE created_at <= ? AND number > ? "
        "AND CAST(lends AS TEXT) NOT LIKE '{\"properties\":%' ORDER BY number LIMIT ?",
        (to_ms(now - keeping.events), int(key or 0), limit),
    ).fetchall()
    db.executemany(
        "UPDATE remembered SET lends = ? WHERE number = ?",
        [(lends_without_person(lends), number) for number, lends in forgotten],
    )
    return taken, str(forgotten[-1][0]) if len(forgotten) == limit else None


def _purge_aliases(
    db: sqlite3.Connection, key: str, keeping: RetentionPolicy, now: datetime, limit: int
) -> tuple[int, str | None]:
    return _purge_hashed(db, "aliases", key, now - keeping.ledger, limit, at="created_at")


def _purge_webhooks(
    db: sqlite3.Connection, key: str, keeping: RetentionPolicy, now: datetime, limit: int
) -> tuple[int, str | None]:
    """Completed webhooks whose events are purged; their bodies come next."""
    rows = db.execute(
        """
        SELECT number, received_at <= ?,
            state = 'received' OR EXISTS (SELECT 1 FROM events WHERE events.webhook = w.number), received_at > ?
        FROM webhooks AS w WHERE number > ? ORDER BY number LIMIT ?
        """,
        (to_ms(now - keeping.events), to_ms(now), int(key or 0), limit),
    ).fetchall()
    gone = [(number,) for number, old, needed, _ in rows if old and not needed]
    db.executemany("DELETE FROM webhooks WHERE number = ?", gone)
    return len(gone), _next_number(rows, limit)


def _purge_bodies(
    db: sqlite3.Connection, key: str, keeping: RetentionPolicy, now: datetime, limit: int
) -> tuple[int, str | None]:
    """Bodies that no webhook needs to be mapped from: now, after a remedy of its mapping, or when its sale is told."""
    rows = db.execute(
        """
        SELECT b.number,
            NOT EXISTS (SELECT 1 FROM webhooks WHERE body = b.number AND received_at > ?),
            EXISTS (
                SELECT 1 FROM webhooks AS w WHERE body = b.number AND (
                    state IN ('received', 'set_aside') OR EXISTS (SELECT 1 FROM revisits WHERE webhook = w.number)
                )
            ),
            length(b.bytes), EXISTS (SELECT 1 FROM webhooks WHERE body = b.number AND received_at > ?)
        FROM bodies AS b WHERE b.number > ? ORDER BY b.number LIMIT ?
        """,
        (to_ms(now - keeping.bodies), to_ms(now), int(key or 0), limit),
    ).fetchall()
    taken = size = 0
    for number, old, needed, length, _ in rows:
        if old and not needed:
            if taken and size + length > STEP_BYTES:
                return taken, str(number - 1)
            db.execute("DELETE FROM bodies WHERE number = ?", (number,))
            taken, size = taken + 1, size + length
    return taken, _next_number(rows, limit)


def _purge_attempts(
    db: sqlite3.Connection, key: str, keeping: RetentionPolicy, now: datetime, limit: int
) -> tuple[int, str | None]:
    """Attempts as old as events may be: of a delivery that is still pending the later ones stay."""
    rows = db.execute(
        "SELECT number, started_at <= ?, started_at > ? FROM attempts WHERE number > ? ORDER BY number LIMIT ?",
        (to_ms(now - keeping.events), to_ms(now), int(key or 0), limit),
    ).fetchall()
    gone = [(number,) for number, old, _ in rows if old]
    db.executemany("DELETE FROM attempts WHERE number = ?", gone)
    return len(gone), _next_number(rows, limit)


def _flush_ledger_buffer(
    db: sqlite3.Connection, key: str, _keeping: RetentionPolicy, _now: datetime, _limit: int
) -> tuple[int, str | None]:
    """Flush the ledger's write buffer, so that the purge of the ledger finds all keys."""
    return 0, "on" if (ledger.flush_step(db) if key else ledger.sort_buffer(db)) else None


def _purge_ledger(
    db: sqlite3.Connection, key: str, keeping: RetentionPolicy, now: datetime, limit: int
) -> tuple[int, str | None]:
    """Keys of the ledger. All of them are read: they are in no order of time."""
    return _purge_hashed(db, "ledger", key, now - keeping.ledger, limit * LEDGER_ROWS)


def _purge_idempotency(
    db: sqlite3.Connection, key: str, _keeping: RetentionPolicy, now: datetime, limit: int
) -> tuple[int, str | None]:
    return _purge_hashed(db, "idempotency", key, now - REQUESTS, limit)


def _purge_counts(
    db: sqlite3.Connection, _key: str, _keeping: RetentionPolicy, _now: datetime, _limit: int
) -> tuple[int, str | None]:
    """Counts of names that are not used any more."""
    db.execute("DELETE FROM counts WHERE n <= 0")
    return 0, None


def _purge_coverage(
    db: sqlite3.Connection, _key: str, keeping: RetentionPolicy, now: datetime, _limit: int
) -> tuple[int, str | None]:
    """The counts of days whose events are purged."""
    coverage.forget_outcomes(db, before=now - keeping.events)
    quarters.forget_quarters(db, before=now - keeping.events)
    return 0, None


def _hash_names(
    db: sqlite3.Connection, _key: str, _keeping: RetentionPolicy, _now: datetime, limit: int
) -> tuple[int, str | None]:
    """Hash the e-mails and orders of events that are new since the last sweep, so that `find` finds them at any age."""
    return 0, "on" if event_names.hash_some_names(db, limit=limit * NAMED_ROWS) else None


def _free_pages(
    db: sqlite3.Connection, _key: str, _keeping: RetentionPolicy, _now: datetime, _limit: int
) -> tuple[int, str | None]:
    """Return pages to the disk if much of the file is free, and if it was created so that they can be returned."""
    pages, free, can = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "auto_vacuum")
    )
    if not can or free < max(FREE_PAGES, pages * FREE):
        return 0, None
    for _ in range(FREE_PAGES):  # one by one: Python's sqlite3 steps this statement once, and so for one page
        db.execute("PRAGMA incremental_vacuum(1)").fetchall()
    return 0, "on" if db.execute("PRAGMA freelist_count").fetchone()[0] < free else None


_STEPS: dict[str, _Step] = {
    "events": _purge_events,
    "webhooks": _purge_webhooks,
    "bodies": _purge_bodies,
    "attempts": _purge_attempts,
    "recent": _flush_ledger_buffer,
    "ledger": _purge_ledger,
    "idempotency": _purge_idempotency,
    "known": _purge_known,
    "aliases": _purge_aliases,
    "counts": _purge_counts,
    "coverage": _purge_coverage,
    "names": _hash_names,
    "free": _free_pages,
}
_ORDER = tuple(_STEPS)


# ---------------------------------------------------------------------------------------------------- where to go on


def _next_number(rows: list[tuple[int, ...]], limit: int) -> str | None:
    """Returns the last number read; None at the table's end, or if all rows were young: later rows are younger.

    The last column says whether a row's time lies in the future. Such a row does not prove that those after it are
    young: a clock that was set back since wrote them.
    """
    full = len(rows) == limit and any(row[1] or row[-1] for row in rows)
    return str(rows[-1][0]) if full else None


def _purge_hashed(  # noqa: PLR0913  where it is, and what is old
    db: sqlite3.Connection, table: str, key: str, before: datetime, limit: int, *, at: str = "at"
) -> tuple[int, str | None]:
    rows = db.execute(
        f"SELECT key, {at} <= ? FROM {table} WHERE key > ? ORDER BY key LIMIT ?",  # noqa: S608  a table of ours
        (to_ms(before), bytes.fromhex(key), limit),
    ).fetchall()
    gone = [(found,) for found, old in rows if old]
    db.executemany(f"DELETE FROM {table} WHERE key = ?", gone)  # noqa: S608  a table of ours
    return len(gone), rows[-1][0].hex() if len(rows) == limit else None
