"""Events that follow another one of their order at a destination, and what is known there of that other one."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from bridge.core.dedupe_keys import order_count_key
from bridge.core.delivery import FollowedEvent
from bridge.core.model import Route
from bridge.store.claims import ClaimedDeliveries
from bridge.store.codec.columns import from_ms, maybe_instant, storable_text, to_ms
from bridge.store.rules.followed_events import FollowedDelivery, Follower, gather_followed
from bridge.store.sqlite.db import bulk
from bridge.store.sqlite.tables import ledger

_KEYS = """
    SELECT DISTINCT f.key FROM deliveries AS d
    JOIN followers AS f ON f.event = d.event AND f.destination = d.destination
    WHERE d.number IN (SELECT value FROM json_each(?))
"""
_FOLLOWERS = """
    SELECT f.key, d.number, d.state, e.value, e.currency, c.token, f.note, f.verdict, d.created_at
    FROM followers AS f JOIN events AS e ON e.number = f.event
    JOIN deliveries AS d ON d.event = f.event AND d.destination = f.destination
    LEFT JOIN claims AS c ON c.token = d.token AND c.until > ?
    WHERE f.destination = ? AND f.key = ?
"""
_FOLLOWED = """
    SELECT e.number, e.event_type, e.value, e.currency, d.state, d.reason, d.due, d.delivered_at
    FROM events AS e LEFT JOIN deliveries AS d ON d.event = e.number AND d.destination = ?
    WHERE e.number IN (SELECT value FROM json_each(?))
"""


def insert_followers(db: sqlite3.Connection, routes: Iterable[tuple[int, Route]]) -> None:
    """Note what the events, given by number, follow by their routes."""
    rows = [(route.destination, key, event) for event, route in routes for key in route.follows]
    bulk.insert_rows(db, "followers (destination, key, event)", rows, "ON CONFLICT DO NOTHING")


def renew_followers(db: sqlite3.Connection, event: int, routes: Iterable[Route]) -> None:
    """Note what an event that was written over follows now."""
    db.execute("DELETE FROM followers WHERE event = ?", (event,))
    insert_followers(db, [(event, route) for route in routes])


def find_followed(
    db: sqlite3.Connection, claimed: ClaimedDeliveries, numbers: Sequence[int], *, now: datetime
) -> dict[int, FollowedEvent]:
    """What is known of the event that each of these deliveries follows."""
    destination, at = claimed.destination_state.destination, to_ms(now)
    keys = [bytes(key) for (key,) in db.execute(_KEYS, (json.dumps(numbers),))]
    followers = [
        Follower._make((*row, from_ms(created_at)))
        for key in keys
        for *row, created_at in db.execute(_FOLLOWERS, (at, destination, key)).fetchall()
    ]
    return gather_followed(followers, _read_followed(db, destination, keys), numbers=numbers, claim=claimed.token)


def _read_followed(db: sqlite3.Connection, destination: str, keys: Sequence[bytes]) -> dict[bytes, FollowedDelivery]:
    """What has each key, and its delivery; a key that no event is told under is left out."""
    counts = {key: order_count_key(key) for key in keys}
    entries = {key: number for key, (number, _) in ledger.find_keys(db, [*counts, *counts.values()]).items()}
    told = _find_originals(db, {entries[key] for key in keys if entries.get(key, 0) > 0})
    rows = db.execute(_FOLLOWED, (destination, json.dumps(sorted(set(told.values()))))).fetchall()
    found = {number: _followed_delivery(*row) for number, *row in rows}
    return {
        key: found[told[entries[key]]]._replace(of_order=entries.get(counts[key], 1))
        for key in keys
        if told.get(entries.get(key, 0)) in found
    }


def _find_originals(db: sqlite3.Connection, numbers: Collection[int]) -> dict[int, int]:
    """The number of the event that was told, by the number that the ledger has: of a duplicate that of its original."""
    rows = db.execute(
        "SELECT number, coalesce(duplicate_of, number) FROM events WHERE number IN (SELECT value FROM json_each(?))",
        (json.dumps(sorted(numbers)),),
    )
    return dict(rows.fetchall())


def _followed_delivery(  # noqa: PLR0913, PLR0917  the columns of a row
    event_type: str,
    value: str | None,
    currency: str | None,
    state: str | None,
    reason: str | None,
    due: int | None,
    delivered_at: int | None,
) -> FollowedDelivery:
    return FollowedDelivery(
        event_type, value, currency, state, reason, maybe_instant(due), maybe_instant(delivered_at), 1
    )


def keep_verdict(db: sqlite3.Connection, destination: str, numbers: Sequence[int], *, note: str, verdict: str) -> None:
    """Keep a verdict beside all that follow what these deliveries follow."""
    db.execute(
        """
        UPDATE followers SET note = ?, verdict = ? WHERE destination = ? AND key IN (
            SELECT key FROM followers WHERE destination = ? AND event IN (
                SELECT event FROM deliveries WHERE number IN (SELECT value FROM json_each(?))
            )
        )
        """,
        (storable_text(note), storable_text(verdict), destination, destination, json.dumps(numbers)),
    )
