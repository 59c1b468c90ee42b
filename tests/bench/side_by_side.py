"""The same work given to trackbridge and to others in the same run: a signed webhook in, JSON out to the sink.

How many a second, how soon, and what of that which was answered 200 never reaches the sink when the process and all its
children are killed in the middle and it is started again. For the others that is told; for trackbridge one lost webhook
is a wrong answer. Not concerned with installing anybody.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, sleep

import rivals
import servers
from figures import Figure, Rounds
from goals import P99
from ground import Ground, tell
from load import OK, Pace, Seen, Work
from servers import Server, Sink
from wrong import hold

CONNECTIONS = 32
QUIET = 30.0
"""Seconds without one more event at the sink, after which no more will come: longer than any lease of ours."""
DRAIN = 300.0
OURS = "trackbridge"


@dataclass(frozen=True, slots=True)
class Peer:
    """One who takes webhooks: how it is started on a folder and a sink, and how it is signed for."""

    name: str
    start: Callable[[Path, Sink], AbstractContextManager[Server]]
    work: Work


def measured(ground: Ground) -> list[Figure]:
    """All that are to be had, in turn, round after round; then each is killed."""
    rounds = Rounds()
    with _cache(ground) as cache:
        peers = list(_peers(ground, cache))
        for number in range(ground.plan.rounds):
            for peer in peers:
                tell(f"peers: round {number + 1}, {peer.name}")
                _fast(ground, peer, rounds)
        for number in range(ground.plan.rounds):
            for peer in peers:
                tell(f"peers: {peer.name} is killed, {number + 1}")
                _killed(ground, peer, rounds)
    return rounds.figures()


@contextmanager
def _cache(ground: Ground) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="trackbridge-peers-") as made:
        cache = (ground.plan.cache or Path(made)).absolute()
        cache.mkdir(parents=True, exist_ok=True)
        yield cache


def _peers(ground: Ground, cache: Path) -> Iterator[Peer]:
    yield Peer(OURS, lambda folder, sink: servers.bridge(folder, servers.settings(sink)), ground.webhook)
    try:
        program = rivals.webhook_installed(cache)
        post = ground.programs["post"]
        yield Peer(
            rivals.WEBHOOK,
            lambda folder, sink: rivals.webhook(program, folder, sink=sink.port, poster=post),
            replace(ground.webhook, hex=True),
        )
    except rivals.NotToBeHad as error:
        tell(f"peers: without one of them: {error}")
    try:
        red = rivals.node_red_installed(cache)
        yield Peer(rivals.NODE_RED, lambda folder, sink: rivals.node_red(red, folder, sink=sink.port), ground.webhook)
    except rivals.NotToBeHad as error:
        tell(f"peers: without one of them: {error}")


def _fast(ground: Ground, peer: Peer, rounds: Rounds) -> None:
    with ground.sink() as sink, peer.start(ground.place(), sink) as server:
        began = monotonic()
        seen = ground.load(server, peer.work, ground.pace(CONNECTIONS))
        took = _last_came(sink, seen) - began
        missing = _missing(sink, seen)
    rounds.add(f"{peer.name}: answered", "1/s", seen.rate)
    rounds.add(f"{peer.name}: {P99}", "ms", seen.p99_ms)
    rounds.add(f"{peer.name}: at the sink", "1/s", (seen.statuses[OK] - missing) / took)
    rounds.add(f"{peer.name}: answered and not at the sink", "", missing)
    _hold_ours(peer, missing)


def _killed(ground: Ground, peer: Peer, rounds: Rounds) -> None:
    folder = ground.place()
    with ground.sink() as sink, ExitStack() as first:
        server = first.enter_context(peer.start(folder, sink))
        with ThreadPoolExecutor(1) as pool:
            loading = pool.submit(ground.try_load, server, peer.work, Pace(CONNECTIONS, ground.plan.seconds))
            sleep(max(0.5, ground.plan.seconds / 2))
            server.kill()
            seen = loading.result()
        hold(seen.broken > 0, f"{peer.name} was not killed under load")
        with peer.start(folder, sink):
            _last_came(sink, seen)
        missing = _missing(sink, seen)
    rounds.add(f"{peer.name}, killed: answered before", "", seen.statuses.get(OK, 0))
    rounds.add(f"{peer.name}, killed: of these never at the sink", "", missing)
    _hold_ours(peer, missing)


def _hold_ours(peer: Peer, missing: int) -> None:
    hold(peer.name != OURS or not missing, f"{missing} that {OURS} answered 200 are not at the sink")


def _last_came(sink: Sink, seen: Seen) -> float:
    """When the last event came: all that was answered, or no more in all the time that is waited."""
    began = last = monotonic()
    there = sink.count()
    while _missing_at_least(there, seen) and monotonic() - last < QUIET and monotonic() - began < DRAIN:
        sleep(0.05)
        before, there = there, sink.count()
        last = monotonic() if there > before else last
    return last


def _missing_at_least(there: int, seen: Seen) -> bool:
    return there < seen.statuses.get(OK, 0)


def _missing(sink: Sink, seen: Seen) -> int:
    return len(set(seen.numbers()) - set(map(int, sink.orders())))
