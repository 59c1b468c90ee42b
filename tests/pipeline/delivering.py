"""What the tests of delivery share: a clock that sleeping moves, a real store, and upstreams as plain functions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bridge.core.delivery import Outgoing, Response
from bridge.core.model import Event, Route, Routed
from bridge.destinations.protocol import Destination
from bridge.destinations.track import TrackDestination
from bridge.pipeline.claim_lease import uptime_seconds
from bridge.pipeline.deliver import DeliveryLoops, Send
from bridge.pipeline.retry_policy import RetryPolicy
from bridge.store.protocol import DeliveryDetail, DeliveryRow, RowFilter, Store
from bridge.store.sqlite.store import SqliteStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = "a-made-up-key"
TAKEN = Response(200, {}, '{"success": true}')


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def answer(status: int, error: str = "", **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, named, json.dumps({"success": False, "error": error}))


def track(**more: Any) -> TrackDestination:
    return TrackDestination("mine", "https://example.com", KEY, **({"rate": 0} | more))


class Time:
    """A clock that stands still until somebody sleeps, and stops moving at `end`: then `over` is set."""

    def __init__(self, *, lasts: timedelta = timedelta(days=1)) -> None:
        self.now = NOON
        self.end = NOON + lasts
        self.over = asyncio.Event()

    def clock(self) -> datetime:
        return self.now

    def go_on(self, *, until: datetime) -> None:
        self.end = until
        self.over = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0, "a sleep of nothing is a busy loop"
        if self.now + timedelta(seconds=seconds) < self.end:
            self.now += timedelta(seconds=seconds)
            await asyncio.sleep(0)
        else:
            self.over.set()
            await asyncio.sleep(0.001)


@dataclass
class Posted:
    """One request that the upstream got, when, and what it answered."""

    at: datetime
    orders: list[int]
    answered: Response


@dataclass
class Upstream:
    """A plain function as upstream: `judge` says what a request of these order numbers is answered; it takes `slow`."""

    time: Time
    judge: Callable[[list[int]], Response] = lambda orders: TAKEN
    slow: timedelta = timedelta(milliseconds=10)
    posted: list[Posted] = field(default_factory=list)

    async def send(self, outgoing: Outgoing) -> Response:
        orders = [event["order"] for event in json.loads(outgoing.body)["events"]]
        said = self.judge(orders)
        self.posted.append(Posted(self.time.now, orders, said))
        self.time.now += self.slow
        return said

    def taken(self) -> list[int]:
        """Every order that was taken, in order of arrival, doubles too."""
        return [order for one in self.posted if one.answered is TAKEN for order in one.orders]

    def waits(self) -> list[float]:
        """Seconds from each answer to the next request, to the millisecond."""
        pairs = zip(self.posted, self.posted[1:], strict=False)
        return [round((after.at - before.at - self.slow).total_seconds(), 3) for before, after in pairs]


def scripted(*answers: Response) -> Callable[[list[int]], Response]:
    """These answers one after another, then 200."""
    left = list(answers)
    return lambda orders: left.pop(0) if left else TAKEN


@dataclass
class Seen:
    """A watcher that remembers."""

    attempts: list[tuple[str, str]] = field(default_factory=list)

    def count_attempt(self, destination: str, outcome: str, *, seconds: float) -> None:
        self.attempts.append((destination, outcome))


def events(numbers: Sequence[int], *, size: int = 0, destination: str = "mine") -> list[Routed]:
    return [
        Routed(
            Event(
                id=f"evt_{number}",
                origin="key:one",
                event_type="purchase",
                test=False,
                text=json.dumps({"order": number} | ({"fill": "x" * size} if size else {})).encode(),
                occurred_at=NOON,
            ),
            (Route(destination),),
        )
        for number in numbers
    ]


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(str(folder / "x.db"))
    try:
        yield store
    finally:
        await store.close()


def delivery_loops(  # noqa: PLR0913  the loops' own arguments, each with what a simulated day wants
    store: Store,
    time: Time,
    send: Send,
    *,
    destination: Destination | None = None,
    seen: Seen | None = None,
    jitter: float = 0.5,
    idle: timedelta = timedelta(hours=1),
    policy: RetryPolicy | None = None,
    uptime: Callable[[], float] = uptime_seconds,
) -> DeliveryLoops:
    return DeliveryLoops(
        store=store,
        destinations=[destination or track()],
        clock=time.clock,
        uptime=uptime,
        ticks=lambda: time.now.timestamp(),  # noqa: PLW0108  the instant of the call, not of this line
        metrics=seen or Seen(),
        send=send,
        sleep=time.sleep,
        jitter=lambda: jitter,
        policy=policy or RetryPolicy(),
        idle=idle,
    )


async def lived(loops: DeliveryLoops, time: Time) -> None:
    """Run until the simulated time is over."""
    running = asyncio.create_task(loops.run())
    await time.over.wait()
    await loops.stop(timedelta(seconds=10))
    await running


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait, in real time, for something that must come; the test's own timeout ends what does not."""
    while not await holds():  # noqa: ASYNC110  another thread makes it true
        await asyncio.sleep(0.005)


async def rows(store: Store, state: str | None = None) -> list[DeliveryRow]:
    """Deliveries, oldest first."""
    return (await store.deliveries(RowFilter(state=state)))[::-1]


async def detail(store: Store, public_id: str) -> DeliveryDetail:
    [found] = await store.show_detail(public_id)
    assert isinstance(found, DeliveryDetail)
    return found
