"""Retry, replay, and deliveries to a destination that was set later.

They only make things due; the loops do the rest.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from bridge.core.errors import BodyGone
from bridge.core.model import Event, Route
from bridge.store.codec.columns import to_ms
from bridge.store.codec.event_rows import EVENT, event_of
from bridge.store.protocol import ChangeStep, DryRun, RowFilter
from bridge.store.sqlite.admin import queries
from bridge.store.sqlite.admin.filters import DELIVERIES, WEBHOOKS, not_found, row_numbers, where_conditions
from bridge.store.sqlite.admin.filters import order_by_newest as in_order
from bridge.store.sqlite.tables.new_deliveries import insert_deliveries

MOST_NUMBER = 2**63 - 1
"""Above every number of a row."""
_RETRIED = "(d.state = 'dead' OR (d.state = 'pending' AND (d.token IS NULL OR d.due <= ?)))"
"""A dead delivery, or one that waits; one that is claimed is left to its claim."""
_REPLAYED = "w.state <> 'received' AND EXISTS (SELECT 1 FROM bodies WHERE bodies.number = w.body)"


def retry_deliveries(
    db: sqlite3.Connection, which: RowFilter, *, now: datetime, below: int | None, limit: int
) -> ChangeStep:
    """Make dead deliveries pending again, and waiting ones due now, newest first."""
    where, values = _retry_condition(db, which, now=now, below=below)
    found = db.execute(
        f"SELECT d.number, d.destination FROM deliveries AS d WHERE {where} ORDER BY d.number DESC LIMIT ?",  # noqa: S608  conditions that stand in this file and filters.py
        (*values, limit),
    ).fetchall()
    db.execute(
        """
        UPDATE deliveries SET
            due = CASE state WHEN 'dead' THEN ?1 ELSE min(due, ?1) END,
            together = CASE state WHEN 'dead' THEN NULL ELSE together END,
            first_attempt_at = CASE state WHEN 'dead' THEN NULL ELSE first_attempt_at END,
            reason = CASE state WHEN 'dead' THEN NULL ELSE reason END,
            state = 'pending'
        WHERE number IN (SELECT value FROM json_each(?2))
        """,
        (to_ms(now), json.dumps([number for number, _ in found])),
    )
    for destination in sorted({destination for _, destination in found}):
        db.execute(
            """
            UPDATE standings SET probe_at = ?1, version = version + 1
            WHERE destination = ?2 AND paused IS NOT NULL AND probe_at IS NOT ?1
            """,
            (to_ms(now), destination),
        )
    return _step_of([number for number, _ in found], limit=limit)


def would_retry(db: sqlite3.Connection, which: RowFilter, *, now: datetime, newest: int) -> DryRun:
    """Returns what `retry_deliveries` would make due."""
    where, values = _retry_condition(db, which, now=now)
    count = db.execute(f"SELECT count(*) FROM deliveries AS d WHERE {where}", values).fetchone()[0]  # noqa: S608  conditions that stand in this file and filters.py
    return DryRun(
        count, queries.delivery_rows(db, f"{where} ORDER BY {in_order(which, DELIVERIES)}", values, limit=newest)
    )


def replay_webhooks(
    db: sqlite3.Connection, which: RowFilter, *, now: datetime, below: int | None, limit: int
) -> ChangeStep:
    """Make completed webhooks received again, and due; returns how many. Those still received stay as they are.

    A webhook whose body was purged is left out, or refused with BodyGone if it was named.
    """
    where, values = _replay_condition(db, which, below=below)
    found = db.execute(
        f"SELECT w.number FROM webhooks AS w WHERE {where} ORDER BY w.number DESC LIMIT ?",  # noqa: S608  conditions that stand in this file and filters.py
        (*values, limit),
    ).fetchall()
    numbers = [number for (number,) in found]
    db.execute(
        """
        UPDATE webhooks SET state = 'received', reason = NULL, due = ?, looked_at = 0
        WHERE number IN (SELECT value FROM json_each(?))
        """,
        (to_ms(now), json.dumps(numbers)),
    )
    return _step_of(numbers, limit=limit)


def _step_of(numbers: Sequence[int], *, limit: int) -> ChangeStep:
    return ChangeStep(len(numbers), numbers[-1] if len(numbers) == limit else None)


def would_replay(db: sqlite3.Connection, which: RowFilter, *, newest: int) -> DryRun:
    """Returns what `replay_webhooks` would make received again."""
    where, values = _replay_condition(db, which)
    count = db.execute(f"SELECT count(*) FROM webhooks AS w WHERE {where}", values).fetchone()[0]  # noqa: S608  conditions that stand in this file and filters.py
    return DryRun(
        count, queries.webhook_rows(db, f"{where} ORDER BY {in_order(which, WEBHOOKS)}", values, limit=newest)
    )


def _retry_condition(
    db: sqlite3.Connection, which: RowFilter, *, now: datetime, below: int | None = None
) -> tuple[str, list[object]]:
    """Returns what follows WHERE for a retry, and its parameters. Raises NotFound for an id that nothing has.

    The ids are looked for in the first step: during the next ones a row may be purged.
    """
    for number in row_numbers(which, DELIVERIES) if below is None else ():
        if db.execute("SELECT 1 FROM deliveries WHERE number = ?", (number,)).fetchone() is None:
            raise not_found(f"dlv_{number}", DELIVERIES)
    where, values = where_conditions(which, DELIVERIES)
    return f"{_RETRIED} AND d.number < ? AND {where}", [to_ms(now), MOST_NUMBER if below is None else below, *values]


def _replay_condition(
    db: sqlite3.Connection, which: RowFilter, *, below: int | None = None
) -> tuple[str, list[object]]:
    """Returns what follows WHERE for a replay. Also raises BodyGone for a named webhook whose body was purged."""
    for number in row_numbers(which, WEBHOOKS) if below is None else ():
        found = db.execute(
            "SELECT EXISTS (SELECT 1 FROM bodies WHERE bodies.number = w.body) FROM webhooks AS w WHERE w.number = ?",
            (number,),
        ).fetchone()
        if found is None:
            raise not_found(f"wh_{number}", WEBHOOKS)
        if not found[0]:
            raise BodyGone(
                f"the body of wh_{number} is gone and cannot be replayed; BRIDGE_KEEP_BODIES says how long bodies "
                "are kept"
            )
    where, values = where_conditions(which, WEBHOOKS)
    return f"{_REPLAYED} AND w.number < ? AND {where}", [MOST_NUMBER if below is None else below, *values]


def events_without_delivery(db: sqlite3.Connection, destination: str, *, after: int, limit: int) -> tuple[Event, ...]:
    """Originals that a destination has no delivery of, oldest first."""
    rows = db.execute(
        f"""
        SELECT {EVENT} FROM events AS e
        WHERE number > ? AND duplicate_of IS NULL
        AND NOT EXISTS (SELECT 1 FROM deliveries WHERE event = e.number AND destination = ?)
        ORDER BY number LIMIT ?
        """,  # noqa: S608  columns that stand in event_rows.py
        (after, destination, limit),
    )
    return tuple(event_of(row) for row in rows)


def create_deliveries(db: sqlite3.Connection, routes: Sequence[tuple[int, Route]], *, now: datetime) -> int:
    """Insert the deliveries that do not exist yet; returns how many."""
    numbers = json.dumps([number for number, _ in routes])
    missing = db.execute(
        """
        SELECT number FROM events WHERE number IN (SELECT value FROM json_each(?)) AND duplicate_of IS NULL
        AND NOT EXISTS (SELECT 1 FROM deliveries WHERE event = events.number AND destination = ?)
        """,
        (numbers, next((route.destination for _, route in routes), "")),
    ).fetchall()
    wanted = {number for (number,) in missing}
    given = {number: route for number, route in routes if number in wanted}
    insert_deliveries(db, [(number, route, to_ms(now)) for number, route in given.items()])
    return len(given)
