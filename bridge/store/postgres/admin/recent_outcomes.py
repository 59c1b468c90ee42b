"""What became of the newest webhooks and events: counted over a bounded number of rows, by their numbers."""

from __future__ import annotations

from typing import Any

import psycopg

from bridge.core.model import WebhookState
from bridge.store.codec.columns import maybe_instant
from bridge.store.postgres.db.transaction import select
from bridge.store.rules.status_limits import NEWEST_OUTCOMES
from bridge.store.status_views import EventCount, RecentOutcomes, TopicCount


def read_recent(db: psycopg.Connection[Any]) -> RecentOutcomes:
    """Returns the counts over the newest rows."""
    [(first,)] = select(
        db,
        "SELECT min(received_at) FROM (SELECT received_at FROM webhooks ORDER BY number DESC LIMIT %s) AS newest",
        (NEWEST_OUTCOMES,),
    )
    return RecentOutcomes(
        webhooks=_webhook_counts(db), events=_event_counts(db), since=maybe_instant(first), limit=NEWEST_OUTCOMES
    )


def _webhook_counts(db: psycopg.Connection[Any]) -> tuple[TopicCount, ...]:
    """A webhook that waits for an earlier event is not late, and is left out."""
    rows = select(
        db,
        """
        SELECT source, topic, state, count(*), max(number)
        FROM (SELECT number, source, topic, state, reason FROM webhooks ORDER BY number DESC LIMIT %s) AS newest
        WHERE NOT (state = %s AND reason IS NOT NULL)
        GROUP BY source, topic, state ORDER BY source, topic NULLS FIRST, state
        """,
        (NEWEST_OUTCOMES, WebhookState.RECEIVED.value),
    )
    return tuple(TopicCount(*row) for row in rows)


def _event_counts(db: psycopg.Connection[Any]) -> tuple[EventCount, ...]:
    rows = select(
        db,
        """
        SELECT e.origin, e.event_type, d.destination, d.state, count(*)
        FROM (SELECT number, origin, event_type, test, duplicate_of FROM events ORDER BY number DESC LIMIT %s) AS e
        LEFT JOIN all_deliveries AS d ON d.event = e.number
        WHERE e.duplicate_of IS NULL AND NOT (e.test AND coalesce(d.state, '') IN ('', 'skipped'))
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3 NULLS FIRST, 4 NULLS FIRST
        """,
        (NEWEST_OUTCOMES,),
    )
    return tuple(EventCount(*row) for row in rows)
