"""What the verbs of a PostgreSQL store cost once many webhooks are kept, in units of the same on a database of a few.

    python tests/bench/postgres_growth.py [--webhooks 200000] [--rounds 3] [--folder FOLDER]

Both databases are filled through the store's own verbs, on one server, and asked in turn; two cores, loopback. The
counts of both are added up by then, and their rows analyzed, as in operation. Ends with 1 where a verb costs more than
1.25 times as much. Not concerned with retention.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter

import filled
import psycopg
from database import database
from figures import Rounds, aligned, shown
from ground import tell
from wrong import hold

from bridge.store.postgres.store import PostgresStore
from bridge.store.postgres.tables.counts import FOLD_EVERY
from bridge.store.protocol import DEFAULT_LIMITS, RowFilter

FEW = 10_000
"""So many that small counts do not make the ratios noisy."""
AT_ONCE = 100
REPEATS = 30
FILLING = 3600.0
ASIDE_EVERY = 1000
BOUNDS = replace(DEFAULT_LIMITS, max_wait=timedelta(minutes=5))
"""Groups of the filling are larger than those of callers, who would be told that it takes too long."""
MOST = 1.25
CORES = 2


def run(words: Sequence[str]) -> int:
    """Fill, ask, print; the status to end with."""
    parser = argparse.ArgumentParser(prog="postgres_growth.py", description="PostgreSQL once many webhooks are kept.")
    parser.add_argument("--webhooks", type=int, default=200_000, help="kept in the database that has grown (200000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (3)")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where the server's files lie")
    options = parser.parse_args(words)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    with database(options.folder) as server, server.fresh() as few, server.fresh() as grown:
        rounds = asyncio.run(_story(few, grown, options.webhooks, options.rounds))
    rows = [("", "median", "min", "max", "unit")]
    ratios = []
    for one in rounds.figures():
        rows.append((one.name, shown(one.median), shown(min(one.values)), shown(max(one.values)), one.unit))
        ratios += [one.median] if one.unit == "x few" else []
    print(*aligned(rows, right=(1, 2, 3)), sep="\n")
    return int(max(ratios) > MOST)


async def _story(few_url: str, grown_url: str, webhooks: int, count: int) -> Rounds:
    few, grown = _Filled(few_url), _Filled(grown_url)
    rounds = Rounds()
    try:
        await few.fill(FEW)
        began = monotonic()
        await grown.fill(webhooks)
        rounds.add("webhooks kept", "", grown.filler.count)
        rounds.add("filled", "webhooks/s", grown.filler.count / (monotonic() - began))
        for number in range(count):
            tell(f"round {number + 1}")
            for name, verb in VERBS.items():
                took: dict[_Filled, list[float]] = {few: [], grown: []}
                for repeat in range(REPEATS):
                    for one in (few, grown) if repeat % 2 else (grown, few):
                        took[one].append(await _timed(await verb(one)))
                rounds.add(name, "x few", median(took[grown]) / median(took[few]))
                rounds.add(f"{name}, grown", "ms", median(took[grown]) * 1000)
    finally:
        await few.filler.store.close()
        await grown.filler.store.close()
    return rounds


async def _timed(call: Call) -> float:
    began = perf_counter()
    await call()
    return perf_counter() - began


class _Filled:
    """A store, and its verbs as they are measured: what is done before is not."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.filler = filled.Filler(PostgresStore(url, bounds=BOUNDS), aside_every=ASIDE_EVERY)

    async def fill(self, count: int) -> None:
        """As traffic would; each kind of row is there more often than a list shows."""
        await self.filler.fill(count, seconds=FILLING, what="growth")
        await self._add_counts_up()

    async def _add_counts_up(self) -> None:
        """The groups of the filling are so large that there are few claims, after some of which a node adds them up."""
        for _ in range(FOLD_EVERY):
            batch = await self.filler.store.claim_batch(now=datetime.now(UTC), limit=1, lease=filled.LEASE)
            hold(not batch.webhooks, "the filling has left webhooks to claim")
        with psycopg.connect(self._url) as db:
            [(left,)] = db.execute("SELECT count(*) FROM count_changes").fetchall()
            hold(left == 0, f"{left} changes of counts were not added up")
            db.execute("ANALYZE")  # as autovacuum does within a minute

    async def keep(self) -> Call:
        """Webhooks come in, and wait for the next verb."""
        webhooks = self.filler.next_webhooks(AT_ONCE, datetime.now(UTC))
        return lambda: self.filler.store.keep(webhooks)

    async def complete(self) -> Call:
        """They are claimed, and become events."""
        now, store = datetime.now(UTC), self.filler.store

        async def call() -> None:
            batch = await store.claim_batch(now=now, limit=AT_ONCE, lease=filled.LEASE)
            hold(len(batch.webhooks) == AT_ONCE, f"{len(batch.webhooks)} were claimed instead of {AT_ONCE}")
            outcomes = filled.outcomes(batch.webhooks, aside_every=0)
            hold(await store.complete_batch(batch, outcomes, now=now) is not None, "somebody else has completed them")

        return call

    async def deliver(self) -> Call:
        """Deliveries are claimed and recorded."""

        async def call() -> None:
            count = await filled.deliver(self.filler.store, AT_ONCE, now=datetime.now(UTC))
            hold(count == AT_ONCE, f"{count} were claimed instead of {AT_ONCE}")

        return call

    async def show_lists(self) -> Call:
        """A screen of each kind."""
        store, screen = self.filler.store, RowFilter(limit=50)

        async def call() -> None:
            await store.webhooks(screen)
            await store.events(screen)
            await store.deliveries(screen)

        return call

    async def show_set_aside(self) -> Call:
        """What one row in a thousand is."""
        which = RowFilter(state="set_aside", limit=FEW // ASIDE_EVERY)
        return lambda: self.filler.store.webhooks(which)

    async def show_status(self) -> Call:
        """What a status screen and metrics ask for."""

        async def call() -> None:
            await self.filler.store.state_counts()
            await self.filler.store.status_summary(now=datetime.now(UTC))

        return call


Call = Callable[[], Awaitable[object]]
VERBS: dict[str, Callable[[_Filled], Awaitable[Call]]] = {
    f"keep {AT_ONCE}": _Filled.keep,
    f"claim and complete {AT_ONCE}": _Filled.complete,
    f"claim and record {AT_ONCE}": _Filled.deliver,
    "list": _Filled.show_lists,
    "list what is set aside": _Filled.show_set_aside,
    "status": _Filled.show_status,
}
"""In this order: what one leaves is what the next takes."""


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
