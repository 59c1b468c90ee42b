"""Not ready is only a bridge that can keep no webhook; everything else that goes wrong is a detail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from peers import MAY_READ_METRICS, METRICS_KEY
from starlette.applications import Starlette
from store_made import apply_log

from bridge.app import RESTS
from bridge.core import dedupe_keys
from bridge.core.model import Event, Route, Routed, Webhook
from bridge.http import readiness
from bridge.http.health import HealthRoutes
from bridge.http.metrics import Metrics
from bridge.http.metrics_key import read_setting
from bridge.http.readiness import STALLED, ReadinessCheck
from bridge.pipeline.spooling import SpoolingKeeper
from bridge.store.protocol import DEFAULT_LIMITS, OVERDUE, AdmissionLimits, OverdueWork
from bridge.store.spool import WebhookSpool, prepare_spool
from bridge.store.sqlite.store import SqliteStore

Asked = Callable[[str], Awaitable[httpx.Response]]
LONG = STALLED.total_seconds() + 12


def asked(
    store: SqliteStore,
    *,
    loops: Mapping[str, float | None] = {},
    stopping: bool = False,
    patience: timedelta = readiness.PATIENCE,
    spool: SpoolingKeeper | None = None,
) -> Asked:
    """What GETs the addresses of a bridge on that store, whose loops last succeeded so many seconds ago."""
    now = time.monotonic()
    check = ReadinessCheck(
        store=store,
        clock=lambda: datetime.now(UTC),
        loops=lambda: {name: None if ago is None else now - ago for name, ago in loops.items()},
        rests=RESTS,
        stopping=lambda: stopping,
        patience=patience,
        spool=spool,
    )
    key = read_setting(METRICS_KEY)
    health = HealthRoutes(store, ("track",), Metrics(), lambda: datetime.now(UTC), check, tuple, key=key)
    http = httpx.ASGITransport(Starlette(routes=[*health.routes()]))

    async def get(path: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=http, base_url="http://bridge", headers=MAY_READ_METRICS) as client:
            return await client.get(path)

    return get


@asynccontextmanager
async def opened(folder: Path, **bounds: Any) -> Any:
    store = SqliteStore(str(folder / "x.db"), bounds=AdmissionLimits(**bounds))
    try:
        yield store
    finally:
        await store.close()


async def overdue(store: SqliteStore) -> None:
    """A webhook and a delivery that should have been claimed a while ago."""
    due_at = datetime.now(UTC) - OVERDUE - timedelta(seconds=1)
    await store.keep([Webhook("shop", "1", "t", due_at, b"{}", (dedupe_keys.signed_webhook_key("shop", "1"),))])
    await apply_log(store, limit=9)
    made = Event("evt_1", "key:web", "purchase", test=False, text=b"{}", occurred_at=due_at)
    await store.accept_events([Routed(made, (Route("track"),))], now=due_at)


def test_where_all_goes_well_it_is_ready_without_details(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as store:
            found = await asked(store, loops={"translate": 1.0, "purge": 3600.0})("/readyz")
            assert (found.status_code, found.json()) == (200, {"success": True, "state": "ready", "details": []})

    asyncio.run(story())


def test_loops_that_fail_or_do_not_run_and_overdue_work_are_details_of_a_bridge_that_is_ready(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as store:
            await overdue(store)
            get = asked(store, loops={"translate": LONG, "deliver:track": None, "purge": LONG + RESTS["purge"]})
            found = await get("/readyz")
            assert (found.status_code, found.json()["success"], found.json()["state"]) == (200, True, "degraded")
            assert found.json()["details"] == [
                "translate: no round succeeded for 42 s",
                "deliver:track: does not run; it is being started again",
                "purge: no round succeeded for 3702 s",
                "1 webhooks are overdue to be translated",
                "1 deliveries to track are overdue to be attempted",
            ]

    asyncio.run(story())


def test_a_store_that_takes_no_write_is_not_ready_and_says_why_first(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path, min_free=1 << 60) as store:
            found = await asked(store, loops={"translate": LONG})("/readyz")
            assert (found.status_code, found.json()["success"], found.json()["state"]) == (503, False, "not_ready")
            why, loop = found.json()["details"]
            assert why.startswith("the store takes no write: the disk of the store ")
            assert loop == "translate: no round succeeded for 42 s"

    asyncio.run(story())


def test_a_store_whose_write_does_not_end_is_not_ready(tmp_path: Path) -> None:
    class Hanging(SqliteStore):
        def __init__(self, path: str) -> None:
            super().__init__(path)
            self.goes_on, self.asked = asyncio.Event(), 0

        async def probe(self, *, now: datetime) -> None:
            self.asked += 1
            await self.goes_on.wait()

        async def overdue_work(self, *, now: datetime) -> OverdueWork:
            self.asked += 1
            await self.goes_on.wait()
            return await super().overdue_work(now=now)

    async def story() -> None:
        store = Hanging(str(tmp_path / "x.db"))
        get = asked(store, patience=timedelta(milliseconds=1))
        for _ in range(3):
            found = await get("/readyz")
            assert (found.status_code, found.json()["state"]) == (503, "not_ready")
            assert found.json()["details"] == [
                "the store takes no write: none was done within 0.001 s",
                "overdue work cannot be counted: there was no answer within 0.001 s",
            ]
        assert store.asked == 2, "questions to a store that hangs do not pile up"
        store.goes_on.set()
        assert (await asked(store)("/readyz")).status_code == 200
        await store.close()

    asyncio.run(story())


def test_a_bridge_whose_spool_takes_webhooks_is_ready_without_its_store(tmp_path: Path) -> None:
    async def story() -> None:
        prepare_spool(tmp_path / "spool")
        spool = WebhookSpool(tmp_path / "spool", bounds=DEFAULT_LIMITS)
        async with opened(tmp_path, min_free=1 << 60) as store:
            get = asked(store, spool=SpoolingKeeper(store, spool, clock=lambda: datetime.now(UTC), notify=lambda: None))
            found = await get("/readyz")
            assert (found.status_code, found.json()["state"]) == (200, "degraded")
            [why] = found.json()["details"]
            assert why.endswith("; webhooks are kept in the spool")
            await spool.close()
            found = await get("/readyz")
            assert found.status_code == 503
            assert found.json()["details"][1].startswith("the spool takes no write: ")

    asyncio.run(story())


def test_a_process_that_is_shutting_down_is_not_ready(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as store:
            found = await asked(store, stopping=True)("/readyz")
            assert (found.status_code, found.json()["details"]) == (503, ["this process is shutting down"])

    asyncio.run(story())


@pytest.mark.parametrize(
    "sample",
    [
        "trackbridge_ready 1.0",
        "trackbridge_overdue_webhooks 1.0",
        'trackbridge_overdue_deliveries{destination="track"} 1.0',
        'trackbridge_loop_up{loop="translate"} 0.0',
        'trackbridge_loop_up{loop="purge"} 1.0',
        'trackbridge_loop_up{loop="deliver:track"} 0.0',
    ],
)
def test_metrics_say_what_is_overdue_and_which_loops_do_not_succeed(tmp_path: Path, sample: str) -> None:
    async def story() -> None:
        async with opened(tmp_path) as store:
            await overdue(store)
            page = await asked(store, loops={"translate": LONG, "purge": LONG, "deliver:track": None})("/metrics")
            assert sample in page.text.splitlines()
            assert 'trackbridge_loop_seconds_since_success{loop="translate"} 42.' in page.text

    asyncio.run(story())
