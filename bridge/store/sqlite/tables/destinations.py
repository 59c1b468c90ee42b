"""The state of a destination: its row, and the time that its pauses took."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta

from bridge.store.protocol import DestinationState
from bridge.store.sqlite.db.columns import from_ms_length, maybe_instant, maybe_text, ms_up, to_ms, to_ms_up


def read_state(db: sqlite3.Connection, destination: str) -> DestinationState:
    """The state of a destination; a new one for a name never used."""
    row = db.execute(
        """
        SELECT paused, paused_at, probe_at, probes, failures, refused, paused_for
        FROM standings WHERE destination = ?
        """,
        (destination,),
    ).fetchone()
    if row is None:
        return DestinationState(destination)
    paused, paused_at, probe_at, probes, failures, refused, paused_for = row
    return DestinationState(
        destination,
        paused=paused,
        paused_at=maybe_instant(paused_at),
        probe_at=maybe_instant(probe_at),
        probes=probes,
        failures=failures,
        rejected=refused,
        paused_for=from_ms_length(paused_for),
    )


def write_state(db: sqlite3.Connection, destination_state: DestinationState) -> None:
    """Write the state of a destination; the time of its last claim is no part of it, and stays."""
    db.execute(
        """
        INSERT INTO standings (destination, paused, paused_at, probe_at, probes, failures, refused, paused_for)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET
            paused = excluded.paused, paused_at = excluded.paused_at, probe_at = excluded.probe_at,
            probes = excluded.probes, failures = excluded.failures, refused = excluded.refused,
            paused_for = excluded.paused_for
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
        ),
    )


def paused_in_all(destination_state: DestinationState, at: datetime) -> timedelta:
    """How long a destination had been paused in all at an instant, the pause under way with it."""
    if destination_state.paused is None or destination_state.paused_at is None:
        return destination_state.paused_for
    return destination_state.paused_for + max(timedelta(), at - destination_state.paused_at)
