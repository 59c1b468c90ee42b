"""Requests that were refused, by source and cause: how many since the source's last genuine webhook."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import timedelta

from bridge.store.codec.columns import from_ms, from_ms_length, storable_text, to_ms
from bridge.store.rules.status_limits import MOST_REFUSALS, REFUSALS_KEPT
from bridge.store.status_views import RefusedRequests

_MS = timedelta(milliseconds=1)


def add_refused(db: sqlite3.Connection, refused: Sequence[RefusedRequests]) -> None:
    """Add to the counts. A count whose last request came before the last genuine webhook starts anew."""
    for one in refused:
        db.execute(
            """
            INSERT INTO refusals (source, cause, detail, n, first_at, last_at, skew) VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET
                n = excluded.n + iif(last_at < ?8, 0, n),
                first_at = iif(last_at < ?8, excluded.first_at, first_at),
                last_at = max(last_at, excluded.last_at), skew = coalesce(excluded.skew, skew)
            """,
            (
                storable_text(one.source), one.cause, storable_text(one.detail), one.count, to_ms(one.first_at),
                to_ms(one.last_at), None if one.skew is None else one.skew // _MS, _last_genuine(db, one.source),
            ),
        )  # fmt: skip
    newest = max((to_ms(one.last_at) for one in refused), default=0)
    db.execute("DELETE FROM refusals WHERE last_at < ?", (newest - REFUSALS_KEPT // _MS,))
    db.execute(
        """
        DELETE FROM refusals WHERE (source, cause, detail) IN (
            SELECT source, cause, detail FROM refusals ORDER BY last_at DESC LIMIT -1 OFFSET ?)
        """,
        (MOST_REFUSALS,),
    )


def read_refused(db: sqlite3.Connection) -> tuple[RefusedRequests, ...]:
    """All of them, the last ones first."""
    rows = db.execute("SELECT source, cause, detail, n, first_at, last_at, skew FROM refusals ORDER BY last_at DESC")
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


def _last_genuine(db: sqlite3.Connection, source: str) -> int:
    row = db.execute("SELECT at FROM lasts WHERE source = ?", (storable_text(source),)).fetchone()
    return row[0] if row else 0
