"""What became of deliveries, and which match keys events have, counted by day in the transaction that changes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from bridge.core.match_keys import ALL, find_match_keys
from bridge.store.codec.columns import from_ms, to_ms
from bridge.store.postgres.db.texts import server_text
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.postgres.tables import counts
from bridge.store.postgres.tables.bounded_counts import LEFT, MATCH_KEYS, REACHED, CountKey, count_key, outcomes_of
from bridge.store.postgres.tables.counts import DAY_MS
from bridge.store.postgres.tables.quarters import count_decided
from bridge.store.rules.event_decisions import CountedEvent
from bridge.store.rules.outcome_counts import LAST, MOST_WAITING, NEWEST, OutcomeKey, counted_reason
from bridge.store.status_views import MatchKeyCount, OutcomeCount, OutcomeCounts, OutcomeTotals


class EndedDelivery(NamedTuple):
    """A delivery that is not pending, as its row has it."""

    destination: str
    event_type: str
    state: str
    reason: str | None
    created_at: int
    ended_at: int


def count_reached(transaction: Transaction, ended: Iterable[EndedDelivery], *, n: int = 1) -> None:
    """Count deliveries that have ended, `n` for each that is given."""
    for key, times in Counter(map(_key_of, ended)).items():
        count = times * n
        transaction.counts["deliveries", key.destination, key.state] += count
        transaction.dated_counts[count_key(REACHED, key)] += count
        if key.state != "skipped":
            count_decided(transaction, "delivery", key.destination, key.state, count)


def count_left(transaction: Transaction, ended: Iterable[EndedDelivery]) -> None:
    """Count deliveries that had ended so, and stand otherwise now."""
    for key, count in Counter(map(_key_of, ended)).items():
        transaction.counts["deliveries", key.destination, key.state] -= count
        transaction.dated_counts[count_key(LEFT, key)] += count


def _key_of(ended: EndedDelivery) -> OutcomeKey:
    reason = counted_reason(ended.state, ended.reason, waited_ms=ended.ended_at - ended.created_at)
    return OutcomeKey(ended.created_at // DAY_MS, ended.destination, ended.event_type, ended.state, reason)


def count_match_keys(transaction: Transaction, told: Iterable[CountedEvent]) -> None:
    """Count the match keys of events."""
    alike = Counter([(one.at // DAY_MS, one.event_type, find_match_keys(one.text)) for one in told])
    for (day, event_type, keys), count in alike.items():
        for key in (ALL, *keys):
            transaction.dated_counts[MATCH_KEYS, day, server_text(event_type), key] += count


def read_outcomes(db: psycopg.Connection[Any], *, since: datetime) -> OutcomeCounts:
    """The counts of the day of `since` and of later ones."""
    first = to_ms(since) // DAY_MS
    found = counts.read_counts(db, REACHED, LEFT, MATCH_KEYS, since=first)
    standing = Counter(outcomes_of(found, REACHED))
    standing.subtract(outcomes_of(found, LEFT))
    outcomes = sorted(
        [(one, count) for one, count in standing.items() if count > 0],
        key=lambda pair: (*pair[0][:-1], -pair[1], pair[0].reason),
    )
    keys = sorted((key, count) for key, count in found.items() if key.of == MATCH_KEYS)
    return OutcomeCounts(
        outcomes=tuple(
            [
                OutcomeCount(from_ms(one.day * DAY_MS), one.destination, one.event_type, one.state, one.reason, count)
                for one, count in outcomes
            ]
        ),
        match_keys=tuple([MatchKeyCount(from_ms(key.at * DAY_MS), key.name, key.state, n) for key, n in keys]),
        waiting=_waiting_counts(db, since=first * DAY_MS),
        rejected=_rejected_of_last(db),
        counted_since=_counted_since(db),
    )


def read_totals(db: psycopg.Connection[Any]) -> OutcomeTotals:
    """All that was ever counted."""
    found = counts.read_counts(db, REACHED, MATCH_KEYS)
    deliveries: Counter[tuple[str, str, str]] = Counter()
    for one, count in outcomes_of(found, REACHED).items():
        deliveries[one.destination, one.state, one.reason] += count
    match_keys: Counter[str] = Counter()
    for key, count in found.items():
        if key.of == MATCH_KEYS and key.state != ALL:
            match_keys[key.state] += count
    return OutcomeTotals(deliveries=dict(deliveries), match_keys=dict(match_keys))


def _waiting_counts(db: psycopg.Connection[Any], *, since: int) -> dict[tuple[str, str], int]:
    rows = select(
        db,
        """
        SELECT destination, event_type, count(*) FROM (
            SELECT destination, event_type FROM outbox WHERE created_at >= %s LIMIT %s
        ) AS pending GROUP BY 1, 2
        """,
        (since, MOST_WAITING),
    )
    return {(destination, event_type): count for destination, event_type, count in rows}


def _rejected_of_last(db: psycopg.Connection[Any]) -> dict[str, tuple[int, int]]:
    rows = select(
        db,
        """
        SELECT destination, count(*) FILTER (WHERE state = 'dead'), count(*) FROM (
            SELECT destination, state, row_number() OVER (PARTITION BY destination ORDER BY number DESC) AS place
            FROM (SELECT number, destination, state FROM deliveries ORDER BY number DESC LIMIT %s) AS newest
            WHERE state IN ('delivered', 'dead')
        ) AS placed WHERE place <= %s GROUP BY 1
        """,
        (NEWEST, LAST),
    )
    return {destination: (rejected, count) for destination, rejected, count in rows}


def _counted_since(db: psycopg.Connection[Any]) -> datetime | None:
    days = [key.at for key in counts.read_counts(db, MATCH_KEYS, since=1)]
    return from_ms(min(days) * DAY_MS) if days else None


def forget_outcomes(transaction: Transaction, *, before: datetime) -> None:
    """Drop the days before; what was ever counted stays, without its event type and with few reasons."""
    counts.fold_all(transaction)
    day = to_ms(before) // DAY_MS
    rows = transaction.execute(
        "DELETE FROM counts WHERE of = ANY(%s) AND at BETWEEN 1 AND %s RETURNING of, at, name, state, n",
        ([REACHED, LEFT, MATCH_KEYS], day - 1),
    ).fetchall()
    gone = counts.as_counts(rows)
    kept: Counter[CountKey] = Counter()
    for one, count in outcomes_of(gone, REACHED).items():
        reason = one.reason if one.state == "skipped" else ""
        kept[count_key(REACHED, one._replace(day=0, event_type="", reason=reason))] += count
    for key, count in gone.items():
        if key.of == MATCH_KEYS:
            kept[key._replace(at=0, name="")] += count
    counts.add_counts(transaction, kept)
