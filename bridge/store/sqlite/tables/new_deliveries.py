"""Inserts deliveries, in the order in which their events were accepted."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from bridge.core.delivery import DeliveryState
from bridge.core.model import Route
from bridge.store.codec.columns import maybe_text
from bridge.store.sqlite.db import bulk
from bridge.store.sqlite.tables.followers import insert_followers

AHEAD_MS = 60_000
"""How far the newest delivery's due may be ahead of now and still hold the order: beyond, the clock was set back."""
_PENDING = DeliveryState.PENDING.value
_SKIPPED = DeliveryState.SKIPPED.value


def insert_deliveries(db: sqlite3.Connection, wanted: Sequence[tuple[int, Route, int]]) -> None:
    """Insert deliveries, each of an event (by number), by a route, at a time.

    Unless the clock was set back, none is due earlier than one inserted before it for its destination.
    """
    if not wanted:
        return
    before: dict[str, int | None] = dict(db.execute("SELECT destination, last_due FROM standings").fetchall())
    lasts = dict(before)
    rows: list[tuple[object, ...]] = []
    following: list[tuple[int, Route]] = []
    for event, route, at in wanted:
        due = at
        if route.skip is None:
            last_due = lasts.get(route.destination)
            due = last_due if last_due is not None and at < last_due <= at + AHEAD_MS else at
            lasts[route.destination] = due
        if route.follows:
            following.append((event, route))
        state = _PENDING if route.skip is None else _SKIPPED
        rows.append((event, route.destination, state, maybe_text(route.skip), due, at))
    bulk.insert_rows(
        db, "deliveries (event, destination, state, reason, due, created_at)", rows,
        "ON CONFLICT (event, destination) DO NOTHING",
    )  # fmt: skip
    if following:
        insert_followers(db, following)
    moved = [(name, due) for name, due in lasts.items() if due != before.get(name)]
    bulk.insert_rows(
        db, "standings (destination, last_due)", moved, "ON CONFLICT DO UPDATE SET last_due = excluded.last_due"
    )
