"""The state of a destination: its row, and the time that its pauses took."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta

from bridge.store.codec.columns import from_ms, from_ms_length, maybe_instant, maybe_text, ms_up, to_ms, to_ms_up
from bridge.store.protocol import DestinationState
from bridge.store.status_views import DestinationCheck


def read_state(db: sqlite3.Connection, destination: str) -> DestinationState:
    """The state of a destination; a new one for a name never used."""
    row = db.execute(
        """
        SELECT paused, paused_at, probe_at, probes, failures, refused, paused_for, held_until, version
        FROM standings WHERE destination = ?
        """,
        (destination,),
    ).fetchone()
    if row is None:
        return DestinationState(destination)
    paused, paused_at, probe_at, probes, failures, refused, paused_for, held_until, version = row
    return DestinationState(
        destination,
        paused=paused,
        paused_at=maybe_instant(paused_at),
        probe_at=maybe_instant(probe_at),
        probes=probes,
        failures=failures,
        rejected=refused,
        paused_for=from_ms_length(paused_for),
        held_until=maybe_instant(held_until),
        version=version,
    )


def write_state(db: sqlite3.Connection, destination_state: DestinationState) -> None:
    """Write the state of a destination under a new version; the time of its last claim is no part of it, and stays."""
    db.execute(
        """
        INSERT INTO standings (
            destination, paused, paused_at, probe_at, probes, failures, refused, paused_for, held_until, version
        )
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1)
        ON CONFLICT DO UPDATE SET
            paused = excluded.paused, paused_at = excluded.paused_at, probe_at = excluded.probe_at,
            probes = excluded.probes, failures = excluded.failures, refused = excluded.refused,
            paused_for = excluded.paused_for, held_until = excluded.held_until, version = version + 1
        """,
        (
            destination_state.destination,
            maybe_text(destination_state.paused),
            None if destination_state.paused_at is None else to_ms(destination_state.paused_at),
            None if destination_state.probe_at is None else ms_up(destination_state.probe_at),
            destination_state.probes,
            destination_state.failures,
            destination_state.rejected,
            to_ms_up(destination_state.paused_for),
            None if destination_state.held_until is None else ms_up(destination_state.held_until),
        ),
    )


def paused_in_all(destination_state: DestinationState, at: datetime) -> timedelta:
    """How long a destination had been paused in all at an instant, the pause under way with it."""
    if destination_state.paused is None or destination_state.paused_at is None:
        return destination_state.paused_for
    return destination_state.paused_for + max(timedelta(), at - destination_state.paused_at)


# ------------------------------------------------------------------------------------------- asked without an event


def record_check(db: sqlite3.Connection, destination: str, *, failed: str | None, now: datetime) -> None:
    """Write when a destination was asked without an event, and why that failed."""
    db.execute(
        """
        INSERT INTO standings (destination, checked_at, check_failed) VALUES (?, ?, ?)
        ON CONFLICT DO UPDATE SET checked_at = excluded.checked_at, check_failed = excluded.check_failed
        """,
        (destination, to_ms(now), maybe_text(failed)),
    )


def pause_destination(
    db: sqlite3.Connection, destination: str, *, reason: str, probe_at: datetime, now: datetime
) -> None:
    """Pause a destination; of one that is paused, write the reason of now and when its next probe is."""
    before = read_state(db, destination)
    probes = before.probes + 1
    if before.paused is None:
        before, probes = replace(before, paused_at=now, failures=0), 0
    write_state(db, replace(before, paused=reason, probe_at=probe_at, probes=probes))


def resume_destination(db: sqlite3.Connection, destination: str, *, now: datetime, works: bool) -> bool:
    """Make the probe of a paused destination due; end the pause where it works and nothing could be the probe."""
    before = read_state(db, destination)
    if before.paused is None:
        return False
    waits = db.execute(
        "SELECT EXISTS (SELECT 1 FROM deliveries WHERE destination = ? AND state = 'pending')", (destination,)
    ).fetchone()[0]
    if works and not waits:
        ended = replace(before, paused=None, paused_at=None, probe_at=None, probes=0, failures=0, rejected=0)
        write_state(db, replace(ended, paused_for=paused_in_all(before, now)))
    else:
        write_state(db, replace(before, probe_at=now))
    db.execute(  # a probe is one of the deliveries that are due: those that wait for the next probe are due with it
        """
        UPDATE deliveries SET due = ?1
        WHERE destination = ?2 AND state = 'pending' AND due > ?1 AND (token IS NULL OR NOT EXISTS (
            SELECT 1 FROM claims WHERE claims.token = deliveries.token))
        """,
        (to_ms(now), destination),
    )
    return True


def read_checks(db: sqlite3.Connection) -> tuple[DestinationCheck, ...]:
    """The last check of each destination that was checked."""
    rows = db.execute("SELECT destination, checked_at, check_failed FROM standings WHERE checked_at IS NOT NULL")
    return tuple(DestinationCheck(name, from_ms(at), failed) for name, at, failed in rows)
