"""What people did by hand, and the privacy requests that wait until somebody has done them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg

from bridge.core.errors import NotFound
from bridge.store.codec.columns import from_ms, public_number
from bridge.store.postgres.db.texts import server_text
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.rules.status_limits import MOST_PRIVACY_REQUESTS
from bridge.store.status_views import ActionTaken, PrivacyRequest

_COLUMNS = "at, who, what, subject, n"
DONE = "done"
PRIVACY = "w.state = 'ignored' AND left(w.reason, 15) = 'privacy request'"
"""The SQL condition that a webhook `w` is a privacy request."""


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


def complete_privacy_request(
    transaction: Transaction, public_id: str, *, who: str, now: datetime
) -> ActionTaken | None:
    """Mark a privacy request as done; returns who did so before. Its row is locked: of two who do so, one is told."""
    number = public_number("wh", public_id)
    find = f"SELECT 1 FROM webhooks AS w WHERE w.number = %s AND {PRIVACY} FOR UPDATE"  # noqa: S608  as above
    if number is None or not select(transaction.db, find, (number,)):
        raise NotFound(f"{public_id[:80]!r} is no privacy request; `trackbridge status` names those that wait")
    before = next((one for one in actions_on(transaction.db, public_id) if one.what == DONE), None)
    if before is None:
        insert_action(transaction, ActionTaken(now, who, DONE, public_id))
    return before


def open_privacy_requests(db: psycopg.Connection[Any]) -> tuple[PrivacyRequest, ...]:
    """Those that nobody has marked as done, oldest first."""
    rows = select(
        db,
        f"""
        SELECT w.number, w.source, w.topic, w.received_at FROM webhooks AS w WHERE {PRIVACY}
        AND NOT EXISTS (SELECT 1 FROM actions WHERE subject = 'wh_' || w.number AND what = %s)
        ORDER BY w.number LIMIT %s
        """,  # noqa: S608  a condition that stands above
        (DONE, MOST_PRIVACY_REQUESTS),
    )
    return tuple(PrivacyRequest(f"wh_{number}", source, topic, from_ms(at)) for number, source, topic, at in rows)
