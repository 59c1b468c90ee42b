"""Which event of a webhook is which of those that its mended mapping makes. Changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from bridge.core.model import Routed

GONE = "no longer made: its webhook's mended mapping does not make it, and it was sent"
"""The note of an event that was sent by mistake, as far as the mapping of now says."""


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """An event as it was made. `is_attempted` is whether a request with it was made, or is being made."""

    number: int
    id: str
    given_id: str
    origin: str
    event_type: str
    text: bytes
    claims: tuple[bytes, ...]
    duplicate_of: int | None
    is_attempted: bool
    is_noted_gone: bool


@dataclass(frozen=True, slots=True)
class EventPairs:
    """Events that were made, each with what it is now; those that are made no more, and what was not made before."""

    same: Sequence[tuple[KeptEvent, Routed]]
    gone: Sequence[KeptEvent]
    new: Sequence[Routed]


def pair_events(kept: Sequence[KeptEvent], events: Sequence[Routed]) -> EventPairs:
    """Pair what was made with what is made now, not by a key: the mistake may be in the key.

    Where there are as many of a type as before, they are the same in order; else those with the same id are. Of the
    rest nobody knows which is which. Where none of the rest was attempted, that does not matter: they are replaced in
    order. Where nothing is left of what is made now, what is left of what was made is gone.
    """
    same: list[tuple[KeptEvent, Routed]] = []
    left, made = list(kept), list(events)
    for find_pairs in (_pairs_in_order, _pairs_by_id):
        pairs = find_pairs(left, made)
        same += pairs
        left = [one for one in left if all(one is not each for each, _ in pairs)]
        made = [one for one in made if all(one is not each for _, each in pairs)]
    attempted = any(one.is_attempted for one in left)
    if attempted and made:
        return EventPairs(same, (), ())
    same += zip(left, made, strict=False)
    return EventPairs(same, left[len(made) :], made[len(left) :] if kept else ())


def _pairs_in_order(kept: Sequence[KeptEvent], events: Sequence[Routed]) -> list[tuple[KeptEvent, Routed]]:
    rows: defaultdict[str, list[KeptEvent]] = defaultdict(list)
    made: defaultdict[str, list[Routed]] = defaultdict(list)
    for one in kept:
        rows[one.event_type].append(one)
    for routed in events:
        made[routed.event.event_type].append(routed)
    return [
        pair
        for kind, each in rows.items()
        if len(each) == len(made[kind])
        for pair in zip(each, made[kind], strict=True)
    ]


def _pairs_by_id(kept: Sequence[KeptEvent], events: Sequence[Routed]) -> list[tuple[KeptEvent, Routed]]:
    made = {routed.event.id: routed for routed in events}
    return [(one, made[name]) for one in kept if (name := one.given_id or one.id) in made]
