"""The counters of a SQLite store as PostgreSQL counts: rows by state anew, all else as it was counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bridge.store.moving.source import MovingSource
from bridge.store.postgres.db.transaction import LAST
from bridge.store.postgres.tables.bounded_counts import LEFT, MATCH_KEYS, REACHED, CountKey, count_key
from bridge.store.postgres.tables.counts import RECEIVED
from bridge.store.postgres.tables.quarters import COUNTED_AS
from bridge.store.rules.outcome_counts import OutcomeKey

_OF_ROWS = ("webhooks", "events", "deliveries")


def gather_counts(source: MovingSource, rows: Mapping[str, Mapping[tuple[str, str], int]]) -> Counter[CountKey]:
    """All counts; `rows` are those of webhooks, events and deliveries that are there now, by name and state."""
    counts = _count_outcomes(source)
    counts.update({CountKey(of, 0, *key): n for of, named in rows.items() for key, n in named.items()})
    for of, name, state, n in source.read_counters("counts"):
        if of not in _OF_ROWS:
            counts[CountKey(of, 0, name, state)] += n
    for day, name, state, n in source.read_counters("days"):
        counts[CountKey(RECEIVED, day, name, state)] += n
    for name, at in source.read_counters("lasts"):
        counts[CountKey(LAST, 0, name, "")] = at
    for quarter, kind, name, state, n in source.read_counters("quarters"):
        counts[CountKey(COUNTED_AS[kind], quarter, name, state)] += n
    return counts


def _count_outcomes(source: MovingSource) -> Counter[CountKey]:
    counts: Counter[CountKey] = Counter()
    for day, destination, event_type, state, reason, n, ever in source.read_counters("delivery_reasons"):
        key = OutcomeKey(day, destination, event_type, state, reason)
        counts[count_key(REACHED, key)] += ever
        if ever > n:
            counts[count_key(LEFT, key)] += ever - n
    for day, event_type, key_name, n in source.read_counters("match_keys"):
        counts[CountKey(MATCH_KEYS, day, event_type, key_name)] += n
    return counts
