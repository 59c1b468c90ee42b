"""Events of a shop's own backend into /v1/track: one a request, and a hundred, against the floor with the same bodies.

Afterwards every event that was answered 200 must be in the store. Not concerned with when it is delivered.
"""

from __future__ import annotations

from collections.abc import Callable

import truth
from figures import Figure, Rounds
from goals import BATCH, BATCH_EVENTS, BATCH_OF_FLOOR, FLOOR, P99
from ground import Ground, tell
from load import Work

CONNECTIONS = 32


def single(ground: Ground) -> list[Figure]:
    """POST /v1/track."""
    return _rounds(ground, "track", ground.track)


def batch(ground: Ground) -> list[Figure]:
    """POST /v1/track/batch, a hundred events each."""
    return _rounds(ground, "batch", ground.batch)


def _rounds(ground: Ground, name: str, work: Work) -> list[Figure]:
    rounds = Rounds()
    for number in range(ground.plan.rounds):
        tell(f"{name}: round {number + 1}")
        _round(ground, work, lambda what, unit, value: rounds.add(f"{name}: {what}", unit, value))
    return rounds.figures()


def _round(ground: Ground, work: Work, add: Callable[[str, str, float], None]) -> None:
    floor = ground.load(ground.floor(), work, ground.pace(CONNECTIONS))
    with ground.bridge() as (bridge, _, folder):
        seen = ground.load(bridge, work, ground.pace(CONNECTIONS))
        bridge.stop()
        truth.events_kept(folder, seen)
    events, of_floor = seen.rate * seen.ids, floor.rate * seen.ids
    add("events", "1/s", events)
    add("events at the floor", "1/s", of_floor)
    add(FLOOR, "", events / of_floor)
    add(P99, "ms", seen.p99_ms)
    if work.events:
        add(BATCH, "", events / min(BATCH_EVENTS, BATCH_OF_FLOOR * of_floor))
