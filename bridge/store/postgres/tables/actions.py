"""What people did by hand."""

from __future__ import annotations

from typing import Any

import psycopg

from bridge.store.codec.columns import from_ms
from bridge.store.postgres.db.texts import server_text
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.status_views import ActionTaken

_COLUMNS = "at, who, what, subject, n"


def insert_action(transaction: Transaction, action: ActionTaken) -> None:
    """Write what somebody did."""
    (number,) = transaction.draw_numbers(1)
    transaction.execute(
        f"INSERT INTO actions (number, {_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s)",  # noqa: S608  ours
        (
            number, transaction.at_least(action.at), server_text(action.who), action.what,
            server_text(action.subject), action.count,
        ),
    )  # fmt: skip


def actions_on(db: psycopg.Connection[Any], subject: str) -> tuple[ActionTaken, ...]:
    """What was done to one thing, oldest first."""
    rows = select(db, f"SELECT {_COLUMNS} FROM actions WHERE subject = %s ORDER BY number", (server_text(subject),))  # noqa: S608  ours
    return tuple(ActionTaken(from_ms(at), *rest) for at, *rest in rows)


def newest_actions(db: psycopg.Connection[Any], *, most: int) -> tuple[ActionTaken, ...]:
    """What was done last, newest first."""
    rows = select(db, f"SELECT {_COLUMNS} FROM actions ORDER BY number DESC LIMIT %s", (most,))  # noqa: S608  ours
    return tuple(ActionTaken(from_ms(at), *rest) for at, *rest in rows)
