"""Finds webhooks and events by a text: an event id, a provider's id, an order, or a person's address.

Ids of events, the bridge's own ids of webhooks, and the hashed e-mails and orders of events have an index. Everything
else is looked for in the newest rows, a bounded number of them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from bridge.store.codec import compress
from bridge.store.codec.columns import from_ms, public_number, storable_text
from bridge.store.rules.row_search import MOST_FOUND, NEWEST, NEWEST_BODIES, quoted_words, whole_words
from bridge.store.sqlite.tables import event_names
from bridge.store.status_views import MOST_UNREAD, FoundRows


def find_rows(db: sqlite3.Connection, words: Sequence[str]) -> FoundRows:
    """Returns the newest webhooks and events that have one of these texts."""
    named = _webhooks_named(words)
    if len(named) == len(words) and _existing(db, named):
        return _found(db, named, _events_of(db, named), since=None, unread=0)  # it names that alone
    names = json.dumps([storable_text(word) for word in words])
    events = _events_with(db, names, words) | event_names.find_events_named(db, words, most=MOST_FOUND)
    webhooks = _webhooks_with(db, names) | _bodies_with(db, words) | _webhooks_of(db, events)
    events |= _events_of(db, webhooks)
    unread = min(max(0, event_names.count_unhashed(db) - NEWEST), MOST_UNREAD)
    return _found(db, webhooks, events, since=_read_since(db), unread=unread)


def _found(
    db: sqlite3.Connection, webhooks: set[int], events: set[int], *, since: datetime | None, unread: int
) -> FoundRows:
    return FoundRows(
        webhook_ids=tuple(f"wh_{number}" for number in _existing(db, webhooks)),
        event_ids=_event_ids(db, events),
        webhooks=NEWEST,
        events=NEWEST,
        bodies=NEWEST_BODIES,
        since=since,
        unread=unread,
    )


def _events_with(db: sqlite3.Connection, names: str, words: Sequence[str]) -> set[int]:
    by_id = "SELECT number FROM events WHERE {} IN (SELECT value FROM json_each(?))"
    found = {
        row[0]
        for column in ("id", "given_id")
        for row in db.execute(f"{by_id.format(column)}{' AND given_id <> ?' if column == 'given_id' else ''}",
                              (names, "") if column == "given_id" else (names,))
    }  # fmt: skip
    quoted = quoted_words(words)
    has_text = " OR ".join(["instr(text, ?) > 0"] * len(quoted))
    rows = db.execute(
        f"""
        SELECT number FROM (SELECT number, order_id, text FROM events ORDER BY number DESC LIMIT ?)
        WHERE order_id IN (SELECT value FROM json_each(?)) OR {has_text} ORDER BY number DESC LIMIT ?
        """,  # noqa: S608  conditions that stand above
        (NEWEST, names, *quoted, MOST_FOUND),
    )
    return found | {row[0] for row in rows}


def _webhooks_with(db: sqlite3.Connection, names: str) -> set[int]:
    rows = db.execute(
        """
        SELECT number FROM (SELECT number, id FROM webhooks ORDER BY number DESC LIMIT ?)
        WHERE id IN (SELECT value FROM json_each(?)) ORDER BY number DESC LIMIT ?
        """,
        (NEWEST, names, MOST_FOUND),
    )
    return {row[0] for row in rows}


def _webhooks_named(words: Sequence[str]) -> set[int]:
    return {number for word in words if (number := public_number("wh", word)) is not None}


def _bodies_with(db: sqlite3.Connection, words: Sequence[str]) -> set[int]:
    whole = whole_words(words)
    rows = db.execute(
        """
        SELECT w.number, b.bytes, b.form
        FROM (SELECT number, body FROM webhooks ORDER BY number DESC LIMIT ?) AS w
        JOIN bodies AS b ON b.number = w.body
        """,
        (NEWEST_BODIES,),
    )
    found: set[int] = set()
    for number, content, form in rows:
        if whole.search(compress.decompress_body(content, form)):
            found.add(number)
            if len(found) == MOST_FOUND:
                break
    return found


def _webhooks_of(db: sqlite3.Connection, events: set[int]) -> set[int]:
    rows = db.execute(
        "SELECT webhook FROM events WHERE webhook IS NOT NULL AND number IN (SELECT value FROM json_each(?))",
        (json.dumps(sorted(events)),),
    )
    return {row[0] for row in rows}


def _events_of(db: sqlite3.Connection, webhooks: set[int]) -> set[int]:
    rows = db.execute(
        "SELECT number FROM events WHERE webhook IN (SELECT value FROM json_each(?))", (json.dumps(sorted(webhooks)),)
    )
    return {row[0] for row in rows}


def _existing(db: sqlite3.Connection, webhooks: set[int]) -> list[int]:
    rows = db.execute(
        "SELECT number FROM webhooks WHERE number IN (SELECT value FROM json_each(?)) ORDER BY number DESC LIMIT ?",
        (json.dumps(sorted(webhooks)), MOST_FOUND),
    )
    return [row[0] for row in rows]


def _event_ids(db: sqlite3.Connection, events: set[int]) -> tuple[str, ...]:
    rows = db.execute(
        "SELECT id FROM events WHERE number IN (SELECT value FROM json_each(?)) ORDER BY number DESC LIMIT ?",
        (json.dumps(sorted(events)), MOST_FOUND),
    )
    return tuple(dict.fromkeys(row[0] for row in rows))


def _read_since(db: sqlite3.Connection) -> datetime | None:
    """When the oldest webhook came whose body was read, or else the oldest event; None if all were read."""
    oldest = (
        ("SELECT received_at FROM webhooks ORDER BY number DESC LIMIT 1 OFFSET ?", NEWEST_BODIES),
        ("SELECT created_at FROM events ORDER BY number DESC LIMIT 1 OFFSET ?", NEWEST),
    )
    for query, read in oldest:
        for (at,) in db.execute(query, (read - 1,)):
            return from_ms(at)
    return None
