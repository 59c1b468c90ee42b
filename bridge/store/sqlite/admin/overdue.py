"""Work that has been due and unclaimed for a while, counted from indexes and the heads of the ingest log.

A deferred webhook is due when its wait is over, and a claim when its lease is over.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime

from bridge.core.delivery import DeliveryState
from bridge.store.codec.columns import from_ms, to_ms
from bridge.store.protocol import OverdueWork
from bridge.store.sqlite.ingest import log_reader

MOST_COUNTED = 100_000
"""The most rows of each kind that are counted.

As many entries of an index are counted in about 15 ms, ten million in a second.
"""
_NS_PER_MS = 1_000_000


def find_overdue(db: sqlite3.Connection, folder: str, *, before: datetime) -> OverdueWork:
    """Returns what was due at `before`: webhooks, and deliveries of destinations that are not paused."""
    kept, oldest_kept = log_reader.count_older(db, folder, before_ns=to_ms(before) * _NS_PER_MS, most=MOST_COUNTED)
    received, oldest_received = _count_due(db, "webhooks WHERE state = 'received'", (), before)
    oldest = [at for at in (oldest_kept and oldest_kept // _NS_PER_MS, oldest_received) if at is not None]
    deliveries = {name: found for name in _sent_to(db) if (found := _overdue_deliveries(db, name, before))[0]}
    return OverdueWork(
        webhooks=min(MOST_COUNTED, kept + received),
        oldest_webhook=from_ms(min(oldest)) if oldest else None,
        deliveries={name: count for name, (count, _) in deliveries.items()},
        oldest_delivery={name: from_ms(at) for name, (_, at) in deliveries.items() if at is not None},
    )


def _sent_to(db: sqlite3.Connection) -> list[str]:
    """The destinations with pending deliveries, without those that are paused."""
    rows = db.execute(
        """
        SELECT name FROM counts WHERE of = 'deliveries' AND state = ? AND n > 0
        AND NOT EXISTS (SELECT 1 FROM standings WHERE destination = counts.name AND paused IS NOT NULL)
        """,
        (DeliveryState.PENDING.value,),
    )
    return [name for (name,) in rows]


def _overdue_deliveries(db: sqlite3.Connection, name: str, before: datetime) -> tuple[int, int | None]:
    return _count_due(db, "deliveries WHERE state = 'pending' AND destination = ?", (name,), before)


def _count_due(db: sqlite3.Connection, which: str, values: tuple[str, ...], before: datetime) -> tuple[int, int | None]:
    """Returns how many of these rows were due at `before`, and since when the first was due."""
    row: tuple[int, int | None] = db.execute(
        f"SELECT count(*), min(due) FROM (SELECT due FROM {which} AND due <= ? ORDER BY due LIMIT {MOST_COUNTED})",  # noqa: S608  ours
        (*values, to_ms(before)),
    ).fetchone()
    return row
