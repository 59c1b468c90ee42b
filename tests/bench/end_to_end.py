"""From the signed webhook to the upstream: a load that is offered and must be kept up with, and a burst that drains.

Translating and forwarding go on all the while. At the end every webhook that was answered 200 must be at the sink, or
where there was no time for that, in the store. Not concerned with what accepting alone can do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from statistics import fmean, median
from time import monotonic, sleep

import truth
from figures import Figure, Rounds
from goals import FLOOR, P99
from ground import Ground, tell
from load import OK, Pace, Seen
from servers import Server, Sink
from wrong import hold

OFFERED = 0.20
CONNECTIONS = 64
OFFERED_CONNECTIONS = 128
DRAIN = 300.0
"""Seconds that may pass until all is at the sink; what is not there then is told, and looked for in the store."""
STUCK = 30.0
"""Seconds without one more event at the sink, after which it will not come."""
_AGE = re.compile(r"^trackbridge_oldest_(?:webhook|delivery)_seconds(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


def offered(ground: Ground) -> list[Figure]:
    """So many a second, whatever is answered; how old the queues become."""
    rounds = Rounds()
    floors = _floors(ground)
    pace = Pace(OFFERED_CONNECTIONS, ground.plan.offered_seconds, warm=2, rate=OFFERED * median(floors))
    tell(f"offered: {pace.rate:.0f} a second for {pace.seconds:.0f} s")
    with ground.bridge() as (bridge, sink, folder):
        with ThreadPoolExecutor(1) as pool:
            loading = pool.submit(ground.try_load, bridge, ground.webhook, pace)
            ages = list(_ages(bridge, loading))
            seen = loading.result()
        late = wait_until_drained(sink, seen)
        _hold(bridge, sink, folder, seen)
    third = len(ages) // 3
    rounds.add("offered: requests", "1/s", pace.rate)
    rounds.add(f"offered: requests, {FLOOR} before and after", "", pace.rate / median(floors + _floors(ground)))
    rounds.add("offered: answered 200", "", seen.statuses.get(OK, 0) / max(1, seen.sent))
    rounds.add("offered: answers a second to requests a second", "", seen.rate / pace.rate)
    rounds.add("offered: p50", "ms", seen.p50_ms)
    rounds.add(f"offered: {P99}", "ms", seen.p99_ms)
    rounds.add("offered: queue age, mean", "s", fmean(ages))
    rounds.add("offered: queue age, most", "s", max(ages))
    rounds.add(
        "offered: queue age, what the last third adds", "s", fmean(ages[-third:]) - fmean(ages[third : 2 * third])
    )
    rounds.add("offered: seconds until all is at the sink", "s", late)
    return rounds.figures()


def burst(ground: Ground) -> list[Figure]:
    """As fast as it accepts, then the time until all of it is at the sink."""
    rounds = Rounds()
    for number in range(ground.plan.rounds):
        tell(f"burst: round {number + 1}")
        floor = ground.load(ground.floor(), ground.webhook, ground.pace(CONNECTIONS))
        with ground.bridge() as (bridge, sink, folder):
            began = monotonic()
            seen = ground.load(bridge, ground.webhook, ground.pace(CONNECTIONS))
            at_once = sink.count()
            drain = wait_until_drained(sink, seen)
            took = monotonic() - began
            there = sink.count()
            _hold(bridge, sink, folder, seen)
        rounds.add("burst: accepted", "1/s", seen.rate)
        rounds.add("burst: drained", "1/s", (there - at_once) / max(drain, 0.001))
        rounds.add(f"burst: drained, {FLOOR}", "", (there - at_once) / max(drain, 0.001) / floor.rate)
        rounds.add(f"burst: from first to last, {FLOOR}", "", there / took / floor.rate)
    return rounds.figures()


def _floors(ground: Ground) -> list[float]:
    """A few measurements of the floor, at one time: a machine may be faster or slower at another."""
    return [ground.load(ground.floor(), ground.webhook, ground.pace(CONNECTIONS)).rate for _ in range(3)]


def _ages(bridge: Server, loading: Future[Seen]) -> Iterator[float]:
    """The age of the oldest thing that waits, every second until the load is over."""
    while not loading.done():
        sleep(1)
        yield max(float(age) for age in _AGE.findall(bridge.get("/metrics")))


def wait_until_drained(sink: Sink, seen: Seen) -> float:
    """Seconds until all that was answered 200 is at the sink; all of `DRAIN` where it was not.

    Raises WrongAnswer where nothing more comes although something should.
    """
    wanted = seen.statuses.get(OK, 0) * seen.ids
    began = progressed = monotonic()
    there = sink.count()
    while there < wanted and monotonic() - began < DRAIN:
        sleep(0.05)
        before, there = there, sink.count()
        progressed = monotonic() if there > before else progressed
        hold(monotonic() - progressed < STUCK, f"{wanted - there} of {wanted} are not sent, for {STUCK:.0f} s")
    return monotonic() - began


def _hold(bridge: Server, sink: Sink, folder: Path, seen: Seen) -> None:
    wanted = seen.statuses.get(OK, 0) * seen.ids
    all_there = sink.count() >= wanted
    bridge.stop()
    truth.webhooks_kept(folder, seen)
    if all_there:
        truth.arrived(sink, seen)
    else:
        tell(f"{wanted - sink.count()} of {wanted} were still to be sent after {DRAIN:.0f} s; they are in the store")
