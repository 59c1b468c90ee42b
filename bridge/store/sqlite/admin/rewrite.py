"""Writes a webhook's events again at a person's request: the earlier text is overwritten, and delivered again.

A claim under way still carries the earlier text; the new text is delivered after it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from bridge import contract
from bridge.core.mapping_text import MappingText
from bridge.core.model import Event, Routed
from bridge.store.codec.columns import maybe_text, pack_json, to_ms
from bridge.store.rules.event_decisions import NewEvent
from bridge.store.sqlite.tables import event_names, mapping_texts
from bridge.store.sqlite.tables import events as making
from bridge.store.sqlite.tables.followers import renew_followers
from bridge.store.sqlite.tables.new_deliveries import insert_deliveries


def rewrite_events(  # noqa: PLR0913  what and when, by name
    db: sqlite3.Connection,
    webhook: int,
    events: Sequence[Routed],
    *,
    now: datetime,
    since: datetime,
    mapping: MappingText | None = None,
) -> int:
    """Overwrite a webhook's events, insert new ones, and make all due again; returns how many deliveries are due."""
    mapping_texts.set_text(db, webhook, mapping, now=now)
    due = 0
    for routed in events:
        event = routed.event
        row = db.execute(
            """
            SELECT number, id, duplicate_of FROM events
            WHERE (id = ?1 OR (given_id = ?1 AND given_id <> ''))
                AND coalesce(nullif(given_id, ''), id) = ?1 AND origin = ?2
            ORDER BY number DESC LIMIT 1
            """,
            (event.id, event.origin),
        ).fetchone()
        if row is None:
            (accepted,) = making.insert_events(db, [NewEvent(routed, to_ms(now), webhook)], since=since)
            due += _new_deliveries(db, event.origin, accepted.event_id)
            continue
        number, called, duplicate_of = row
        overwrite_event(db, number, event, called=called)
        if duplicate_of is None:
            due += _rewrite_event(db, number, routed, now=now)
    return due


def overwrite_event(db: sqlite3.Connection, number: int, event: Event, *, called: str) -> None:
    """Write what an event says over; it keeps the id that it goes by."""
    now = event if called == event.id else contract.rename_event(event, called)
    db.execute(
        """
        UPDATE events SET text = ?, occurred_at = ?, order_id = ?, value = ?, currency = ?, notes = ?, hashed = ?
        WHERE number = ?
        """,
        (
            now.text, to_ms(now.occurred_at), maybe_text(now.order_id), now.value, now.currency,
            pack_json(now.notes), pack_json(now.hashed), number,
        ),
    )  # fmt: skip
    event_names.renew_event_names(db, number, now.text, order_id=maybe_text(now.order_id))


def _new_deliveries(db: sqlite3.Connection, origin: str, event_id: str) -> int:
    """Returns how many deliveries a new event has: none if it is a duplicate, or is known and was purged."""
    pending = """
        SELECT count(*) FROM deliveries JOIN events ON events.number = deliveries.event
        WHERE events.origin = ? AND events.id = ? AND deliveries.state = 'pending'
    """
    found: int = db.execute(pending, (origin, event_id)).fetchone()[0]
    return found


def _rewrite_event(db: sqlite3.Connection, number: int, routed: Routed, *, now: datetime) -> int:
    names = json.dumps([route.destination for route in routed.routes if route.skip is None])
    where = "event = ?2 AND destination IN (SELECT value FROM json_each(?3))"
    rewritten = f"UPDATE deliveries SET revision = coalesce(revision, 0) + 1 WHERE {where}"  # noqa: S608  a condition that stands above
    db.execute(rewritten, (None, number, names))
    db.execute(
        f"""
        UPDATE deliveries SET state = 'pending', due = ?1, reason = NULL, together = NULL, first_attempt_at = NULL,
            token = NULL, delivered_at = NULL
        WHERE {where} AND NOT (state = 'pending' AND token IS NOT NULL AND due > ?1)
        """,  # noqa: S608  the same
        (to_ms(now), number, names),
    )
    there = {name for (name,) in db.execute("SELECT destination FROM deliveries WHERE event = ?", (number,))}
    renew_followers(db, number, routed.routes)
    insert_deliveries(db, [(number, route, to_ms(now)) for route in routed.routes if route.destination not in there])
    due: int = db.execute(f"SELECT count(*) FROM deliveries WHERE {where}", (None, number, names)).fetchone()[0]  # noqa: S608  the same
    return due
