"""Duplicates that a person tells as conversions of their own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bridge.core.model import Routed
from bridge.store.codec.columns import split_keys
from bridge.store.postgres.admin.event_changes import PostgresEventChanges
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.postgres.tables import actions
from bridge.store.rules.event_changes import release_duplicate
from bridge.store.status_views import ActionTaken


def release_duplicates(
    transaction: Transaction, chosen: Sequence[Routed], *, who: str, now: datetime, since: int
) -> tuple[str, ...]:
    """Make duplicates events of their own, with deliveries; returns the ids of those that still were duplicates."""
    changes = PostgresEventChanges(transaction, since)
    rows = select(
        transaction.db,
        """
        SELECT number, event_type, claims FROM events WHERE number = ANY(%s) AND duplicate_of IS NOT NULL
        ORDER BY number FOR UPDATE
        """,
        ([one.event.number for one in chosen],),
    )
    duplicates = {number: (event_type, split_keys(claims)) for number, event_type, claims in rows}
    released: list[str] = []
    for one in chosen:
        if one.event.number in duplicates:
            release_duplicate(changes, one, *duplicates.pop(one.event.number))
            released.append(one.event.id)
            actions.insert_action(transaction, ActionTaken(now, who, "release", one.event.id))
    changes.write_all()
    return tuple(released)
