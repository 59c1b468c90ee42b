"""Dead deliveries and webhooks that are set aside, grouped by their reasons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg

from bridge.store.postgres.db.transaction import select
from bridge.store.rules import failure_groups
from bridge.store.rules.failure_groups import Failure
from bridge.store.views import FailureGroups


def group_failures(db: psycopg.Connection[Any], *, most: int) -> FailureGroups:
    """The groups, the largest first."""
    return failure_groups.group_failures(_dead_deliveries(db, most), _set_aside(db, most), most=most)


def _dead_deliveries(db: psycopg.Connection[Any], most: int) -> Iterator[Failure]:
    rows = select(
        db,
        """
        SELECT d.number, d.destination, d.reason, d.created_at, e.value, e.currency
        FROM (SELECT * FROM deliveries WHERE state = 'dead' ORDER BY number DESC LIMIT %s) AS d
        JOIN events AS e ON e.number = d.event ORDER BY d.number DESC
        """,
        (most,),
    )
    for number, destination, reason, at, value, currency in rows:
        yield Failure("dead", destination, reason or "", f"dlv_{number}", at, value, currency)


def _set_aside(db: psycopg.Connection[Any], most: int) -> Iterator[Failure]:
    rows = select(
        db,
        """
        SELECT number, source, reason, received_at FROM webhooks
        WHERE state = 'set_aside' ORDER BY number DESC LIMIT %s
        """,
        (most,),
    )
    for number, source, reason, at in rows:
        yield Failure("set_aside", source, reason or "", f"wh_{number}", at)
