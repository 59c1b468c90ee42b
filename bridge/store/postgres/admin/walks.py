"""Walks through all rows in the order of their numbers, a page at a time, which leave out nothing.

A transaction that is under way may have drawn a number that is smaller than one that is committed. So a page ends below
a number that is drawn now, and waits until every transaction that was under way then has ended.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg

from bridge.core.errors import StoreUnavailable
from bridge.core.model import Event, Route, Webhook
from bridge.store.codec.columns import ms_up
from bridge.store.codec.event_rows import EVENT, event_of
from bridge.store.postgres.db.texts import server_text
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.postgres.tables import parcels
from bridge.store.postgres.tables.events import insert_deliveries

PATIENCE = 3.0
"""Seconds that a page waits for the transactions under way. The store's own take milliseconds."""
_UNDER_WAY = """
    SELECT pid, backend_xid::text FROM pg_stat_activity
    WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()
"""
_LOOK_AGAIN = 0.002


def next_webhooks(
    db: psycopg.Connection[Any], sources: Sequence[str], *, since: datetime | None, after: int, limit: int
) -> tuple[Webhook, ...]:
    """The next webhooks that still have their body, in the order of their numbers."""
    until = _settled_number(db)
    rows = select(
        db,
        f"""
        SELECT number, parcel, place FROM webhooks AS w
        WHERE number > %s AND number < %s AND source = ANY(%s::text[]) AND received_at >= %s AND {parcels.HAS_BODY}
        ORDER BY number LIMIT %s
        """,  # noqa: S608  a condition that stands in parcels.py
        (after, until, list(map(server_text, sources)), ms_up(since) if since else 0, limit),
    )
    found = parcels.read_webhooks(db, [(number, parcel, place) for number, parcel, place in rows])
    return tuple(found[number] for number in sorted(found))


def events_without_delivery(
    db: psycopg.Connection[Any], destination: str, *, after: int, limit: int
) -> tuple[Event, ...]:
    """Originals that a destination has no delivery of, oldest first."""
    until = _settled_number(db)
    rows = select(
        db,
        f"""
        SELECT {EVENT} FROM events AS e
        WHERE number > %s AND number < %s AND duplicate_of IS NULL
        AND NOT EXISTS (SELECT 1 FROM all_deliveries AS d WHERE d.event = e.number AND d.destination = %s)
        ORDER BY number LIMIT %s
        """,  # noqa: S608  columns that stand in event_rows.py
        (after, until, server_text(destination), limit),
    )
    return tuple(map(event_of, rows))


def create_deliveries(transaction: Transaction, routes: Sequence[tuple[int, Route]]) -> int:
    """Insert the deliveries that do not exist yet; returns how many. The events are locked first."""
    numbers = [number for number, _ in routes]
    transaction.execute("SELECT 1 FROM events WHERE number = ANY(%s) ORDER BY number FOR UPDATE", (numbers,))
    missing = select(
        transaction.db,
        """
        SELECT number FROM events AS e WHERE number = ANY(%s) AND duplicate_of IS NULL
        AND NOT EXISTS (SELECT 1 FROM all_deliveries AS d WHERE d.event = e.number AND d.destination = %s)
        """,
        (numbers, server_text(next((route.destination for _, route in routes), ""))),
    )
    wanted = {number for (number,) in missing}
    given = {number: route for number, route in routes if number in wanted}
    insert_deliveries(transaction, [(number, route, transaction.at) for number, route in given.items()])
    return len(given)


def _settled_number(db: psycopg.Connection[Any]) -> int:
    """A number below which nothing can be committed any more."""
    [(until,)] = select(db, "SELECT draw_block()")
    left = set(select(db, _UNDER_WAY))
    ends = time.monotonic() + PATIENCE
    while left:
        if time.monotonic() > ends:
            raise StoreUnavailable("a transaction on the database does not end; see pg_stat_activity")
        time.sleep(_LOOK_AGAIN)
        left &= set(select(db, _UNDER_WAY))
    number: int = until
    return number
