"""What a version told that kept no mapping with its events, and no key of a payment's other webhooks.

It is asked for where a webhook of that version's time is replayed, so that nothing is told again.
"""

from __future__ import annotations

import sqlite3

from bridge.core.model import Event
from bridge.store.codec.columns import to_ms, to_ms_up
from bridge.store.rules.doubles import WITHIN, is_like, people_of


def last_of_earlier_versions(db: sqlite3.Connection) -> int:
    """The number of the last webhook that came to a version which kept no mapping with its events; 0 without one."""
    found = db.execute("SELECT last_webhook FROM earlier_versions").fetchone()
    return found[0] if found else 0


def claim_earlier_event(db: sqlite3.Connection, event: Event) -> int | None:
    """The number of the event by which an earlier version told what `event` tells; None where it told nothing like it.

    That version kept no key that the other webhooks of the payment share, so what is alike decides: source, kind,
    value, currency and time, and the person where both name one. Each of its events stands for one other at most.
    """
    if event.value is None:
        return None
    at, span = to_ms(event.occurred_at), to_ms_up(WITHIN)
    rows = db.execute(
        """
        SELECT number, event_type, text FROM events AS told
        WHERE value = ? AND occurred_at BETWEEN ? AND ? AND mapping IS NULL AND value IS NOT NULL AND origin = ?
            AND currency IS ? AND test = ? AND duplicate_of IS NULL
            AND NOT EXISTS (SELECT 1 FROM earlier_repeated WHERE event = told.number)
        ORDER BY abs(occurred_at - ?), number
        """,
        (event.value, at - span, at + span, event.origin, event.currency, event.test, at),
    ).fetchall()
    people = people_of(event.text)
    for number, kind, text in rows:
        others = people_of(text)
        if is_like(event, kind) and (not people or not others or people & others):
            db.execute("INSERT INTO earlier_repeated VALUES (?)", (number,))
            return int(number)
    return None
