"""What a store's verbs cost once a million webhooks are kept, in units of the same verbs on a store of a few.

Both are filled through their own verbs and asked in turn. At the end all of it has been kept long enough, and the file
must shrink. The store that is nearly empty holds as many rows as a list shows and a purge's step looks at, so that both
do the same work. Not concerned with what a request adds to a verb.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter

import filled
from figures import Figure, Rounds
from ground import Ground, tell
from wrong import hold

from bridge.store.engines import open_store
from bridge.store.in_steps import replay_all
from bridge.store.protocol import DEFAULT_RETENTION, Batch, RowFilter, Store, WebhookDetail

FEW = 3000
AT_ONCE = 100
"""Webhooks that one measured verb takes, as when the bridge is busy."""
REPEATS = 30
"""Times that a verb is measured on each of the two in a round."""
FILLING = 900.0
PURGING = 600.0
"""Seconds that filling and purging may take; what was not done then is told."""
ASIDE_EVERY = 1000
PURGE_LIMIT = 200
PURGE_STEPS = 20
"""Steps that are measured together: one alone is over in half a millisecond, and its time is mostly luck."""
LOOKS = 200
"""Times that the store is looked at in vain after it was filled: what it does when nothing waits is done then."""


def measured(ground: Ground) -> list[Figure]:
    """Fill, ask, purge."""
    return asyncio.run(_story(ground.place(), ground.plan.webhooks, ground.plan.rounds))


async def _story(folder: Path, webhooks: int, count: int) -> list[Figure]:
    few, grown = _Kept(folder / "few.db"), _Kept(folder / "grown.db")
    rounds = Rounds()
    try:
        await few.fill(FEW)
        began = monotonic()
        await grown.fill(webhooks)
        rounds.add("growth: webhooks kept", "", grown.count)
        rounds.add("growth: filled", "webhooks/s", grown.count / (monotonic() - began))
        for number in range(count):
            tell(f"growth: round {number + 1}")
            await _round(few, grown, rounds)
        before = await grown.size()
        rounds.add("growth: bytes a webhook", "", before / grown.count)
        began = monotonic()
        rows = await grown.purge()
        rounds.add("growth: purged", "rows/s", rows / (monotonic() - began))
        rounds.add("growth: file after the purge", "of before", await grown.size() / before)
    finally:
        await few.store.close()
        await grown.store.close()
    return rounds.figures()


async def _round(few: _Kept, grown: _Kept, rounds: Rounds) -> None:
    for name in VERBS:
        took: dict[_Kept, list[float]] = {few: [], grown: []}
        for repeat in range(REPEATS):
            for one in (few, grown) if repeat % 2 else (grown, few):
                took[one].append(await one.timed(name))
        rounds.add(f"growth: {name}", "x empty", median(took[grown]) / median(took[few]))
        rounds.add(f"growth: {name}, grown", "ms", median(took[grown]) * 1000)


class _Kept:
    """A store, how many webhooks it has been given, and its verbs as they are measured."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = filled.Filler(open_store(f"sqlite:///{path}"), aside_every=ASIDE_EVERY)

    @property
    def store(self) -> Store:
        """The store itself."""
        return self._filler.store

    def open(self) -> None:
        """Open it again."""
        self._filler.store = open_store(f"sqlite:///{self.path}")

    @property
    def count(self) -> int:
        """How many webhooks it has been given."""
        return self._filler.count

    async def fill(self, count: int) -> None:
        """As traffic would."""
        await self._filler.fill(count, seconds=FILLING, what="growth")
        await self._quiet()

    async def _quiet(self) -> None:
        """For a while nothing comes in, as in any night: the translator goes on looking."""
        for _ in range(LOOKS):
            await self.store.claim_batch(now=datetime.now(UTC), limit=1, lease=filled.LEASE)

    async def timed(self, verb: str) -> float:
        """Seconds that a verb took; what it is given was made before."""
        made = VERBS[verb](self)
        call = await made if isinstance(made, Awaitable) else made
        began = perf_counter()
        await call()
        return perf_counter() - began

    async def purge(self) -> int:
        """Everything was kept long enough; how many rows went."""
        now = datetime.now(UTC) + DEFAULT_RETENTION.ledger * 2
        began = told = monotonic()
        rows = 0
        while monotonic() - began < PURGING:
            step = await self.store.purge(DEFAULT_RETENTION, now=now, limit=filled.GROUP)
            rows += step.taken
            if not step.more:
                break
            if monotonic() - told > filled.TELLING:
                told = monotonic()
                tell(f"growth: {rows:,} rows purged, after {told - began:.0f} s")
        return rows

    async def size(self) -> int:
        """Bytes on disk, once nothing is under way."""
        await self.store.close()
        size = sum(file.stat().st_size for file in self.path.parent.rglob(f"{self.path.name}*"))
        self.open()
        return size

    def keeping(self) -> Call:
        """A webhook comes in, with others."""
        webhooks = self._filler.next_webhooks(AT_ONCE, datetime.now(UTC))
        return lambda: self.store.keep(webhooks)

    def finding(self) -> Call:
        """What came in is looked at."""
        return lambda: self.store.claim_batch(now=datetime.now(UTC), limit=AT_ONCE, lease=filled.LEASE)

    async def placing(self) -> Call:
        """What came in gets its place, and becomes events."""
        now = datetime.now(UTC)
        fresh = await self.store.claim_batch(now=now, limit=AT_ONCE, lease=filled.LEASE)
        outcomes = filled.outcomes(fresh.webhooks, aside_every=0)
        hold(len(outcomes) == AT_ONCE, f"{len(outcomes)} webhooks were found instead of {AT_ONCE}")

        async def call() -> None:
            hold(await self.store.complete_batch(fresh, outcomes, now=now) is not None, "somebody else has placed them")

        return call

    def claiming(self) -> Call:
        """What has its place is replayed, claimed, and comes to the same once more."""

        async def call() -> None:
            now = datetime.now(UTC)
            await replay_all(self.store, RowFilter(limit=AT_ONCE), now=now)
            claimed = await filled.claim(self.store, AT_ONCE, now=now)
            hold(len(claimed) == AT_ONCE, f"{len(claimed)} webhooks were claimed instead of {AT_ONCE}")
            batch = Batch(tuple(claimed))
            await self.store.complete_batch(batch, filled.outcomes(claimed, aside_every=0), now=now)

        return call

    def delivering(self) -> Call:
        """Deliveries are claimed and recorded."""
        return lambda: filled.deliver(self.store, AT_ONCE, now=datetime.now(UTC))

    def listing(self) -> Call:
        """A screen of each kind."""

        async def call() -> None:
            screen = RowFilter(limit=50)
            rows = (
                await self.store.webhooks(screen),
                await self.store.events(screen),
                await self.store.deliveries(screen),
            )
            hold(all(len(found) == screen.limit for found in rows), "a list is shorter than it should be")

        return call

    def listing_rare(self) -> Call:
        """What one row in a thousand is."""
        return lambda: self.store.webhooks(RowFilter(state="set_aside", limit=FEW // ASIDE_EVERY))

    def showing(self) -> Call:
        """A webhook from the middle, with what it became, and its event."""
        name = f"wh_{self.count // 2 + 2}"  # the one before it may have been set aside

        async def call() -> None:
            for one in await self.store.show_detail(name):
                if isinstance(one, WebhookDetail):
                    await self.store.show_detail(one.events[0].id)

        return call

    def telling(self) -> Call:
        """What a status screen and metrics ask for."""

        async def call() -> None:
            await self.store.state_counts()
            await self.store.status_summary(now=datetime.now(UTC))

        return call

    def purging(self) -> Call:
        """Steps in which nothing is old enough."""

        async def call() -> None:
            for _ in range(PURGE_STEPS):
                await self.store.purge(DEFAULT_RETENTION, now=datetime.now(UTC), limit=PURGE_LIMIT)

        return call


Call = Callable[[], Awaitable[object]]
VERBS: dict[str, Callable[[_Kept], Call | Awaitable[Call]]] = {
    f"keep {AT_ONCE}": _Kept.keeping,
    f"find {AT_ONCE}": _Kept.finding,
    f"place {AT_ONCE}": _Kept.placing,
    f"replay, claim and settle {AT_ONCE}": _Kept.claiming,
    f"deliver {AT_ONCE}": _Kept.delivering,
    "list": _Kept.listing,
    "list what is set aside": _Kept.listing_rare,
    "show": _Kept.showing,
    "status": _Kept.telling,
    f"purge, {PURGE_STEPS} steps of {PURGE_LIMIT}": _Kept.purging,
}
"""In this order: what one leaves is what the next takes."""
