"""What webhooks became and how deliveries ended, counted by the quarter hour in which it was decided.

Each verb adds what it decided in its own transaction: one statement for all of a batch. A webhook that is replayed is
decided, and counted, once more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime

from bridge.store.codec.columns import from_ms, to_ms
from bridge.store.sqlite.db import bulk
from bridge.store.status_views import CountedKind, QuarterCount

_QUARTER = 900_000
"""Milliseconds."""


def count_decided(
    db: sqlite3.Connection, kind: CountedKind, counts: Mapping[tuple[str, str], int], *, now: datetime
) -> None:
    """Add counts by the name of a source or destination, and the state that was decided."""
    quarter = to_ms(now) // _QUARTER
    bulk.insert_rows(
        db, "quarters (quarter, of, name, state, n)",
        [(quarter, kind, name, state, count) for (name, state), count in counts.items()],
        "ON CONFLICT DO UPDATE SET n = n + excluded.n",
    )  # fmt: skip


def read_quarters(db: sqlite3.Connection, *, since: datetime) -> tuple[QuarterCount, ...]:
    """The counts of the quarter hour of `since` and of later ones, oldest first."""
    rows = db.execute(
        "SELECT quarter, of, name, state, n FROM quarters WHERE quarter >= ? ORDER BY quarter, of, name, state",
        (to_ms(since) // _QUARTER,),
    )
    return tuple([QuarterCount(from_ms(quarter * _QUARTER), *row) for quarter, *row in rows])


def forget_quarters(db: sqlite3.Connection, *, before: datetime) -> None:
    """Drop the quarter hours that ended before."""
    db.execute("DELETE FROM quarters WHERE quarter < ?", (to_ms(before) // _QUARTER,))
