"""What a status screen shows beside the counts: today by source, the last webhook, and the oldest of what went wrong.

Each is counted as it changes, or read from an index.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, LiteralString

import psycopg

from bridge.store.codec.columns import from_ms, maybe_instant, to_ms
from bridge.store.postgres.admin.filters import EVENTS
from bridge.store.postgres.db.transaction import LAST, select
from bridge.store.postgres.tables import days
from bridge.store.postgres.tables.counts import DAY_MS, RECEIVED, read_counts
from bridge.store.protocol import StatusSummary
from bridge.store.rules.status_limits import MOST_NAMED, NEWEST_OF_SOURCE


def read_summary(db: psycopg.Connection[Any], *, now: datetime) -> StatusSummary:
    """Returns the summary, read in one snapshot."""
    today = to_ms(now) // DAY_MS
    lasts = {key.name: at for key, at in read_counts(db, LAST).items()}
    differing, differing_ids = _count_and_newest(db, EVENTS.states["differing"])
    gone, gone_ids = _count_and_newest(db, EVENTS.states["no_longer_made"])
    received = read_counts(db, RECEIVED, since=today)
    return StatusSummary(
        today={(key.name, key.state): n for key, n in received.items() if key.at == today and n > 0},
        lasts={source: from_ms(at) for source, at in lasts.items()},
        differing=differing,
        differing_ids=differing_ids,
        no_longer_made=gone,
        no_longer_made_ids=gone_ids,
        only_tests=tuple(source for source in sorted(lasts) if _sends_only_tests(db, source)),
        oldest_set_aside=_first_value(
            db, "SELECT received_at FROM webhooks WHERE state = 'set_aside' ORDER BY number LIMIT 1"
        ),
        oldest_dead=_first_value(db, "SELECT created_at FROM deliveries WHERE state = 'dead' ORDER BY number LIMIT 1"),
        unreadable=select(db, "SELECT coalesce(sum(count), 0)::bigint FROM unreadable")[0][0],
        troubles=days.find_trouble(db),
        same_bytes={(key.name, key.state): n for key, n in read_counts(db, "same_bytes").items()},
    )


def _count_and_newest(db: psycopg.Connection[Any], condition: str) -> tuple[int, tuple[str, ...]]:
    """How many events fulfil a condition that an index has, and the newest of them."""
    [(count,)] = select(db, f"SELECT count(*) FROM events AS e WHERE {condition}")  # noqa: S608  a condition of filters.py
    newest = f"SELECT id FROM events AS e WHERE {condition} ORDER BY number DESC LIMIT %s"  # noqa: S608  the same
    return count, tuple(name for (name,) in select(db, newest, (MOST_NAMED,)))


def _sends_only_tests(db: psycopg.Connection[Any], source: str) -> bool:
    """Whether a source's newest events are all tests, and all skipped; duplicates do not count."""
    newest = "SELECT number, test FROM events WHERE origin = %s AND duplicate_of IS NULL ORDER BY number DESC LIMIT %s"
    origin = f"source:{source}"
    first = select(db, newest, (origin, 1))
    if not first or not first[0][1]:
        return False
    [(tests, deliveries, skipped)] = select(
        db,
        f"""
        SELECT bool_and(e.test), count(d.number), bool_and(d.state = 'skipped')
        FROM ({newest}) AS e LEFT JOIN all_deliveries AS d ON d.event = e.number
        """,  # noqa: S608  a question that stands above
        (origin, NEWEST_OF_SOURCE),
    )
    return bool(tests and deliveries and skipped)


def _first_value(db: psycopg.Connection[Any], question: LiteralString) -> datetime | None:
    rows = select(db, question)
    return maybe_instant(rows[0][0]) if rows else None
