"""A store on PostgreSQL is closed in time, whatever its server does meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
from store_made import LEASE, routed, webhook
from test_store_postgres import administer

from bridge.core.errors import StoreUnavailable
from bridge.store.postgres import store as of_store
from bridge.store.postgres.store import PostgresStore
from bridge.store.protocol import AdmissionLimits, RowFilter

LIMITS = AdmissionLimits(max_wait=timedelta(seconds=0.3))
GRACE = 0.5
PATIENT = 15.0
"""Seconds within which it has ended by itself, also on a busy machine; the server would hang for ever."""
BACKENDS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'trackbridge'"


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_store, "CLOSING_GRACE", GRACE, raising=False)


@contextmanager
def hanging_server(url: str) -> Iterator[None]:
    """The server's processes for our connections are stopped: they hold the connections, and say nothing."""
    pids = [int(str(pid)) for (pid,) in administer(url, BACKENDS)]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_a_store_is_closed_in_time_while_its_server_hangs_and_what_was_acknowledged_is_there(
    empty_database: str,
) -> None:
    async def story() -> None:
        store = PostgresStore(empty_database, durable=False, bounds=LIMITS)
        now = datetime.now(UTC)
        await store.keep([webhook("w-1")])
        await store.accept_events([routed("evt_1")], now=now)
        await store.claim_batch(now=now, limit=0, lease=LEASE)
        await store.destination_state("track", now=now)
        await store.events(RowFilter())
        with hanging_server(empty_database):
            verbs = [
                store.keep([webhook("w-2")]),
                store.claim_batch(now=now, limit=9, lease=LEASE),
                store.destination_state("track", now=now),
                store.events(RowFilter()),
                store.events(RowFilter()),  # it waits for its turn
            ]
            for told in await asyncio.gather(*verbs, return_exceptions=True):
                assert isinstance(told, StoreUnavailable)
            began = time.monotonic()
            await asyncio.wait_for(store.close(), PATIENT)
            assert time.monotonic() - began > GRACE
            with pytest.raises(StoreUnavailable, match="closing or closed"):
                await store.events(RowFilter())
        again = PostgresStore(empty_database, durable=False)
        try:
            assert [one.id for one in await again.webhooks(RowFilter())] in (["w-1"], [])
            kept = await again.claim_batch(now=now, limit=9, lease=LEASE)
            assert "w-1" in [one.id for one in kept.webhooks]
            assert [one.id for one in await again.events(RowFilter())] == ["evt_1"]
        finally:
            await again.close()

    asyncio.run(story())


def test_what_is_under_way_when_a_store_is_closed_is_finished(empty_database: str) -> None:
    async def story() -> None:
        store = PostgresStore(empty_database, durable=False)
        under_way = asyncio.ensure_future(store.accept_events([routed("evt_1")], now=datetime.now(UTC)))
        await asyncio.sleep(0)
        await store.close()
        (answer,) = await under_way
        assert answer.event_id == "evt_1"

    asyncio.run(story())
