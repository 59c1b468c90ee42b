"""Requests that were refused, by source and cause: how many since the source's last genuine webhook."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import psycopg

from bridge.store.codec.columns import from_ms, from_ms_length, to_ms
from bridge.store.postgres.db.texts import server_text
from bridge.store.postgres.db.transaction import LAST, Transaction, select
from bridge.store.postgres.tables import counts
from bridge.store.rules.status_limits import MOST_REFUSALS, REFUSALS_KEPT
from bridge.store.status_views import RefusedRequests

_MS = timedelta(milliseconds=1)


def add_refused(transaction: Transaction, refused: Sequence[RefusedRequests]) -> None:
    """Add to the counts. A count whose last request came before the last genuine webhook starts anew.

    In the order of the keys, so that two nodes that do so at once wait for each other, and never both ways.
    """
    lasts = {key.name: at for key, at in counts.read_counts(transaction.db, LAST).items()}
    for one in sorted(refused, key=lambda each: (each.source, each.cause, each.detail)):
        source = server_text(one.source)
        transaction.execute(
            """
            INSERT INTO refusals AS r (source, cause, detail, n, first_at, last_at, skew)
            VALUES (%(source)s, %(cause)s, %(detail)s, %(n)s, %(first_at)s, %(last_at)s, %(skew)s)
            ON CONFLICT (source, cause, detail) DO UPDATE SET
                n = excluded.n + CASE WHEN r.last_at < %(genuine)s THEN 0 ELSE r.n END,
                first_at = CASE WHEN r.last_at < %(genuine)s THEN excluded.first_at ELSE r.first_at END,
                last_at = greatest(r.last_at, excluded.last_at), skew = coalesce(excluded.skew, r.skew)
            """,
            {
                "source": source, "cause": one.cause, "detail": server_text(one.detail), "n": one.count,
                "first_at": to_ms(one.first_at), "last_at": to_ms(one.last_at),
                "skew": None if one.skew is None else one.skew // _MS, "genuine": lasts.get(source, 0),
            },
        )  # fmt: skip
    newest = max((to_ms(one.last_at) for one in refused), default=0)
    transaction.execute(
        """
        DELETE FROM refusals WHERE last_at < %s OR (source, cause, detail) IN (
            SELECT source, cause, detail FROM refusals ORDER BY last_at DESC OFFSET %s)
        """,
        (newest - REFUSALS_KEPT // _MS, MOST_REFUSALS),
    )


def read_refused(db: psycopg.Connection[Any]) -> tuple[RefusedRequests, ...]:
    """All of them, the last ones first."""
    rows = select(db, "SELECT source, cause, detail, n, first_at, last_at, skew FROM refusals ORDER BY last_at DESC")
    return tuple(
        RefusedRequests(
            source=source,
            cause=cause,
            count=count,
            first_at=from_ms(first_at),
            last_at=from_ms(last_at),
            detail=detail,
            skew=None if skew is None else from_ms_length(skew),
        )
        for source, cause, detail, count, first_at, last_at, skew in rows
    )
