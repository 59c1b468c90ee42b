"""What became of deliveries, and which match keys events have, counted by day.

Triggers of the schema count deliveries by reason, in whichever transaction changes them; match keys are counted here,
when an event is told.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from bridge.core.match_keys import ALL, find_match_keys
from bridge.store.codec.columns import from_ms, storable_text, to_ms
from bridge.store.rules.event_decisions import CountedEvent
from bridge.store.rules.outcome_counts import LAST, MOST_WAITING, NEWEST, bounded_name
from bridge.store.sqlite.db import bulk
from bridge.store.status_views import MatchKeyCount, OutcomeCount, OutcomeCounts, OutcomeTotals

_DAY = 86_400_000


def count_match_keys(db: sqlite3.Connection, told: Iterable[CountedEvent]) -> None:
    """Count the match keys of events."""
    alike = Counter([(one.at // _DAY, one.event_type, find_match_keys(one.text)) for one in told])
    if not alike:
        return
    counts: Counter[tuple[int, str, str]] = Counter()
    for (day, event_type, keys), count in alike.items():
        for key in (ALL, *keys):
            counts[day, storable_text(event_type), key] += count
    by_type: dict[tuple[int, str], str] = {}
    rows: Counter[tuple[int, str, str]] = Counter()
    for (day, event_type, key), count in counts.items():
        if (day, event_type) not in by_type:
            by_type[day, event_type] = _bounded_type(db, day, event_type, {name for on, name in by_type if on == day})
        rows[day, by_type[day, event_type], key] += count
    bulk.insert_rows(
        db, "match_keys (day, event_type, key, n)", [(*key, count) for key, count in rows.items()],
        "ON CONFLICT DO UPDATE SET n = n + excluded.n",
    )  # fmt: skip


def _bounded_type(db: sqlite3.Connection, day: int, event_type: str, new: set[str]) -> str:
    known = {name for (name,) in db.execute("SELECT DISTINCT event_type FROM match_keys WHERE day = ?", (day,))}
    return bounded_name(event_type, known | new)


def read_outcomes(db: sqlite3.Connection, *, since: datetime) -> OutcomeCounts:
    """The counts of the day of `since` and of later ones."""
    first = to_ms(since) // _DAY
    outcomes = db.execute(
        """
        SELECT day, destination, event_type, state, reason, n FROM delivery_reasons WHERE day >= ? AND n > 0
        ORDER BY day, destination, event_type, state, n DESC, reason
        """,
        (first,),
    )
    keys = db.execute(
        "SELECT day, event_type, key, n FROM match_keys WHERE day >= ? ORDER BY day, event_type, key", (first,)
    )
    return OutcomeCounts(
        outcomes=tuple([OutcomeCount(from_ms(day * _DAY), *row) for day, *row in outcomes]),
        match_keys=tuple([MatchKeyCount(from_ms(day * _DAY), *row) for day, *row in keys]),
        waiting=_waiting_counts(db, since=first * _DAY),
        rejected=_rejected_of_last(db),
        counted_since=_counted_since(db),
    )


def read_totals(db: sqlite3.Connection) -> OutcomeTotals:
    """All that was ever counted."""
    deliveries = db.execute("SELECT destination, state, reason, sum(ever) FROM delivery_reasons GROUP BY 1, 2, 3")
    keys = db.execute("SELECT key, sum(n) FROM match_keys WHERE key <> '' GROUP BY 1")
    return OutcomeTotals(
        deliveries={(destination, state, reason): count for destination, state, reason, count in deliveries},
        match_keys=dict(keys),
    )


def _waiting_counts(db: sqlite3.Connection, *, since: int) -> dict[tuple[str, str], int]:
    rows = db.execute(
        """
        SELECT destination, event_type, count(*) FROM (
            SELECT event, destination FROM deliveries WHERE state = 'pending' AND created_at >= ? LIMIT ?
        ) JOIN events ON number = event GROUP BY 1, 2
        """,
        (since, MOST_WAITING),
    )
    return {(destination, event_type): count for destination, event_type, count in rows}


def _rejected_of_last(db: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    rows = db.execute(
        """
        SELECT destination, sum(state = 'dead'), count(*) FROM (
            SELECT destination, state, row_number() OVER (PARTITION BY destination ORDER BY number DESC) AS place
            FROM (SELECT number, destination, state FROM deliveries ORDER BY number DESC LIMIT ?)
            WHERE state IN ('delivered', 'dead')
        ) WHERE place <= ? GROUP BY 1
        """,
        (NEWEST, LAST),
    )
    return {destination: (rejected, count) for destination, rejected, count in rows}


def _counted_since(db: sqlite3.Connection) -> datetime | None:
    first = db.execute("SELECT min(day) FROM match_keys WHERE day > 0").fetchone()[0]
    return None if first is None else from_ms(first * _DAY)


def forget_outcomes(db: sqlite3.Connection, *, before: datetime) -> None:
    """Drop the days before; what was ever counted stays, without its event type and with few reasons."""
    day = to_ms(before) // _DAY
    db.execute(
        """
        INSERT INTO delivery_reasons
        SELECT 0, destination, '', state, iif(state = 'skipped', reason, ''), 0, sum(ever)
        FROM delivery_reasons WHERE day BETWEEN 1 AND ? GROUP BY 2, 4, 5
        ON CONFLICT DO UPDATE SET ever = ever + excluded.ever
        """,
        (day - 1,),
    )
    db.execute("DELETE FROM delivery_reasons WHERE day BETWEEN 1 AND ?", (day - 1,))
    db.execute(
        """
        INSERT INTO match_keys SELECT 0, '', key, sum(n) FROM match_keys WHERE day BETWEEN 1 AND ? GROUP BY 3
        ON CONFLICT DO UPDATE SET n = n + excluded.n
        """,
        (day - 1,),
    )
    db.execute("DELETE FROM match_keys WHERE day BETWEEN 1 AND ?", (day - 1,))
