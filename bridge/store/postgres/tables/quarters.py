"""What webhooks became and how deliveries ended, counted by the quarter hour in which it was decided."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg

from bridge.store.codec.columns import from_ms, to_ms
from bridge.store.postgres.db.transaction import Transaction
from bridge.store.postgres.tables import counts
from bridge.store.status_views import CountedKind, QuarterCount

_QUARTER = 900_000
"""Milliseconds."""
COUNTED_AS: dict[CountedKind, str] = {"delivery": "delivery_quarters", "webhook": "webhook_quarters"}
"""Under which name each kind is counted."""


def count_decided(transaction: Transaction, kind: CountedKind, name: str, state: str, n: int = 1) -> None:
    """Count webhooks of a source or deliveries to a destination, as their columns have its name."""
    transaction.dated_counts[COUNTED_AS[kind], transaction.at // _QUARTER, name, state] += n


def read_quarters(db: psycopg.Connection[Any], *, since: datetime) -> tuple[QuarterCount, ...]:
    """The counts of the quarter hour of `since` and of later ones, oldest first."""
    kinds: dict[str, CountedKind] = {of: kind for kind, of in COUNTED_AS.items()}
    found = counts.read_counts(db, *kinds, since=to_ms(since) // _QUARTER)
    rows = sorted(found.items(), key=lambda row: (row[0].at, row[0]))
    return tuple([QuarterCount(from_ms(key.at * _QUARTER), kinds[key.of], key.name, key.state, n) for key, n in rows])


def forget_quarters(transaction: Transaction, *, before: datetime) -> None:
    """Drop the quarter hours that ended before."""
    counts.fold_all(transaction)
    transaction.execute(
        "DELETE FROM counts WHERE of = ANY(%s) AND at < %s", (list(COUNTED_AS.values()), to_ms(before) // _QUARTER)
    )
