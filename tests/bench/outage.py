"""An upstream that is down for a simulated day, with 100,000 deliveries pending; asserts what then must hold.

    python tests/bench/outage.py

Takes minutes. Not concerned with how fast it is.
"""

from __future__ import annotations

import asyncio
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bridge.core.delivery import Outgoing, Response
from bridge.core.model import Event, Route, Routed
from bridge.destinations.track import TrackDestination
from bridge.pipeline.deliver import DeliveryLoops
from bridge.store.sqlite.store import SqliteStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PENDING, RATE = 100_000, 60
MEBIBYTE = 1024 * 1024
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def event(number: int) -> Routed:
    made = Event(f"evt_{number}", "key:web", "lead", test=False, text=b'{"n":%d}' % number, occurred_at=NOON)
    return Routed(made, (Route("track"),))


class Day:
    """A clock that only sleeping moves; the upstream is down until `up_at`, and each request takes 10 ms."""

    def __init__(self, up_at: datetime, end: datetime) -> None:
        self.now, self.up_at, self.end = NOON, up_at, end
        self.posted: list[tuple[datetime, int, bool]] = []
        self.taken: dict[int, datetime] = {}
        self.taken_last = NOON
        self.over = asyncio.Event()

    def clock(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        if self.now >= self.end:
            self.over.set()
            await asyncio.sleep(0.001)
            return
        self.now += timedelta(seconds=seconds)
        await asyncio.sleep(0)

    async def send(self, outgoing: Outgoing) -> Response:
        up = self.now >= self.up_at
        self.posted.append((self.now, len(outgoing.deliveries), up))
        if up:
            self.taken |= {int(one.event_id[4:]): self.now for one in outgoing.deliveries}
            self.taken_last = self.now
        self.now += timedelta(milliseconds=10)
        return Response(200, {}, '{"success": true}') if up else Response(None, failure="no connection: refused")

    def count_attempt(self, destination: str, outcome: str, *, seconds: float) -> None:
        return


def resident() -> int:
    """Bytes of memory this process has now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError


def most_resident() -> int:
    """Bytes of memory it had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def outage(folder: Path) -> str:
    """A simulated day with 100,000 deliveries pending: memory, rate, and the first new event after it."""

    async def story() -> str:
        store = SqliteStore(str(folder / "x.db"))
        for first in range(0, PENDING, 5000):
            await store.accept_events([event(number) for number in range(first, first + 5000)], now=NOON)
        day = Day(NOON + 24 * HOUR, NOON + 24 * HOUR + 50 * MINUTE)
        loops = DeliveryLoops(
            store=store,
            destinations=[TrackDestination("track", "https://example.com", "a-made-up-key", rate=RATE)],
            clock=day.clock,
            metrics=day,
            send=day.send,
            sleep=day.sleep,
            jitter=lambda: 0.5,
            idle=MINUTE,
        )
        before = resident()
        running = asyncio.create_task(loops.run())
        while not day.taken:  # noqa: ASYNC110  simulated time passes meanwhile
            await asyncio.sleep(0)
        down = resident()
        probes = sum(not up for _, _, up in day.posted)
        await store.accept_events([event(PENDING)], now=day.now)
        accepted_at = day.now
        await day.over.wait()
        await loops.stop(10 * SECOND)
        await running
        grown = max(most_resident(), resident()) - before
        assert grown < 50 * MEBIBYTE
        assert day.taken.keys() == set(range(PENDING + 1))
        waited = day.taken[PENDING] - accepted_at
        assert waited < MINUTE
        draining = [at for at, _, up in day.posted if up]
        busiest = max(_in_a_minute([at for at, _, _ in day.posted]))
        assert busiest <= RATE + 1
        await store.close()
        return (
            f"pending={PENDING} probes={probes} down_grew={(down - before) / MEBIBYTE:.1f}MiB "
            f"grew_at_most={grown / MEBIBYTE:.1f}MiB drained_in={(day.taken_last - draining[0]).total_seconds():.0f}s "
            f"requests={len(draining)} most_in_a_minute={busiest} rate={RATE} "
            f"new_event_after={waited.total_seconds():.2f}s"
        )

    return asyncio.run(story())


def _in_a_minute(instants: Sequence[datetime]) -> Iterator[int]:
    first = 0
    for last, at in enumerate(instants):
        while at - instants[first] > MINUTE:
            first += 1
        yield last - first + 1


if __name__ == "__main__":
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as made:
        figures = outage(Path(made))
    print(f"a simulated day: all holds, after {time.monotonic() - began:.0f} s: {figures}")
