"""Webhooks that are deferred until an earlier event is kept. Each waits for conversion keys of that event."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from bridge.core.conversions import KnownConversion
from bridge.core.model import EventNeeded
from bridge.store.sqlite.db import bulk
from bridge.store.sqlite.db.columns import ms_up, storable_text, to_ms
from bridge.store.sqlite.tables import ledger

WAITS = "EXISTS (SELECT 1 FROM waiting WHERE webhook = w.number)"
"""The SQL condition that a webhook `w` waits for an event."""


def find_conversions(db: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, Sequence[KnownConversion]]:
    """What is known under each conversion key; a key of which nothing is known is left out."""
    found = ledger.find_keys(db, keys)
    events = {
        row[0]: _known_event(*row)
        for row in bulk.select_keys(
            db, "SELECT number, id, text, webhook FROM events WHERE number", sorted({one for one, _ in found.values()})
        )
    }
    return {key: (events[number],) for key, (number, _) in found.items() if number in events}


def _known_event(number: int, name: str, text: bytes, webhook: int | None) -> KnownConversion:
    by = name if webhook is None else f"wh_{webhook}"
    return KnownConversion(text, by=by, webhook=webhook or 0, number=number)


def defer_webhook(db: sqlite3.Connection, number: int, wanting: EventNeeded, *, now: datetime) -> None:
    """Defer a received webhook; one whose event was kept in the meantime is due now.

    If the clock was set back after receipt, the full wait starts again now.
    """
    there = any(_holder_of(db, key) is not None for key in wanting.keys)
    until = to_ms(now) if there else ms_up(wanting.until)
    reason = f"waits for {storable_text(wanting.event_type)} until {wanting.until.isoformat(timespec='seconds')}"
    changed = db.execute(
        """
        UPDATE webhooks SET due = min(:until, :now + max(0, :until - received_at)), reason = :reason
        WHERE number = :number AND state = 'received'
        """,
        {"until": until, "now": to_ms(now), "reason": reason, "number": number},
    ).rowcount
    if changed and not there:
        db.executemany("INSERT OR IGNORE INTO waiting VALUES (?, ?)", [(key, number) for key in wanting.keys])


def make_due(db: sqlite3.Connection, conversion_keys: Sequence[tuple[bytes, int]]) -> None:
    """Make webhooks due that wait for one of these conversion keys, each at the time its event is kept."""
    if not _has_waits(db):
        return
    for key, at in conversion_keys:
        woken = db.execute("SELECT webhook FROM waiting WHERE key = ?", (key,)).fetchall()
        if woken:
            db.executemany(
                "UPDATE webhooks SET due = min(due, ?) WHERE number = ? AND state = 'received'",
                [(at, number) for (number,) in woken],
            )
            db.execute("DELETE FROM waiting WHERE key = ?", (key,))


def waiting_among(db: sqlite3.Connection, numbers: Sequence[int]) -> set[int]:
    """Returns which of these webhooks wait for an event."""
    if not _has_waits(db):
        return set()
    return {number for (number,) in bulk.select_keys(db, "SELECT webhook FROM waiting WHERE webhook", numbers)}


def delete_waits(db: sqlite3.Connection, numbers: Sequence[int]) -> None:
    """These webhooks wait no more."""
    if _has_waits(db):
        db.executemany("DELETE FROM waiting WHERE webhook = ?", [(number,) for number in numbers])


def _has_waits(db: sqlite3.Connection) -> bool:
    return bool(db.execute("SELECT EXISTS (SELECT 1 FROM waiting)").fetchone()[0])


def _holder_of(db: sqlite3.Connection, key: bytes) -> tuple[bytes] | None:
    found = ledger.find_keys(db, [key])
    if not found:
        return None
    row: tuple[bytes] | None = db.execute("SELECT text FROM events WHERE number = ?", (found[key][0],)).fetchone()
    return row
