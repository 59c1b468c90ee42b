"""Under which names outcomes of deliveries and match keys are counted: a bounded number of them each day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from itertools import product
from typing import NamedTuple

MOST_NAMES = 50
"""Event types, and reasons of a destination, that are counted by on one day; all others are counted as OTHER."""
OTHER = "other"
NEWEST = 5000
"""Deliveries among which the last ones of each destination are looked for."""
LAST = 100
"""Deliveries of a destination, taken or rejected, of which the rejected ones are counted."""
MOST_WAITING = 100_000
"""Waiting deliveries that are counted at most."""
_LONGEST_REASON = 60
LONG_WAIT_MS = 3_600_000
"""Deliveries that have waited longer may be counted by another reason than those that have not."""
_NOT_AMONG = "not among its events"


class OutcomeKey(NamedTuple):
    """By what the outcome of a delivery is counted: the day (since 1970) is that on which it was made."""

    day: int
    destination: str
    event_type: str
    state: str
    reason: str


def bounded_name(name: str, known: Collection[str]) -> str:
    """The name that is counted by, where these are counted by already."""
    return name if name in known or len(known) < MOST_NAMES else OTHER


def counted_reason(state: str, reason: str | None, *, waited_ms: int) -> str:
    """The reason that an outcome is counted by: words of ours, or the first ones of an upstream."""
    if state == "delivered" or not reason:
        return ""
    if reason.endswith(f" is {_NOT_AMONG}"):
        return _NOT_AMONG
    if reason == "too old" and waited_ms > LONG_WAIT_MS:
        return "too old while it waited"
    return reason[:_LONGEST_REASON].strip(" ")


def bound_reached(known: Iterable[OutcomeKey], changes: Mapping[OutcomeKey, int]) -> dict[OutcomeKey, int]:
    """How many outcomes came, under the names that are counted by, where these are counted by already."""
    types: dict[tuple[int, str], set[str]] = {}
    reasons: dict[tuple[int, str], set[str]] = {}
    for one in known:
        types.setdefault(one[:2], set()).add(one.event_type)
        reasons.setdefault(one[:2], set()).add(one.reason)
    bounded: Counter[OutcomeKey] = Counter()
    for one, count in changes.items():
        mine, words = types.setdefault(one[:2], set()), reasons.setdefault(one[:2], set())
        event_type = bounded_name(one.event_type, mine)
        reason = one.reason and bounded_name(one.reason, words - {"", OTHER})
        mine.add(event_type)
        words.add(reason)
        bounded[one._replace(event_type=event_type, reason=reason)] += count
    return bounded


def bound_left(standing: Mapping[OutcomeKey, int], changes: Mapping[OutcomeKey, int]) -> dict[OutcomeKey, int]:
    """How many outcomes are none any more, under the names by which they were counted as they came.

    `standing` is how many of each there are before.
    """
    bounded: Counter[OutcomeKey] = Counter()
    for one, count in changes.items():
        left = count
        for event_type, reason in product((one.event_type, OTHER), (one.reason, OTHER)):
            key = one._replace(event_type=event_type, reason=reason)
            taken = max(0, min(left, standing.get(key, 0) - bounded[key]))
            bounded[key] += taken
            left -= taken
    return +bounded
