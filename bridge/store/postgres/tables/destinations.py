"""The state of a destination: its row, which every claim locks, and the time that its pauses took."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import psycopg

from bridge.store.codec.columns import from_ms, from_ms_length, to_ms_up
from bridge.store.postgres.db.texts import maybe_server_text, server_text
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.protocol import DestinationState
from bridge.store.status_views import DestinationCheck

COLUMNS = "paused, paused_at, probe_at, probes, failures, refused, paused_for, held_until, version, last_claim_at"
"""What the state of a destination is made of."""
_LOCK = f"SELECT {COLUMNS} FROM standings WHERE destination = %s FOR UPDATE"  # noqa: S608  ours


def read_state(transaction: Transaction, destination: str) -> DestinationState:
    """The state of a destination; a new one for a name never used."""
    find = f"SELECT {COLUMNS} FROM standings WHERE destination = %s"  # noqa: S608  ours
    rows = select(transaction.db, find, (server_text(destination),))
    return state_of_row(transaction, destination, rows[0]) if rows else DestinationState(destination)


def lock_state(transaction: Transaction, destination: str) -> tuple[DestinationState, int | None]:
    """The state, and when the last claim was; nobody else claims or changes it until this transaction ends.

    What the lock guards is read by later statements: the subqueries of one that waits for a lock are not read anew.
    """
    rows = send_lock(transaction, destination).fetchall()
    if not rows:
        make_state(transaction, destination)
        rows = send_lock(transaction, destination).fetchall()
    return state_of_row(transaction, destination, rows[0]), rows[0][-1]


def send_lock(transaction: Transaction, destination: str) -> psycopg.Cursor[Any]:
    """Ask for the lock of a destination, and for COLUMNS of its row; no row where it was never used."""
    return transaction.execute(_LOCK, (server_text(destination),))


def make_state(transaction: Transaction, destination: str) -> None:
    """Make the row of a destination that was never used."""
    transaction.execute(
        "INSERT INTO standings (destination) VALUES (%s) ON CONFLICT DO NOTHING", (server_text(destination),)
    )


def write_state(transaction: Transaction, wanted: DestinationState) -> bool:
    """Write the state of a destination under a new version; False, and nothing has changed, if its version is another.

    The time of its last claim is no part of it, and stays.
    """
    written = transaction.execute(
        """
        INSERT INTO standings (
            destination, paused, paused_at, probe_at, probes, failures, refused, paused_for, held_until, version
        )
        SELECT %(destination)s, %(paused)s, %(paused_at)s, %(probe_at)s, %(probes)s, %(failures)s, %(refused)s,
            %(paused_for)s, %(held_until)s, 1
        WHERE %(version)s = 0 OR EXISTS (SELECT 1 FROM standings WHERE destination = %(destination)s)
        ON CONFLICT (destination) DO UPDATE SET
            paused = excluded.paused, paused_at = excluded.paused_at, probe_at = excluded.probe_at,
            probes = excluded.probes, failures = excluded.failures, refused = excluded.refused,
            paused_for = excluded.paused_for, held_until = excluded.held_until, version = standings.version + 1
        WHERE standings.version = %(version)s RETURNING version
        """,
        {
            "destination": server_text(wanted.destination),
            "paused": maybe_server_text(wanted.paused),
            "paused_at": _maybe_ms(transaction, wanted.paused_at),
            "probe_at": _maybe_ms(transaction, wanted.probe_at),
            "probes": wanted.probes,
            "failures": wanted.failures,
            "refused": wanted.rejected,
            "paused_for": to_ms_up(wanted.paused_for),
            "held_until": _maybe_ms(transaction, wanted.held_until),
            "version": wanted.version,
        },
    )
    return bool(written.fetchall())


def record_check(transaction: Transaction, destination: str, *, failed: str | None) -> None:
    """Write when a destination was asked without an event, and why that failed."""
    transaction.execute(
        """
        INSERT INTO standings (destination, checked_at, check_failed) VALUES (%s, %s, %s)
        ON CONFLICT (destination) DO UPDATE SET checked_at = excluded.checked_at, check_failed = excluded.check_failed
        """,
        (server_text(destination), transaction.at, maybe_server_text(failed)),
    )


def read_checks(db: psycopg.Connection[Any]) -> tuple[DestinationCheck, ...]:
    """The last check of each destination that was checked."""
    rows = select(
        db,
        "SELECT destination, checked_at, check_failed FROM standings WHERE checked_at IS NOT NULL ORDER BY destination",
    )
    return tuple(DestinationCheck(name, from_ms(at), failed) for name, at, failed in rows)


def pause_destination(
    transaction: Transaction, destination: str, *, reason: str, probe_at: datetime, now: datetime
) -> None:
    """Pause a destination; of one that is paused, write the reason of now and when its next probe is."""
    before, _ = lock_state(transaction, destination)
    probes = before.probes + 1
    if before.paused is None:
        before, probes = replace(before, paused_at=now, failures=0), 0
    write_state(transaction, replace(before, paused=reason, probe_at=probe_at, probes=probes))


def resume_destination(transaction: Transaction, destination: str, *, now: datetime, works: bool) -> bool:
    """Make the probe of a paused destination due; end the pause where it works and nothing could be the probe."""
    before, _ = lock_state(transaction, destination)
    if before.paused is None:
        return False
    name = server_text(destination)
    [(waits,)] = select(transaction.db, "SELECT EXISTS (SELECT 1 FROM outbox WHERE destination = %s)", (name,))
    if works and not waits:
        ended = replace(before, paused=None, paused_at=None, probe_at=None, probes=0, failures=0, rejected=0)
        write_state(transaction, replace(ended, paused_for=paused_in_all(before, now)))
    else:
        write_state(transaction, replace(before, probe_at=now))
    transaction.execute(  # a probe is one of the deliveries that are due: those that wait for it are due with it
        "UPDATE outbox SET due = %(at)s WHERE destination = %(name)s AND due > %(at)s",
        {"at": transaction.at, "name": name},
    )
    return True


def paused_in_all(destination_state: DestinationState, at: datetime) -> timedelta:
    """How long a destination had been paused in all at an instant, the pause under way with it."""
    if destination_state.paused is None or destination_state.paused_at is None:
        return destination_state.paused_for
    return destination_state.paused_for + max(timedelta(), at - destination_state.paused_at)


def state_of_row(transaction: Transaction, destination: str, row: tuple[Any, ...]) -> DestinationState:
    """The state as COLUMNS of its row have it."""
    paused, paused_at, probe_at, probes, failures, refused, paused_for, held_until, version, _ = row
    return DestinationState(
        destination,
        paused=paused,
        paused_at=_maybe_instant(transaction, paused_at),
        probe_at=_maybe_instant(transaction, probe_at),
        probes=probes,
        failures=failures,
        rejected=refused,
        paused_for=from_ms_length(paused_for),
        held_until=_maybe_instant(transaction, held_until),
        version=version,
    )


def _maybe_instant(transaction: Transaction, milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else transaction.for_caller(milliseconds)


def _maybe_ms(transaction: Transaction, instant: datetime | None) -> int | None:
    return None if instant is None else transaction.at_least(instant)
