"""Claims deliveries: which ones, how many, and whether now.

A claim is a row with a lease and the deliveries that it holds; they are due again when the lease is over. `attempts.py`
records how an attempt ended.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bridge.core.delivery import Delivery
from bridge.store.codec.columns import from_ms, from_ms_length, maybe_instant, to_ms, to_ms_up
from bridge.store.protocol import ClaimedDeliveries, DestinationState, Pacing
from bridge.store.sqlite.db import bulk
from bridge.store.sqlite.tables import attempts
from bridge.store.sqlite.tables.destinations import paused_in_all, read_state
from bridge.store.sqlite.tables.new_deliveries import AHEAD_MS

Row = tuple[int, int, int | None, str, int, int | None, int | None, int, int, bytes]
"""number, due, together, event_id, attempts, first_attempt_at, paused_for, revision, of_order, text"""

_DUE = """
    SELECT d.number, d.due, d.together, e.id, d.attempts, d.first_attempt_at, d.paused_for,
        coalesce(d.revision, 0) AS revision, coalesce(e.of_order, 1) AS of_order, e.text
    FROM deliveries AS d JOIN events AS e ON e.number = d.event
    WHERE d.destination = ? AND d.state = 'pending' AND d.due <= ?
"""
_NEXT_WEBHOOK = """
    SELECT min(due) FROM (
        SELECT min(due) AS due FROM webhooks WHERE state = 'received'
        UNION ALL SELECT min(at) FROM deferred JOIN webhooks ON number = webhook WHERE due IS NULL
    )
"""
_COLUMNS = "number, due, together, id, attempts, first_attempt_at, paused_for, revision, of_order"


def claim_deliveries(
    db: sqlite3.Connection, destination: str, *, now: datetime, trusted_now: datetime, pacing: Pacing
) -> ClaimedDeliveries | None:
    """Claim the deliveries of one request, earliest due first; returns None if none may be claimed now.

    `trusted_now` is the time that is used for ages (`db/clock_skew.py`).
    """
    at = to_ms(now)
    destination_state = read_state(db, destination)
    if _held_back(destination_state, now=now) or not _may_claim(db, destination, at=at, pacing=pacing):
        return None
    rows = _select_due(
        db, destination, at=at, pacing=pacing if destination_state.paused is None else replace(pacing, limit=1)
    )
    if not rows:
        return None
    until = at + to_ms_up(pacing.lease)
    _end_expired_claims(db, destination, at=at, lease=to_ms_up(pacing.lease))
    token = _insert_claim(db, destination, rows, until=until)
    version = _claimed_at(db, destination_state, at=at, until=until)
    return ClaimedDeliveries(
        token,
        tuple(_delivery_of(row, destination_state, trusted_now=trusted_now) for row in rows),
        replace(destination_state, version=version),
    )


def next_due(db: sqlite3.Connection, destination: str | None) -> datetime | None:
    """When something can be claimed next, as far as time and pauses go: senders and spacing are the caller's own."""
    if destination is None:
        return maybe_instant(db.execute(_NEXT_WEBHOOK).fetchone()[0])
    row = db.execute(
        "SELECT min(due) FROM deliveries WHERE destination = ? AND state = 'pending'", (destination,)
    ).fetchone()
    if row[0] is None:
        return None
    due = from_ms(row[0])
    destination_state = read_state(db, destination)
    if destination_state.held_until is not None:
        due = max(due, destination_state.held_until)
    if destination_state.paused is None:
        return due
    return max(due, destination_state.probe_at) if destination_state.probe_at is not None else None


def _held_back(destination_state: DestinationState, *, now: datetime) -> bool:
    if destination_state.held_until is not None and destination_state.held_until > now:
        return True
    return destination_state.paused is not None and (
        destination_state.probe_at is None or destination_state.probe_at > now
    )


def _may_claim(db: sqlite3.Connection, destination: str, *, at: int, pacing: Pacing) -> bool:
    """Whether the last claim is long enough ago, and a sender is free."""
    found = db.execute("SELECT last_claim_at FROM standings WHERE destination = ?", (destination,)).fetchone()
    if found and found[0] is not None and -AHEAD_MS < at - found[0] < to_ms_up(pacing.spacing):
        return False  # another process may be a moment ahead; beyond a minute it is this clock that was set back
    under_way = db.execute("SELECT count(*) FROM claims WHERE destination = ? AND until > ?", (destination, at))
    taken: int = under_way.fetchone()[0]
    return taken < pacing.concurrency


def _select_due(db: sqlite3.Connection, destination: str, *, at: int, pacing: Pacing) -> list[Row]:
    """The first due deliveries with the same `together` as the first; behind a backlog, the newest instead."""
    which = (destination, at, pacing.limit)
    rows = _select_rows(db, f"{_DUE} ORDER BY d.due, d.number LIMIT ?", which)
    if not rows:
        return []
    if _is_backlog(db, rows[0], at=at, pacing=pacing):
        return _rows_alike(_select_rows(db, f"{_DUE} ORDER BY d.created_at DESC, d.number DESC LIMIT ?", which))[::-1]
    return _rows_alike(rows)


def _select_rows(db: sqlite3.Connection, select: str, which: tuple[str, int, int]) -> list[Row]:
    return bulk.select_rows(db, select, which, columns=_COLUMNS, text="text")


def _rows_alike(rows: list[Row]) -> list[Row]:
    together = rows[0][2]
    alike = [row for row in rows if row[2] == together]
    return alike if together is None else alike[: max(1, together)]


def _is_backlog(db: sqlite3.Connection, first: Row, *, at: int, pacing: Pacing) -> bool:
    if pacing.newest_beyond is None:
        return False
    created_at: int = db.execute("SELECT created_at FROM deliveries WHERE number = ?", (first[0],)).fetchone()[0]
    return created_at < at - to_ms_up(pacing.newest_beyond)


def _end_expired_claims(db: sqlite3.Connection, destination: str, *, at: int, lease: int) -> None:
    """End the claims whose lease is over, with an attempt that says that their request may have been made."""
    over = db.execute(
        "DELETE FROM claims WHERE destination = ? AND until <= ? RETURNING token, until, held", (destination, at)
    ).fetchall()
    for token, until, held in over:
        numbers = [number for number, _ in json.loads(held)]
        attempts.record_lost_claim(db, destination, token, numbers, started_at=until - lease, took=lease)


def _insert_claim(db: sqlite3.Connection, destination: str, rows: Sequence[Row], *, until: int) -> int:
    token = db.execute(
        "INSERT INTO claims (destination, until, held) VALUES (?, ?, ?)",
        (destination, until, json.dumps([row[:2] for row in rows])),
    ).lastrowid
    assert token is not None  # noqa: S101  an INSERT that did not raise has one
    db.execute(
        "UPDATE deliveries SET due = ?, token = ? WHERE number IN (SELECT value FROM json_each(?))",
        (until, token, json.dumps([row[0] for row in rows])),
    )
    return token


def _claimed_at(db: sqlite3.Connection, destination_state: DestinationState, *, at: int, until: int) -> int:
    """Record the time of the claim, for spacing; returns the version of the destination's state from now on.

    A probe keeps other senders from probing until its lease ends.
    """
    db.execute(
        """
        INSERT INTO standings (destination, last_claim_at) VALUES (?, ?)
        ON CONFLICT DO UPDATE SET last_claim_at = excluded.last_claim_at
        """,
        (destination_state.destination, at),
    )
    if destination_state.paused is None:
        return destination_state.version
    db.execute(
        "UPDATE standings SET probe_at = ?, version = version + 1 WHERE destination = ?",
        (until, destination_state.destination),
    )
    return destination_state.version + 1


def _delivery_of(row: Row, destination_state: DestinationState, *, trusted_now: datetime) -> Delivery:
    number, _, together, event_id, tries, first_attempt_at, paused_for, revision, of_order, text = row
    tried_for = from_ms_length(0)
    if first_attempt_at is not None:
        pauses = paused_in_all(destination_state, trusted_now) - from_ms_length(paused_for or 0)
        tried_for = max(tried_for, trusted_now - from_ms(first_attempt_at) - pauses)
    return Delivery(
        number=number,
        destination=destination_state.destination,
        event_id=event_id,
        text=text,
        attempts=tries,
        tried_for=tried_for,
        together=together,
        revision=revision,
        of_order=of_order,
    )
