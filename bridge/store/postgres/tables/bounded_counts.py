"""Counts by names of others, of which a day has a bounded number: outcomes of deliveries, and match keys of events.

A transaction appends the names as they are; they are bounded when the changes are added up.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from bridge.store.rules.outcome_counts import OutcomeKey, bound_left, bound_reached, bounded_name

REACHED, LEFT = "reached", "left"
"""Outcomes of deliveries that came, and those that are none any more, by the day on which the delivery was made."""
MATCH_KEYS = "match_keys"
"""Events that were told, by day, event type and match key."""
BOUNDED = (REACHED, LEFT, MATCH_KEYS)


class CountKey(NamedTuple):
    """What is counted, by day or quarter hour (0: by none), name and state."""

    of: str
    at: int
    name: str
    state: str


def count_key(of: str, outcome: OutcomeKey) -> CountKey:
    """An outcome as it is counted."""
    return CountKey(of, outcome.day, outcome.destination, json.dumps(outcome[2:], ensure_ascii=False))


def outcome_key(key: CountKey) -> OutcomeKey:
    """The outcome that `count_key` was given."""
    return OutcomeKey(key.at, key.name, *json.loads(key.state))


def outcomes_of(counts: Mapping[CountKey, int], of: str) -> dict[OutcomeKey, int]:
    """The outcomes among some counts."""
    return {outcome_key(key): n for key, n in counts.items() if key.of == of}


def bound_changes(kept: Mapping[CountKey, int], changes: Mapping[CountKey, int]) -> dict[CountKey, int]:
    """The changes under the names that are counted by; `kept` is what there is of their days."""
    reached = outcomes_of(kept, REACHED)
    came = bound_reached(reached, outcomes_of(changes, REACHED))
    standing = Counter(reached)
    standing.update(came)
    standing.subtract(outcomes_of(kept, LEFT))
    left = bound_left(standing, outcomes_of(changes, LEFT))
    return {
        **{key: n for key, n in changes.items() if key.of not in BOUNDED},
        **{count_key(REACHED, one): n for one, n in came.items()},
        **{count_key(LEFT, one): n for one, n in left.items()},
        **_bound_types(kept, [(key, n) for key, n in changes.items() if key.of == MATCH_KEYS]),
    }


def _bound_types(kept: Iterable[CountKey], changes: Iterable[tuple[CountKey, int]]) -> Counter[CountKey]:
    types: dict[int, set[str]] = {}
    for key in kept:
        if key.of == MATCH_KEYS:
            types.setdefault(key.at, set()).add(key.name)
    bounded: Counter[CountKey] = Counter()
    for key, n in changes:
        known = types.setdefault(key.at, set())
        name = bounded_name(key.name, known)
        known.add(name)
        bounded[key._replace(name=name)] += n
    return bounded
