"""Retry and replay: they only make things due; the loops do the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from bridge.core.errors import BodyGone
from bridge.store.postgres.admin import queries
from bridge.store.postgres.admin.filters import (
    DELIVERIES,
    MOST_NUMBER,
    WEBHOOKS,
    not_found,
    row_numbers,
    where_conditions,
)
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.postgres.tables import coverage
from bridge.store.postgres.tables.counts import count_webhooks
from bridge.store.postgres.tables.coverage import EndedDelivery
from bridge.store.postgres.tables.parcels import HAS_BODY
from bridge.store.protocol import ChangeStep, DryRun, RowFilter

_RETRIED = """
    (d.state = 'dead' OR (d.state = 'pending' AND NOT EXISTS (
        SELECT 1 FROM claims AS c
        WHERE c.destination = d.destination AND c.until > %s AND d.number = ANY(c.held)
    )))
"""
"""A dead delivery, or one that waits; one that is claimed is left to its claim."""
_REPLAYED = f"w.state <> 'received' AND {HAS_BODY}"
_DELIVERIES = "all_deliveries AS d JOIN events AS e ON e.number = d.event"


def retry_deliveries(transaction: Transaction, which: RowFilter, *, below: int | None, limit: int) -> ChangeStep:
    """Make dead deliveries pending again, and waiting ones due now, newest first."""
    where, values = _retry_condition(transaction.db, which, at=transaction.at, below=below)
    found = select(
        transaction.db,
        f"SELECT d.number, d.destination FROM {_DELIVERIES} WHERE {where} ORDER BY d.number DESC LIMIT %s",  # noqa: S608  ours
        (*values, limit),
    )
    numbers = [number for number, _ in found]
    transaction.execute("UPDATE outbox SET due = least(due, %s) WHERE number = ANY(%s)", (transaction.at, numbers))
    revived = transaction.execute(
        """
        WITH dead AS (DELETE FROM deliveries WHERE number = ANY(%s) AND state = 'dead' RETURNING *), due AS (
            INSERT INTO outbox (
                number, event, destination, due, attempts, last_attempt, created_at, event_type, revision
            )
            SELECT number, event, destination, %s, attempts, last_attempt, created_at, event_type, revision FROM dead
        )
        SELECT destination, event_type, state, reason, created_at, ended_at FROM dead
        """,
        (numbers, transaction.at),
    ).fetchall()
    coverage.count_left(transaction, [EndedDelivery(*row) for row in revived])
    for destination, *_ in revived:
        transaction.counts["deliveries", destination, "pending"] += 1
    transaction.execute(
        """
        UPDATE standings SET probe_at = %(at)s, version = version + 1
        WHERE destination = ANY(%(destinations)s) AND paused IS NOT NULL AND probe_at IS DISTINCT FROM %(at)s
        """,
        {"at": transaction.at, "destinations": sorted({destination for _, destination in found})},
    )
    return _step_of(numbers, limit=limit)


def would_retry(transaction: Transaction, which: RowFilter, *, newest: int) -> DryRun:
    """Returns what `retry_deliveries` would make due."""
    where, values = _retry_condition(transaction.db, which, at=transaction.at)
    [(count,)] = select(transaction.db, f"SELECT count(*) FROM {_DELIVERIES} WHERE {where}", values)  # noqa: S608  ours
    return DryRun(count, queries.delivery_rows(transaction.db, where, values, limit=newest))


def replay_webhooks(transaction: Transaction, which: RowFilter, *, below: int | None, limit: int) -> ChangeStep:
    """Make completed webhooks received again, and due. Those still received stay as they are.

    A webhook whose body was purged is left out, or refused with BodyGone if it was named.
    """
    where, values = _replay_condition(transaction.db, which, below=below)
    found = select(
        transaction.db,
        f"SELECT w.number FROM webhooks AS w WHERE {where} ORDER BY w.number DESC LIMIT %s",  # noqa: S608  ours
        (*values, limit),
    )
    numbers = [number for (number,) in found]
    transaction.execute(  # so that no purge takes them
        """
        SELECT 1 FROM parcels WHERE number IN (SELECT parcel FROM webhooks WHERE number = ANY(%s))
        ORDER BY number FOR KEY SHARE
        """,
        (numbers,),
    )
    changed = transaction.execute(
        f"""
        UPDATE webhooks AS w SET state = 'received', reason = NULL, due = %s, looked_at = false
        FROM (
            SELECT number, state FROM webhooks AS w WHERE number = ANY(%s) AND {HAS_BODY}
            ORDER BY number FOR UPDATE
        ) AS before
        WHERE w.number = before.number AND before.state <> 'received'
        RETURNING w.source, before.state, w.received_at
        """,  # noqa: S608  a condition of parcels.py
        (transaction.at, numbers),
    ).fetchall()
    for source, state, received_at in changed:
        count_webhooks(transaction, source, state, received_at, -1)
        count_webhooks(transaction, source, "received", received_at)
    return _step_of(numbers, limit=limit)


def would_replay(db: psycopg.Connection[Any], which: RowFilter, *, newest: int) -> DryRun:
    """Returns what `replay_webhooks` would make received again."""
    where, values = _replay_condition(db, which)
    [(count,)] = select(db, f"SELECT count(*) FROM webhooks AS w WHERE {where}", values)  # noqa: S608  ours
    return DryRun(count, queries.webhook_rows(db, where, values, limit=newest))


def _step_of(numbers: Sequence[int], *, limit: int) -> ChangeStep:
    return ChangeStep(len(numbers), numbers[-1] if len(numbers) == limit else None)


def _retry_condition(
    db: psycopg.Connection[Any], which: RowFilter, *, at: int, below: int | None = None
) -> tuple[str, list[object]]:
    """Returns what follows WHERE for a retry, and its parameters. Raises NotFound for an id that nothing has.

    The ids are looked for in the first step: during the next ones a row may be purged.
    """
    for number in row_numbers(which, DELIVERIES) if below is None else ():
        if not select(db, "SELECT 1 FROM all_deliveries WHERE number = %s", (number,)):
            raise not_found(f"dlv_{number}", DELIVERIES)
    where, values = where_conditions(which, DELIVERIES)
    return f"{_RETRIED} AND d.number < %s AND {where}", [at, MOST_NUMBER if below is None else below, *values]


def _replay_condition(
    db: psycopg.Connection[Any], which: RowFilter, *, below: int | None = None
) -> tuple[str, list[object]]:
    """Returns what follows WHERE for a replay. Also raises BodyGone for a named webhook whose body was purged."""
    for number in row_numbers(which, WEBHOOKS) if below is None else ():
        found = select(db, f"SELECT {HAS_BODY} FROM webhooks AS w WHERE w.number = %s", (number,))  # noqa: S608  ours
        if not found:
            raise not_found(f"wh_{number}", WEBHOOKS)
        if not found[0][0]:
            raise BodyGone(
                f"the body of wh_{number} is gone and cannot be replayed; BRIDGE_KEEP_BODIES says how long bodies "
                "are kept"
            )
    where, values = where_conditions(which, WEBHOOKS)
    return f"{_REPLAYED} AND w.number < %s AND {where}", [MOST_NUMBER if below is None else below, *values]
