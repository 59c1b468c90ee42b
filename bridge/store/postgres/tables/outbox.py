"""Claims deliveries: which ones, how many, and whether now.

The row of the destination is locked first, so that rates, senders and pauses are exact over all nodes. A claim is one
row that holds the numbers of deliveries; the deliveries themselves are not touched. `attempts.py` records how an
attempt ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg

from bridge.core.delivery import Delivery
from bridge.store.codec.columns import from_ms_length, to_ms_up
from bridge.store.postgres.db.arrays import to_numbers
from bridge.store.postgres.db.texts import server_text
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.postgres.tables import attempts
from bridge.store.postgres.tables.destinations import (
    make_state,
    paused_in_all,
    read_state,
    send_lock,
    state_of_row,
)
from bridge.store.protocol import ClaimedDeliveries, DestinationState, Pacing

AHEAD_MS = 60_000
"""How far ahead the last claim may be and still count: beyond, it was made by the clock of another primary."""

_NOT_TRIED = timedelta()


class _DueDelivery(NamedTuple):
    """A delivery that may be claimed, with what is sent of its event."""

    number: int
    together: int | None
    created_at: int
    attempts: int
    first_attempt_at: int | None
    paused_for: int | None
    event_id: str
    revision: int
    of_order: int
    text: bytes
    token: int
    """The number of their claim, drawn once for all."""


_DUE = """
    SELECT o.number, o.together, o.created_at, o.attempts, o.first_attempt_at, o.paused_for, e.id, e.revision,
        coalesce(e.of_order, 1), e.text, (SELECT draw_block())
    FROM outbox AS o JOIN events AS e ON e.number = o.event
    WHERE o.destination = %(destination)s AND o.due <= (SELECT coalesce(%(at)s::bigint, clock_ms()))
        AND o.number <> ALL (
            ARRAY(SELECT h FROM claims AS c, unnest(c.held) AS h WHERE c.destination = %(destination)s)
        )
        AND (SELECT count(*) FROM claims AS c WHERE c.destination = %(destination)s) < %(concurrency)s
"""
_EARLIEST = f"{_DUE} ORDER BY o.due, o.number LIMIT %(limit)s"
_NEWEST = f"{_DUE} ORDER BY o.created_at DESC, o.number DESC LIMIT %(limit)s"


def claim_deliveries(
    transaction: Transaction, destination: str, *, now: datetime, pacing: Pacing, node: int
) -> ClaimedDeliveries | None:
    """Claim the deliveries of one request, earliest due first; returns None if none may be claimed now.

    What the lock guards is asked for behind it, and sees what was committed by whoever had it before.
    """
    locked = send_lock(transaction, destination)
    over = attempts.send_expired_claims(transaction, destination)
    which = _Due(destination, transaction.given_at, pacing)
    due = which.send(transaction, _EARLIEST)
    row = locked.fetchone()
    are_over = attempts.end_claims(transaction, destination, over)
    if row is None:  # it was not locked
        make_state(transaction, destination)
        return claim_deliveries(transaction, destination, now=now, pacing=pacing, node=node)
    state, last_claim_at = state_of_row(transaction, destination, row), row[-1]
    if is_held_back(state, now=now):
        return None
    if last_claim_at is not None and -AHEAD_MS < transaction.at - last_claim_at < to_ms_up(pacing.spacing):
        return None
    if are_over:  # which changes their order
        due = which.send(transaction, _EARLIEST)
    rows = _choose_rows(transaction, which, due, limit=pacing.limit if state.paused is None else 1)
    if not rows:
        return None
    until = transaction.at + to_ms_up(pacing.lease)
    _insert_claim(transaction, destination, rows, node=node, until=until)
    version = _claimed_at(transaction, state, pacing, until=until)
    return ClaimedDeliveries(
        rows[0].token,
        tuple(_delivery_of(transaction, row, state, now=now) for row in rows),
        replace(state, version=version),
    )


def may_have_due(db: psycopg.Connection[Any], destination: str, *, at: int | None) -> bool:
    """Whether a claim may find something: one statement that locks nothing, for nodes that are idle.

    `at` is the time; the server's where it is None.
    """
    [(found,)] = select(
        db,
        "SELECT EXISTS (SELECT 1 FROM outbox WHERE destination = %s AND due <= coalesce(%s, clock_ms()))",
        (server_text(destination), at),
    )
    return bool(found)


def has_pending(db: psycopg.Connection[Any], destination: str) -> bool:
    """Whether a destination has anything that is due at any time, or under a claim; as above."""
    [(found,)] = select(
        db,
        "SELECT EXISTS (SELECT 1 FROM outbox WHERE destination = %(d)s) "
        "OR EXISTS (SELECT 1 FROM claims WHERE destination = %(d)s)",
        {"d": server_text(destination)},
    )
    return bool(found)


def is_held_back(state: DestinationState, *, now: datetime) -> bool:
    """Whether nothing may be sent to a destination now: after a 429, or while it is paused."""
    if state.held_until is not None and state.held_until > now:
        return True
    return state.paused is not None and (state.probe_at is None or state.probe_at > now)


def next_due(transaction: Transaction, destination: str | None) -> datetime | None:
    """When something can be claimed next, as far as time and pauses go: senders and spacing are the caller's own."""
    if destination is None:
        return _maybe_instant(
            transaction,
            """
            SELECT min(due) FROM (
                SELECT min(due) AS due FROM webhooks WHERE state = 'received'
                UNION ALL SELECT min(d.at) FROM deferred AS d JOIN webhooks ON number = webhook WHERE due IS NULL
            ) AS next
            """,
            (),
        )
    due = _maybe_instant(  # what is under a claim is due at the end of its lease
        transaction,
        """
        SELECT least(
            (SELECT min(due) FROM outbox WHERE destination = %(d)s AND number <> ALL(
                coalesce((SELECT array_agg(h) FROM claims, unnest(held) AS h WHERE claims.destination = %(d)s), '{}')
            )),
            (SELECT min(until) FROM claims WHERE destination = %(d)s)
        )
        """,
        {"d": server_text(destination)},
    )
    if due is None:
        return None
    state = read_state(transaction, destination)
    if state.held_until is not None:
        due = max(due, state.held_until)
    if state.paused is None:
        return due
    return max(due, state.probe_at) if state.probe_at is not None else None


def _maybe_instant(transaction: Transaction, query: str, values: dict[str, str] | tuple[()]) -> datetime | None:
    found = transaction.execute(query, values).fetchone()
    return None if found is None or found[0] is None else transaction.for_caller(found[0])


@dataclass(frozen=True, slots=True)
class _Due:
    """What is looked for: nothing where as many claims are under way as may be. `at` is None by the server's clock."""

    destination: str
    at: int | None
    pacing: Pacing

    def send(self, transaction: Transaction, query: str) -> psycopg.Cursor[Any]:
        return transaction.execute(
            query,
            {
                "destination": server_text(self.destination),
                "at": self.at,
                "concurrency": self.pacing.concurrency,
                "limit": self.pacing.limit,
            },
        )


def _choose_rows(transaction: Transaction, which: _Due, due: psycopg.Cursor[Any], *, limit: int) -> list[_DueDelivery]:
    """The first due deliveries with the same `together` as the first; behind a backlog, the newest instead."""
    rows = _rows_of(due, limit)
    beyond = which.pacing.newest_beyond
    if rows and beyond is not None and rows[0].created_at < transaction.at - to_ms_up(beyond):
        return _rows_alike(_rows_of(which.send(transaction, _NEWEST), limit))[::-1]
    return _rows_alike(rows)


def _rows_of(found: psycopg.Cursor[Any], limit: int) -> list[_DueDelivery]:
    return list(map(_DueDelivery._make, found.fetchmany(limit)))


def _rows_alike(rows: list[_DueDelivery]) -> list[_DueDelivery]:
    if not rows:
        return []
    together = rows[0].together
    alike = [row for row in rows if row.together == together]
    return alike if together is None else alike[: max(1, together)]


def _insert_claim(
    transaction: Transaction, destination: str, rows: Sequence[_DueDelivery], *, node: int, until: int
) -> None:
    transaction.execute(
        "INSERT INTO claims (token, destination, node, until, started_at, held) VALUES (%s, %s, %s, %s, %s, %s)",
        (
            rows[0].token, server_text(destination), node, until, transaction.at,
            to_numbers([row.number for row in rows]),
        ),
    )  # fmt: skip


def _claimed_at(transaction: Transaction, state: DestinationState, pacing: Pacing, *, until: int) -> int:
    """Record the time of the claim, for spacing; returns the version of the destination's state from now on.

    A probe keeps other senders from probing until its lease ends. Without either nothing is written.
    """
    name = server_text(state.destination)
    if state.paused is not None:
        transaction.execute(
            "UPDATE standings SET last_claim_at = %s, probe_at = %s, version = version + 1 WHERE destination = %s",
            (transaction.at, until, name),
        )
        return state.version + 1
    if pacing.spacing > timedelta():
        transaction.execute("UPDATE standings SET last_claim_at = %s WHERE destination = %s", (transaction.at, name))
    return state.version


def _delivery_of(transaction: Transaction, row: _DueDelivery, state: DestinationState, *, now: datetime) -> Delivery:
    tried_for = _NOT_TRIED
    if row.first_attempt_at is not None:
        pauses = paused_in_all(state, now) - from_ms_length(row.paused_for or 0)
        tried_for = max(tried_for, now - transaction.for_caller(row.first_attempt_at) - pauses)
    return Delivery(
        number=row.number,
        destination=state.destination,
        event_id=row.event_id,
        text=row.text,
        attempts=row.attempts,
        tried_for=tried_for,
        together=row.together,
        revision=row.revision,
        of_order=row.of_order,
    )
