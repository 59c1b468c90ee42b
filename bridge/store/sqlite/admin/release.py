"""Duplicates that a person tells as conversions of their own.

A mapping mistake, such as a dedupe key that is the same for all orders, makes duplicates of what never was one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from bridge.core.errors import NotFound
from bridge.core.model import Routed
from bridge.store.codec.columns import split_keys, storable_text
from bridge.store.codec.event_rows import EVENT, event_of
from bridge.store.rules.event_changes import release_duplicate
from bridge.store.sqlite.admin import queries
from bridge.store.sqlite.admin.event_changes import SqliteEventChanges
from bridge.store.sqlite.tables import actions
from bridge.store.status_views import ActionTaken
from bridge.store.views import DuplicateEvent, EventDetail, FoundDuplicates


def find_duplicates(db: sqlite3.Connection, ids: Sequence[str]) -> FoundDuplicates:
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


def _find_duplicate(db: sqlite3.Connection, public_id: str) -> DuplicateEvent | None:
    row = db.execute(
        f"SELECT {EVENT} FROM events WHERE id = ? AND duplicate_of IS NOT NULL ORDER BY number LIMIT 1",  # noqa: S608  columns that stand above
        (storable_text(public_id),),
    ).fetchone()
    if row is None:
        return None
    event = event_of(row)
    (first,) = db.execute("SELECT duplicate_of FROM events WHERE number = ?", (event.number,)).fetchone()
    [shown] = queries.event_rows(db, [event.number])
    return DuplicateEvent(event, shown, next(iter(queries.event_rows(db, [first])), None))


def release_duplicates(db: sqlite3.Connection, chosen: Sequence[Routed], *, who: str, now: datetime) -> tuple[str, ...]:
    """Make duplicates events of their own, with deliveries; returns the ids of those that still were duplicates."""
    kept = SqliteEventChanges(db, now, since=now)
    released = [one.event.id for one in chosen if _release_one(kept, one)]
    for public_id in released:
        actions.insert_action(db, ActionTaken(now, who, "release", public_id))
    return tuple(released)


def _release_one(kept: SqliteEventChanges, one: Routed) -> bool:
    row = kept.db.execute(
        "SELECT claims, event_type FROM events WHERE number = ? AND duplicate_of IS NOT NULL", (one.event.number,)
    ).fetchone()
    if row is None:
        return False
    release_duplicate(kept, one, row[1], split_keys(row[0]))
    return True
