"""What an early version told on SQLite, in a store that was moved here: asked for where its webhooks are replayed.

That version kept no mapping with its events, and no key of a payment's other webhooks, so what is alike decides.
"""

from __future__ import annotations

from bridge.core.model import Event
from bridge.store.codec.columns import to_ms, to_ms_up
from bridge.store.postgres.db.texts import server_text
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.postgres.tables.days import DRAWN_FROM
from bridge.store.rules.doubles import WITHIN, is_like, people_of


def last_of_earlier_versions(transaction: Transaction) -> int:
    """The number of the last webhook that came to a version which kept no mapping with its events; 0 without one."""
    rows = select(transaction.db, "SELECT max(last_webhook) FROM earlier_versions")
    return rows[0][0] or 0


def claim_earlier_event(transaction: Transaction, event: Event) -> int | None:
    """The number of the event by which an earlier version told what `event` tells; None where it told nothing like it.

    Source, kind, value, currency and time are the same, and the person where both name one. Each of its events stands
    for one other at most.
    """
    if event.value is None:
        return None
    at, span = to_ms(event.occurred_at), to_ms_up(WITHIN)
    rows = select(
        transaction.db,
        """
        SELECT number, event_type, text FROM events AS told
        WHERE number < %s AND value = %s AND occurred_at BETWEEN %s AND %s AND mapping IS NULL AND value IS NOT NULL
            AND origin = %s AND currency IS NOT DISTINCT FROM %s AND test = %s AND duplicate_of IS NULL
            AND NOT EXISTS (SELECT 1 FROM earlier_repeated WHERE event = told.number)
        ORDER BY abs(occurred_at - %s), number
        """,
        (
            DRAWN_FROM, server_text(event.value), at - span, at + span, server_text(event.origin), event.currency,
            event.test, at,
        ),
    )  # fmt: skip
    people = people_of(event.text)
    for number, kind, text in rows:
        others = people_of(text)
        if is_like(event, kind) and (not people or not others or people & others) and _take(transaction, number):
            return int(number)
    return None


def _take(transaction: Transaction, number: int) -> bool:
    """Whether nobody else has taken the event, as another node may at this moment."""
    taken = transaction.execute(
        "INSERT INTO earlier_repeated VALUES (%s) ON CONFLICT DO NOTHING RETURNING event", (number,)
    )
    return bool(taken.fetchall())
