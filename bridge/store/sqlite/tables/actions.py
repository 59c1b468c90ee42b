"""What people did by hand, and the privacy requests that wait until somebody has done them."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from bridge.core.errors import NotFound
from bridge.store.codec.columns import from_ms, public_number, storable_text, to_ms
from bridge.store.rules.status_limits import MOST_PRIVACY_REQUESTS
from bridge.store.status_views import ActionTaken, PrivacyRequest

DONE = "done"
_PRIVACY = "w.state = 'ignored' AND substr(w.reason, 1, 15) = 'privacy request'"


def insert_action(db: sqlite3.Connection, action: ActionTaken) -> None:
    """Write what somebody did."""
    db.execute(
        "INSERT INTO actions (at, who, what, subject, n) VALUES (?, ?, ?, ?, ?)",
        (to_ms(action.at), storable_text(action.who), action.what, storable_text(action.subject), action.count),
    )


def actions_on(db: sqlite3.Connection, subject: str) -> tuple[ActionTaken, ...]:
    """What was done to one thing, oldest first."""
    rows = db.execute(
        "SELECT at, who, what, subject, n FROM actions WHERE subject = ? ORDER BY number", (storable_text(subject),)
    )
    return tuple(ActionTaken(from_ms(at), who, what, on, count) for at, who, what, on, count in rows)


def newest_actions(db: sqlite3.Connection, *, most: int) -> tuple[ActionTaken, ...]:
    """What was done last, newest first."""
    rows = db.execute("SELECT at, who, what, subject, n FROM actions ORDER BY number DESC LIMIT ?", (most,))
    return tuple(ActionTaken(from_ms(at), who, what, on, count) for at, who, what, on, count in rows)


def complete_privacy_request(db: sqlite3.Connection, public_id: str, *, who: str, now: datetime) -> ActionTaken | None:
    """Mark a privacy request as done; returns who did so before."""
    number = public_number("wh", public_id)
    found = db.execute(f"SELECT 1 FROM webhooks AS w WHERE w.number = ? AND {_PRIVACY}", (number,)).fetchone()  # noqa: S608  a condition that stands above
    if number is None or found is None:
        raise NotFound(f"{public_id[:80]!r} is no privacy request; `trackbridge status` names those that wait")
    before = next((one for one in actions_on(db, public_id) if one.what == DONE), None)
    if before is None:
        insert_action(db, ActionTaken(now, who, DONE, public_id))
    return before


def open_privacy_requests(db: sqlite3.Connection) -> tuple[PrivacyRequest, ...]:
    """Those that nobody has marked as done, oldest first."""
    rows = db.execute(
        f"""
        SELECT w.number, w.source, w.topic, w.received_at FROM webhooks AS w WHERE {_PRIVACY}
        AND NOT EXISTS (SELECT 1 FROM actions WHERE subject = 'wh_' || w.number AND what = ?)
        ORDER BY w.number LIMIT ?
        """,  # noqa: S608  the same
        (DONE, MOST_PRIVACY_REQUESTS),
    )
    return tuple(PrivacyRequest(f"wh_{number}", source, topic, from_ms(at)) for number, source, topic, at in rows)
