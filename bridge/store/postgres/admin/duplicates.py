"""Duplicates by id, each with the event that it repeats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from bridge.core.errors import NotFound
from bridge.store.codec.event_rows import EVENT, event_of
from bridge.store.postgres.admin import queries
from bridge.store.postgres.db.texts import server_text
from bridge.store.postgres.db.transaction import select
from bridge.store.views import DuplicateEvent, EventDetail, FoundDuplicates


def find_duplicates(db: psycopg.Connection[Any], ids: Sequence[str]) -> FoundDuplicates:
    """Returns the duplicates that have these ids, each with its original. Raises NotFound for an id of no event."""
    found, told = [], []
    for public_id in dict.fromkeys(ids):
        if (duplicate := _find_duplicate(db, public_id)) is not None:
            found.append(duplicate)
        elif isinstance(one := queries.show_detail(db, public_id)[0], EventDetail):
            told.append(one.row)
        else:
            raise NotFound(f"{public_id[:140]} is no event; `trackbridge list events` shows the duplicates")
    return FoundDuplicates(tuple(found), tuple(told))


def _find_duplicate(db: psycopg.Connection[Any], public_id: str) -> DuplicateEvent | None:
    rows = select(
        db,
        f"SELECT duplicate_of, {EVENT} FROM events WHERE id = %s AND duplicate_of IS NOT NULL ORDER BY number LIMIT 1",  # noqa: S608  columns that stand in event_rows.py
        (server_text(public_id),),
    )
    if not rows:
        return None
    first, *row = rows[0]
    event = event_of(row)
    [shown] = queries.event_rows(db, [event.number])
    return DuplicateEvent(event, shown, next(iter(queries.event_rows(db, [first])), None))
