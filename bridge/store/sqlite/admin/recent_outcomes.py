"""What became of the newest webhooks and events: counted over a bounded number of rows, by their numbers."""

from __future__ import annotations

import sqlite3

from bridge.core.model import WebhookState
from bridge.store.codec.columns import from_ms
from bridge.store.rules.status_limits import NEWEST_OUTCOMES
from bridge.store.status_views import EventCount, RecentOutcomes, TopicCount


def read_recent(db: sqlite3.Connection) -> RecentOutcomes:
    """Returns the counts over the newest rows."""
    first = db.execute(
        "SELECT min(received_at) FROM (SELECT received_at FROM webhooks ORDER BY number DESC LIMIT ?)",
        (NEWEST_OUTCOMES,),
    ).fetchone()[0]
    return RecentOutcomes(
        webhooks=_webhook_counts(db), events=_event_counts(db), since=None if first is None else from_ms(first),
        limit=NEWEST_OUTCOMES,
    )  # fmt: skip


def _webhook_counts(db: sqlite3.Connection) -> tuple[TopicCount, ...]:
    """A webhook that waits for an earlier event is not late, and is left out."""
    rows = db.execute(
        """
        SELECT source, topic, state, count(*), max(number)
        FROM (SELECT number, source, topic, state, reason FROM webhooks ORDER BY number DESC LIMIT ?)
        WHERE NOT (state = ? AND reason IS NOT NULL) GROUP BY source, topic, state ORDER BY source, topic, state
        """,
        (NEWEST_OUTCOMES, WebhookState.RECEIVED.value),
    )
    return tuple(TopicCount(*row) for row in rows)


def _event_counts(db: sqlite3.Connection) -> tuple[EventCount, ...]:
    rows = db.execute(
        """
        SELECT e.origin, e.event_type, d.destination, d.state, count(*)
        FROM (SELECT number, origin, event_type, test, duplicate_of FROM events ORDER BY number DESC LIMIT ?) AS e
        LEFT JOIN deliveries AS d ON d.event = e.number
        WHERE e.duplicate_of IS NULL AND NOT (e.test AND coalesce(d.state, '') IN ('', 'skipped'))
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        """,
        (NEWEST_OUTCOMES,),
    )
    return tuple(EventCount(*row) for row in rows)
