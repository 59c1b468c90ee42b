"""Counts: each transaction appends what it changes, so that no row is written by all; they are added up here.

One process adds them up at a time. What was not added up yet is added when it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import psycopg

from bridge.store.codec.columns import to_ms
from bridge.store.postgres.db.arrays import to_arrays
from bridge.store.postgres.db.transaction import LAST, Transaction, select
from bridge.store.postgres.tables.bounded_counts import BOUNDED, CountKey, bound_changes

FOLDED = 1_000
"""Changes that one step adds up."""
FOLD_EVERY = 64
"""Claims of batches after which a step is taken."""
DAY_MS = 86_400_000
RECEIVED = "received"
"""Webhooks by the day of their receipt."""
_LOCK = int.from_bytes(b"trkc", "big")
"""The advisory lock of a transaction that adds changes up."""
_TAKE = """
    WITH changes AS (
        DELETE FROM count_changes WHERE number IN (SELECT number FROM count_changes ORDER BY number LIMIT %s)
        RETURNING *
    )
    SELECT one.of, one.at, one.name, one.state,
        CASE one.of WHEN 'last' THEN max(one.n) ELSE sum(one.n)::bigint END, (SELECT count(*) FROM changes)
    FROM changes AS c, unnest(c.of, c.at, c.name, c.state, c.n) AS one (of, at, name, state, n)
    GROUP BY 1, 2, 3, 4 ORDER BY min(c.number), 1, 2, 3, 4
"""
_ADD = """
    INSERT INTO counts SELECT * FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::text[], %s::bigint[])
    ON CONFLICT (of, at, name, state) DO UPDATE
    SET n = CASE counts.of WHEN 'last' THEN greatest(counts.n, excluded.n) ELSE counts.n + excluded.n END
"""
_KEPT = "SELECT of, at, name, state, n FROM counts WHERE of = ANY(%s) AND at >= %s"
_CHANGED = """
    SELECT one.of, one.at, one.name, one.state, CASE one.of WHEN 'last' THEN max(one.n) ELSE sum(one.n)::bigint END
    FROM count_changes AS c, unnest(c.of, c.at, c.name, c.state, c.n) AS one (of, at, name, state, n)
    WHERE one.of = ANY(%s) AND one.at >= %s GROUP BY 1, 2, 3, 4 ORDER BY min(c.number), 1, 2, 3, 4
"""
_OF_DAYS = "SELECT of, at, name, state, n FROM counts WHERE of = ANY(%s) AND at = ANY(%s)"


def count_webhooks(transaction: Transaction, source: str, state: str, received_at: int, n: int = 1) -> None:
    """Count webhooks of a source (as its column has it) that have come to a state, or with -1 have left it."""
    transaction.counts["webhooks", source, state] += n
    transaction.dated_counts[RECEIVED, received_at // DAY_MS, source, state] += n


def fold_step(transaction: Transaction) -> bool:
    """Add changes up in the counts; returns whether there may be more. If another process does so, nothing happens."""
    [(is_mine,)] = select(transaction.db, "SELECT pg_try_advisory_xact_lock(%s)", (_LOCK,))
    return bool(is_mine) and _fold_some(transaction)


def fold_all(transaction: Transaction) -> None:
    """Add up all changes; no other process does so until this transaction ends."""
    transaction.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    while _fold_some(transaction):
        pass


def _fold_some(transaction: Transaction) -> bool:
    rows = transaction.execute(_TAKE, (FOLDED,)).fetchall()
    if not rows:
        return False
    changes = {CountKey(*key): n for *key, n, _ in rows}
    days = sorted({key.at for key in changes if key.of in BOUNDED})
    kept = as_counts(select(transaction.db, _OF_DAYS, (list(BOUNDED), days))) if days else {}
    add_counts(transaction, bound_changes(kept, changes))
    return bool(rows[0][-1] == FOLDED)


def add_counts(transaction: Transaction, added: Mapping[CountKey, int]) -> None:
    """Add to the counts themselves."""
    rows = sorted((*key, n) for key, n in added.items())
    if rows:
        transaction.execute(_ADD, to_arrays(rows, "text", "bigint", "text", "text", "bigint"))


def read_counts(db: psycopg.Connection[Any], *of: str, since: int = 0) -> dict[CountKey, int]:
    """What is counted of these, in the periods from `since` on."""
    kept = as_counts(select(db, _KEPT, (list(of), since)))
    changes = bound_changes(kept, as_counts(select(db, _CHANGED, (list(of), since))))
    return kept | {
        key: max(kept.get(key, 0), n) if key.of == LAST else kept.get(key, 0) + n for key, n in changes.items()
    }


def forget_received(transaction: Transaction, *, before: datetime) -> None:
    """Drop the counts of webhooks by day, of the days before."""
    transaction.execute("DELETE FROM counts WHERE of = %s AND at < %s", (RECEIVED, to_ms(before) // DAY_MS))


def as_counts(rows: Iterable[tuple[Any, ...]]) -> dict[CountKey, int]:
    """Rows of counts as a mapping."""
    return {CountKey(*key): n for *key, n in rows}
