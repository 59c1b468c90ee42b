"""Work that has been due and unclaimed for a while, counted from indexes.

A deferred webhook is due when its wait is over, and what is under a claim when its lease is over. A parcel is due since
it was kept, which its number says.
"""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
from psycopg.rows import TupleRow

from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.protocol import OverdueWork

MOST_COUNTED = 100_000
"""The most rows of each kind that are counted."""
_PARCELS = """
    SELECT sum(count)::bigint, min(kept_at) FROM (
        SELECT count, greatest((parcel >> 21) + 1577836800000, until) AS kept_at FROM unapplied
    ) AS every WHERE kept_at <= %(before)s
"""
_WEBHOOKS = """
    SELECT count(*), min(due) FROM (
        SELECT due FROM webhooks WHERE state = 'received' AND due <= %(before)s ORDER BY due LIMIT %(most)s
    ) AS first
"""
_DELIVERIES = """
    SELECT count(*), min(due) FROM (
        SELECT greatest(o.due, held.until) AS due FROM outbox AS o LEFT JOIN (
            SELECT number, max(until) AS until FROM claims, unnest(held) AS number
            WHERE destination = %(name)s GROUP BY 1
        ) AS held ON held.number = o.number
        WHERE o.destination = %(name)s AND o.due <= %(before)s ORDER BY o.due LIMIT %(most)s
    ) AS first WHERE due <= %(before)s
"""
_DESTINATIONS = """
    WITH RECURSIVE names AS (
        (SELECT destination FROM outbox ORDER BY destination LIMIT 1)
        UNION ALL
        SELECT (SELECT destination FROM outbox WHERE destination > names.destination ORDER BY destination LIMIT 1)
        FROM names WHERE names.destination IS NOT NULL
    )
    SELECT destination FROM names WHERE destination IS NOT NULL
"""
"""One look into the index for each name, and not one for each delivery."""


def pending_destinations(db: psycopg.Connection[TupleRow]) -> list[str]:
    """The destinations that have pending deliveries."""
    return [name for (name,) in select(db, _DESTINATIONS)]


def find_overdue(transaction: Transaction, *, before: int) -> OverdueWork:
    """Returns what was due at `before`: webhooks, and deliveries of destinations that are not paused."""
    db = transaction.db
    values = {"before": before, "most": MOST_COUNTED}
    kept, received = _count(db, _PARCELS, values), _count(db, _WEBHOOKS, values)
    paused = {name for (name,) in select(db, "SELECT destination FROM standings WHERE paused IS NOT NULL")}
    names = [name for name in pending_destinations(db) if name not in paused]
    late = {name: found for name in names if (found := _count(db, _DELIVERIES, values | {"name": name}))[0]}
    oldest = [at for _, at in (kept, received) if at is not None]
    return OverdueWork(
        webhooks=min(MOST_COUNTED, kept[0] + received[0]),
        oldest_webhook=transaction.for_caller(min(oldest)) if oldest else None,
        deliveries={name: count for name, (count, _) in late.items()},
        oldest_delivery={name: transaction.for_caller(at) for name, (_, at) in late.items() if at is not None},
    )


def _count(db: psycopg.Connection[TupleRow], query: str, values: Mapping[str, object]) -> tuple[int, int | None]:
    """Returns how many there are, and since when the first was due."""
    [(count, at)] = select(db, query, values)
    return count or 0, at
