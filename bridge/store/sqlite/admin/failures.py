"""Dead deliveries and webhooks that are set aside, grouped by their reasons."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from bridge.store.rules import failure_groups
from bridge.store.rules.failure_groups import Failure
from bridge.store.views import FailureGroups


def group_failures(db: sqlite3.Connection, *, most: int) -> FailureGroups:
    """The groups, the largest first."""
    return failure_groups.group_failures(_dead_deliveries(db, most), _set_aside(db, most), most=most)


def _dead_deliveries(db: sqlite3.Connection, most: int) -> Iterator[Failure]:
    rows = db.execute(
        """
        SELECT d.number, d.destination, d.reason, d.created_at, e.value, e.currency
        FROM deliveries AS d JOIN events AS e ON e.number = d.event
        WHERE d.state = 'dead' ORDER BY d.number DESC LIMIT ?
        """,
        (most,),
    )
    for number, destination, reason, at, value, currency in rows:
        yield Failure("dead", destination, reason or "", f"dlv_{number}", at, value, currency)


def _set_aside(db: sqlite3.Connection, most: int) -> Iterator[Failure]:
    rows = db.execute(
        """
        SELECT number, source, reason, received_at FROM webhooks
        WHERE state = 'set_aside' ORDER BY number DESC LIMIT ?
        """,
        (most,),
    )
    for number, source, reason, at in rows:
        yield Failure("set_aside", source, reason or "", f"wh_{number}", at)
