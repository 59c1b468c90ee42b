"""`serve` on PostgreSQL: beside SQLite by HTTP, two nodes beside one, and what idle engines cost the server.

Not concerned with single verbs.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import AsyncExitStack, ExitStack
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, process_time, sleep

import filled
import made_up
import servers
import truth
from database import Database
from end_to_end import CONNECTIONS, wait_until_drained
from figures import Rounds
from ground import FIRST_NUMBER, Ground
from processes import cpu_seconds
from servers import Sink
from wrong import hold

from bridge.app import SingleProcessApp, utc_now
from bridge.core.log import start_log
from bridge.runtime.heartbeat_writer import HeartbeatWriter
from bridge.settings.load import load_configuration
from bridge.store.engines import open_store

BACKLOG = 30_000
"""Webhooks that one and two nodes work off: some 8 s, beside which the start of each node's child is short."""
ENGINES = 50
HEARTBEATS = 4
"""Processes of one `serve`, each of which writes a sign of life."""
SETTLE = 15.0
"""Seconds after which engines that were just started are idle."""
STUCK = 60.0


def over_http(ground: Ground, server: Database, rounds: Rounds) -> None:
    """As fast as it accepts until all of it is at the sink, on either engine."""
    rates = {"sqlite": _from_first_to_last(ground, {})}
    with server.fresh() as url:
        rates["postgres"] = _from_first_to_last(ground, {"BRIDGE_STORE": url})
    rounds.add("postgres: end to end by HTTP, of SQLite", "", rates["postgres"] / rates["sqlite"])
    for engine, rate in rates.items():
        rounds.add(f"postgres: end to end by HTTP, {engine}", "webhooks/s", rate)


def _from_first_to_last(ground: Ground, more: dict[str, str]) -> float:
    with ground.bridge(more=more) as (bridge, sink, _):
        began = monotonic()
        seen = ground.load(bridge, ground.webhook, ground.pace(CONNECTIONS))
        wait_until_drained(sink, seen)
        rate = sink.count() / (monotonic() - began)
        bridge.stop()
        truth.arrived(sink, seen)
    return rate


def one_and_two_nodes(ground: Ground, server: Database, rounds: Rounds) -> None:
    """A backlog on one database: how fast it is at the sink."""
    one, two = (_drain(ground, server, nodes=nodes) for nodes in (1, 2))
    rounds.add("postgres: two nodes drain, of one", "", two / one)
    rounds.add("postgres: one node drains", "webhooks/s", one)


def _drain(ground: Ground, server: Database, *, nodes: int) -> float:
    with server.fresh() as url, ground.sink() as sink, ExitStack() as stack:
        settings = servers.settings(sink) | {"BRIDGE_STORE": url}
        bridges = [stack.enter_context(servers.bridge(ground.place(), settings, workers=1)) for _ in range(nodes)]
        began = monotonic()
        asyncio.run(_keep(url, BACKLOG))
        _wait_for(sink, BACKLOG)
        rate = BACKLOG / (monotonic() - began)
        for bridge in bridges:
            bridge.stop()
        orders = sink.orders()
        hold(
            len(set(orders)) == len(orders) == BACKLOG,
            f"{len(orders)} of {BACKLOG} came, {len(set(orders))} of them once",
        )
    return rate


async def _keep(url: str, count: int) -> None:
    store = open_store(url)
    body = made_up.order()
    for first in range(FIRST_NUMBER, FIRST_NUMBER + count, 50):
        await store.keep(filled.webhooks(range(first, first + 50), body, at=datetime.now(UTC)))
    await store.close()


def _wait_for(sink: Sink, count: int) -> None:
    progressed, there = monotonic(), 0
    while there < count:
        sleep(0.02)
        before, there = there, sink.count()
        progressed = monotonic() if there > before else progressed
        hold(monotonic() - progressed < STUCK, f"{count - there} of {count} do not come")


def idle_engines(ground: Ground, server: Database, rounds: Rounds, *, seconds: float) -> None:
    """What the server takes of a core while many engines have nothing to do, all of them in this process."""
    with server.fresh() as url:
        asyncio.run(_idle(ground.place(), url, server.process(), rounds, seconds=seconds))


async def _idle(folder: Path, url: str, process: int, rounds: Rounds, *, seconds: float) -> None:
    environment = servers.settings(None) | {"BRIDGE_STORE": url, "BRIDGE_TRACK_URL": "http://127.0.0.1:9"}
    environment |= {"BRIDGE_TRACK_KEY": "upstream-key", "BRIDGE_TRACK_RATE": "0"}
    settings, mappings = load_configuration(environment, None, tell=False)
    os.chdir(folder)
    start_log(logging.CRITICAL)  # else each engine says that its destination is not there
    async with AsyncExitStack() as stack:
        for number in range(ENGINES):
            app = SingleProcessApp(settings, mappings, open_store(url))
            await stack.enter_async_context(app.http.router.lifespan_context(app.http))
            for name in range(HEARTBEATS):
                beats = HeartbeatWriter(app.store, f"{number}-{name}", "worker", utc_now, "")
                await stack.enter_async_context(beats.writing())
        await asyncio.sleep(SETTLE)
        began, before, mine = monotonic(), cpu_seconds(process), process_time()
        await asyncio.sleep(seconds)
        took = monotonic() - began
        rounds.add(
            f"postgres: {ENGINES} idle engines, the server's part of a core", "", (cpu_seconds(process) - before) / took
        )
        rounds.add(f"postgres: {ENGINES} idle engines, their own part of a core", "", (process_time() - mine) / took)
