"""Finds webhooks and events by a text: an event id, a provider's id, an order, or a person's address.

Ids of events, the bridge's own ids of webhooks, and the hashed e-mails and orders of events have an index. Everything
else is looked for in the newest rows, a bounded number of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import psycopg

from bridge.store.codec.columns import from_ms, public_number
from bridge.store.postgres.db.texts import server_text
from bridge.store.postgres.db.transaction import select
from bridge.store.postgres.tables import event_names, parcels
from bridge.store.rules.row_search import MOST_FOUND, NEWEST, NEWEST_BODIES, quoted_words, whole_words
from bridge.store.status_views import MOST_UNREAD, FoundRows

_UNPACKED = 500
"""Webhooks whose bodies are in memory at a time."""


def find_rows(db: psycopg.Connection[Any], words: Sequence[str]) -> FoundRows:
    """Returns the newest webhooks and events that have one of these texts."""
    named = {number for word in words if (number := public_number("wh", word)) is not None}
    if len(named) == len(words) and _existing(db, named):
        return _found(db, named, _events_of(db, named), since=None, unread=0)  # it names that alone
    names = [server_text(word) for word in words]
    events = _events_with(db, names, words) | event_names.find_events_named(db, words, most=MOST_FOUND)
    webhooks = _webhooks_with(db, names) | _bodies_with(db, words) | named
    webhooks |= _numbers(db, "SELECT webhook FROM events WHERE webhook IS NOT NULL AND number = ANY(%s)", events)
    events |= _events_of(db, webhooks)
    unread = max(0, event_names.count_unhashed(db, most=NEWEST + MOST_UNREAD) - NEWEST)
    return _found(db, webhooks, events, since=_read_since(db), unread=unread)


def _found(
    db: psycopg.Connection[Any], webhooks: set[int], events: set[int], *, since: datetime | None, unread: int
) -> FoundRows:
    ids = select(
        db, "SELECT id FROM events WHERE number = ANY(%s) ORDER BY number DESC LIMIT %s", (list(events), MOST_FOUND)
    )
    return FoundRows(
        webhook_ids=tuple(f"wh_{number}" for number in _existing(db, webhooks)),
        event_ids=tuple(dict.fromkeys(name for (name,) in ids)),
        webhooks=NEWEST,
        events=NEWEST,
        bodies=NEWEST_BODIES,
        since=since,
        unread=unread,
    )


def _events_with(db: psycopg.Connection[Any], names: Sequence[str], words: Sequence[str]) -> set[int]:
    found = select(
        db,
        """
        SELECT number FROM events WHERE id = ANY(%(names)s)
        UNION SELECT number FROM events WHERE given_id = ANY(%(names)s) AND given_id <> ''
        UNION (
            SELECT number FROM (SELECT number, order_id, text FROM events ORDER BY number DESC LIMIT %(newest)s) AS e
            WHERE order_id = ANY(%(names)s)
            OR EXISTS (SELECT 1 FROM unnest(%(quoted)s::bytea[]) AS word WHERE position(word IN text) > 0)
            ORDER BY number DESC LIMIT %(most)s
        )
        """,
        {"names": list(names), "newest": NEWEST, "quoted": quoted_words(words), "most": MOST_FOUND},
    )
    return {number for (number,) in found}


def _webhooks_with(db: psycopg.Connection[Any], names: Sequence[str]) -> set[int]:
    rows = select(
        db,
        """
        SELECT number FROM (SELECT number, id FROM webhooks ORDER BY number DESC LIMIT %s) AS newest
        WHERE id = ANY(%s) ORDER BY number DESC LIMIT %s
        """,
        (NEWEST, list(names), MOST_FOUND),
    )
    return {number for (number,) in rows}


def _bodies_with(db: psycopg.Connection[Any], words: Sequence[str]) -> set[int]:
    whole = whole_words(words)
    rows = select(db, "SELECT number, parcel, place FROM webhooks ORDER BY number DESC LIMIT %s", (NEWEST_BODIES,))
    found: set[int] = set()
    for start in range(0, len(rows), _UNPACKED):
        some = rows[start : start + _UNPACKED]
        webhooks = parcels.read_webhooks(db, [(number, parcel, place) for number, parcel, place in some])
        found |= {number for number, webhook in webhooks.items() if whole.search(webhook.body)}
        if len(found) >= MOST_FOUND:
            break
    return set(sorted(found, reverse=True)[:MOST_FOUND])


def _existing(db: psycopg.Connection[Any], webhooks: set[int]) -> list[int]:
    query = "SELECT number FROM webhooks WHERE number = ANY(%s) ORDER BY number DESC LIMIT %s"
    return [number for (number,) in select(db, query, (list(webhooks), MOST_FOUND))]


def _events_of(db: psycopg.Connection[Any], webhooks: set[int]) -> set[int]:
    return _numbers(db, "SELECT number FROM events WHERE webhook = ANY(%s)", webhooks)


def _numbers(db: psycopg.Connection[Any], query: str, numbers: Iterable[int]) -> set[int]:
    return {number for (number,) in select(db, query, (list(numbers),))}


def _read_since(db: psycopg.Connection[Any]) -> datetime | None:
    """When the oldest webhook came whose body was read, or else the oldest event; None if all were read."""
    oldest = (
        ("SELECT received_at FROM webhooks ORDER BY number DESC LIMIT 1 OFFSET %s", NEWEST_BODIES),
        ("SELECT created_at FROM events ORDER BY number DESC LIMIT 1 OFFSET %s", NEWEST),
    )
    for query, read in oldest:
        for (at,) in select(db, query, (read - 1,)):
            return from_ms(at)
    return None
