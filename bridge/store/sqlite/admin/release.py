"""Duplicates that a person tells as conversions of their own.

A mapping mistake, such as a dedupe key that is the same for all orders, makes duplicates of what never was one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime

from bridge.core import dedupe_keys
from bridge.core.errors import NotFound
from bridge.core.model import Route, Routed
from bridge.store.codec.columns import split_keys, storable_text, to_ms
from bridge.store.codec.event_rows import EVENT, event_of
from bridge.store.rules.event_decisions import CountedEvent
from bridge.store.rules.order_counts import next_count
from bridge.store.sqlite.admin import queries
from bridge.store.sqlite.db import bulk
from bridge.store.sqlite.tables import actions, coverage, ledger, recall_waits
from bridge.store.sqlite.tables.new_deliveries import insert_deliveries
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
    released = [one.event.id for one in chosen if _release_one(db, one, now=now)]
    for public_id in released:
        actions.insert_action(db, ActionTaken(now, who, "release", public_id))
    return tuple(released)


def _release_one(db: sqlite3.Connection, one: Routed, *, now: datetime) -> bool:
    number = one.event.number
    row = db.execute(
        "SELECT claims, event_type FROM events WHERE number = ? AND duplicate_of IS NOT NULL", (number,)
    ).fetchone()
    if row is None:
        return False
    claims, event_type = row
    held = find_holders(db, split_keys(claims), but=number)
    own = [key for key in split_keys(claims) if key not in held]
    tell_duplicate(db, number, event_type, own, one.routes, at=to_ms(now))
    return True


def tell_duplicate(  # noqa: PLR0913  what it becomes, by name
    db: sqlite3.Connection, number: int, event_type: str, own: Sequence[bytes], routes: Sequence[Route], *, at: int
) -> None:
    """Make a duplicate an event of its own, with these keys and deliveries."""
    db.execute("UPDATE events SET duplicate_of = NULL, differs = 0 WHERE number = ?", (number,))
    db.execute("UPDATE counts SET n = n - 1 WHERE of = 'events' AND name = ? AND state = 'duplicate'", (event_type,))
    db.execute("INSERT INTO counts VALUES ('events', ?, 'fresh', 1) ON CONFLICT DO UPDATE SET n = n + 1", (event_type,))
    count_of_order(db, number, own, at=at)
    ledger.add_entries(db, [(key, number, at) for key in own])
    recall_waits.make_due(db, [(key, at) for key in own])
    insert_deliveries(db, [(number, route, at) for route in routes])
    told = db.execute("SELECT event_type, text FROM events WHERE number = ? AND NOT test", (number,))
    coverage.count_match_keys(db, [CountedEvent(name, text, at) for name, text in told])


def count_of_order(db: sqlite3.Connection, number: int, own: Sequence[bytes], *, at: int) -> None:
    """Write down which one of its order it is, as is done for a new event."""
    claims, dedupes = db.execute("SELECT claims, dedupes FROM events WHERE number = ?", (number,)).fetchone()
    keys = split_keys(claims)
    order = (keys[dedupes:] or keys)[-1:]  # the order id's key is a dedupe key itself where the mapping reads it, too
    for key in order:
        count_key = dedupe_keys.order_count_key(key)
        before, _ = ledger.find_keys(db, [count_key]).get(count_key, (None, 0))
        count = next_count(before, is_held=key not in own)
        if count is not None:
            db.execute("UPDATE events SET of_order = ? WHERE number = ?", (count, number))
            ledger.add_entries(db, [(count_key, count, at)])


def find_holders(db: sqlite3.Connection, keys: Sequence[bytes], *, but: int) -> Mapping[bytes, int]:
    """Returns the event that holds each key. A key leads to an event, too, that took it from a duplicate of its own.

    Such a key was never the event's: the duplicate had it by the mapping's mistake, and may be none.
    """
    entries = {key: number for key, (number, _) in ledger.find_keys(db, keys).items() if number > 0 and number != but}
    claims = dict(bulk.select_keys(db, "SELECT number, claims FROM events WHERE number", sorted(set(entries.values()))))
    return {key: number for key, number in entries.items() if number not in claims or key in split_keys(claims[number])}
