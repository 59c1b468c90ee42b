"""Signed webhooks into a bridge as it is installed, at so many connections, against the floor.

Each measurement has a fresh store; the bridge translates and delivers to a sink meanwhile, as it does for its owner.
Afterwards every webhook that was answered 200 must be in the store. Not concerned with when it is delivered.
"""

from __future__ import annotations

import truth
from figures import Figure, Rounds
from goals import FLOOR, P99
from ground import Ground, tell
from load import Seen


def measured(ground: Ground) -> list[Figure]:
    """The floor and the bridge in turn, round after round."""
    rounds = Rounds()
    for number in range(ground.plan.rounds):
        top = ground.ceiling(ground.plan.connections[0])
        rounds.add("generator: requests to a C program", "1/s", top.rate)
        for connections in ground.plan.connections:
            tell(f"accept: round {number + 1}, {connections} connections")
            _round(ground, connections, rounds)
    return rounds.figures()


def workers(ground: Ground) -> list[Figure]:
    """The same with one worker and with two, in units of the floor and of one."""
    rounds = Rounds()
    for number in range(ground.plan.rounds):
        for connections in ground.plan.connections:
            tell(f"workers: round {number + 1}, {connections} connections")
            floor = ground.load(ground.floor(), ground.webhook, ground.pace(connections))
            one, two = (_seen(ground, connections, workers=count) for count in (1, 2))
            for name, seen in (("one worker", one), ("two workers", two)):
                rounds.add(f"{name} {connections}: {FLOOR}", "", seen.rate / floor.rate)
                rounds.add(f"{name} {connections}: {P99}", "ms", seen.p99_ms)
            rounds.add(f"two workers {connections}: in units of one", "", two.rate / one.rate)
    return rounds.figures()


def _seen(ground: Ground, connections: int, *, workers: int | None = None) -> Seen:
    with ground.bridge(workers=workers) as (bridge, _, folder):
        seen = ground.load(bridge, ground.webhook, ground.pace(connections))
        bridge.stop()
        truth.webhooks_kept(folder, seen)
    return seen


def _round(ground: Ground, connections: int, rounds: Rounds) -> None:
    floor = ground.load(ground.floor(), ground.webhook, ground.pace(connections))
    seen = _seen(ground, connections)
    rounds.add(f"floor {connections}: requests", "1/s", floor.rate)
    rounds.add(f"floor {connections}: {P99}", "ms", floor.p99_ms)
    rounds.add(f"accept {connections}: requests", "1/s", seen.rate)
    rounds.add(f"accept {connections}: {FLOOR}", "", seen.rate / floor.rate)
    rounds.add(f"accept {connections}: p50", "ms", seen.p50_ms)
    rounds.add(f"accept {connections}: {P99}", "ms", seen.p99_ms)
    rounds.add(f"generator {connections}: most of a core", "", max(floor.cpu, seen.cpu))
