"""What a status screen shows beside the counts: today by source, the last webhook, and the oldest of what went wrong.

Each is read from an index or from a table that triggers keep.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime

from bridge.store.codec.columns import from_ms, maybe_instant, to_ms
from bridge.store.protocol import StatusSummary
from bridge.store.rules.status_limits import MOST_NAMED, NEWEST_OF_SOURCE
from bridge.store.sqlite.admin.filters import EVENTS
from bridge.store.sqlite.db import clock_skew
from bridge.store.sqlite.tables import same_bytes

_DAY = 86_400_000


def read_summary(db: sqlite3.Connection, *, now: datetime) -> StatusSummary:
    """Returns the summary, read in one snapshot."""
    today = db.execute("SELECT source, state, n FROM days WHERE day = ? AND n > 0", (to_ms(now) // _DAY,))
    differing, differing_ids = _count_and_newest(db, EVENTS.states["differing"])
    gone, gone_ids = _count_and_newest(db, EVENTS.states["no_longer_made"])
    return StatusSummary(
        today={(source, state): n for source, state, n in today},
        lasts={source: from_ms(at) for source, at in db.execute("SELECT source, at FROM lasts")},
        differing=differing,
        differing_ids=differing_ids,
        no_longer_made=gone,
        no_longer_made_ids=gone_ids,
        only_tests=_only_tests(db),
        oldest_set_aside=_first_value(
            db, "SELECT received_at FROM webhooks WHERE state = 'set_aside' ORDER BY number LIMIT 1"
        ),
        unreadable=db.execute("SELECT coalesce(sum(count), 0) FROM unreadable").fetchone()[0],
        clock_ahead=clock_skew.clock_ahead(db, now),
        same_bytes=same_bytes.same_bytes_count(db),
        oldest_dead=_first_value(db, "SELECT created_at FROM deliveries WHERE state = 'dead' ORDER BY number LIMIT 1"),
    )


def _count_and_newest(db: sqlite3.Connection, condition: str) -> tuple[int, tuple[str, ...]]:
    """How many events fulfil a condition that an index has, and the newest of them."""
    count: int = db.execute(f"SELECT count(*) FROM events AS e WHERE {condition}").fetchone()[0]  # noqa: S608  a condition of filters.py
    newest = f"SELECT id FROM events AS e WHERE {condition} ORDER BY number DESC LIMIT ?"  # noqa: S608  the same
    return count, tuple(name for (name,) in db.execute(newest, (MOST_NAMED,)))


def _only_tests(db: sqlite3.Connection) -> tuple[str, ...]:
    """Returns the sources whose newest events were all skipped because they are tests."""
    sources = [source for (source,) in db.execute("SELECT source FROM lasts ORDER BY source")]
    return tuple(source for source in sources if _sends_only_tests(db, source))


def _sends_only_tests(db: sqlite3.Connection, source: str) -> bool:
    """Whether a source's newest events are all tests, and all skipped; duplicates do not count."""
    newest = (
        "SELECT number, test FROM events WHERE origin = 'source:' || ? AND duplicate_of IS NULL ORDER BY number DESC"
    )
    first = db.execute(f"{newest} LIMIT 1", (source,)).fetchone()
    if first is None or not first[1]:
        return False
    row = db.execute(
        f"""
        SELECT min(e.test), count(d.number), min(d.state = 'skipped')
        FROM ({newest} LIMIT ?) AS e LEFT JOIN deliveries AS d ON d.event = e.number
        """,  # noqa: S608  a question that stands above
        (source, NEWEST_OF_SOURCE),
    ).fetchone()
    return bool(row[0] and row[1] and row[2])


def _first_value(db: sqlite3.Connection, question: str) -> datetime | None:
    row = db.execute(question).fetchone()
    return maybe_instant(row[0]) if row else None
