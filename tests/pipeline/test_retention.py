"""The loop of the purge: it deletes by itself, continues after a failure, and stops when it is asked to."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import httpx
import pytest
from peers import listed, serving, typed, until, upstream

from bridge.core.errors import SettingsError, StoreUnavailable
from bridge.pipeline.retention import AGAIN, EVERY, STEP, PurgeLoop
from bridge.settings import load_settings, retention_policy
from bridge.store.protocol import DEFAULT_RETENTION, PurgeStep, RetentionPolicy, Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)
API_KEY = "a-made-up-api-key"


class Sweeping:
    """A store that says what it was asked for and answers by a script."""

    def __init__(self, *script: PurgeStep | Exception) -> None:
        self.script = list(script)
        self.asked = 0
        self.done = asyncio.Event()

    async def purge(self, keeping: RetentionPolicy, *, now: datetime, limit: int) -> PurgeStep:
        assert (keeping, now, limit) == (DEFAULT_RETENTION, NOW, STEP)
        self.asked += 1
        said = self.script.pop(0)
        if not self.script:
            self.done.set()
        if isinstance(said, Exception):
            raise said
        return said


def purger(store: Sweeping, *, every: float = 3600.0, rest: float = 0.0) -> PurgeLoop:
    return PurgeLoop(store=cast("Store", store), keeping=DEFAULT_RETENTION, clock=lambda: NOW, rest=rest, every=every)


def test_a_sweep_takes_steps_until_there_are_no_more() -> None:
    async def story() -> None:
        store = Sweeping(PurgeStep(2, more=True), PurgeStep(0, more=True), PurgeStep(1, more=False))
        assert await purger(store).purge_once() == 3
        assert store.asked == 3

    asyncio.run(story())


@pytest.mark.parametrize("trouble", [StoreUnavailable("the disk is full"), RuntimeError("a fault")])
def test_trouble_ends_a_sweep_and_not_the_loop(trouble: Exception) -> None:
    async def story() -> None:
        store = Sweeping(PurgeStep(1, more=True), trouble, PurgeStep(1, more=False))
        loop = purger(store, every=0.0)
        running = asyncio.create_task(loop.run())
        await store.done.wait()
        loop.stop()
        await running
        assert store.asked == 3

    asyncio.run(story())


@pytest.mark.parametrize("trouble", [StoreUnavailable("the disk is full"), RuntimeError("a fault")])
def test_a_sweep_that_fails_is_no_heartbeat_and_the_next_one_follows_sooner(trouble: Exception) -> None:
    async def story() -> None:
        store = Sweeping(trouble)
        loop = purger(store)
        running = asyncio.create_task(loop.run())
        await store.done.wait()
        await asyncio.sleep(0)
        assert loop.heartbeat.succeeded_at is None
        loop.stop()
        await running
        again = Sweeping(PurgeStep(1, more=False))
        assert await purger(again).purge_once() == 1
        assert AGAIN < EVERY

    asyncio.run(story())


def test_a_stop_ends_the_rest_between_two_steps() -> None:
    async def story() -> None:
        store = Sweeping(PurgeStep(1, more=True))
        loop = purger(store, rest=3600.0)
        running = asyncio.create_task(loop.run())
        await store.done.wait()
        loop.stop()
        await running
        assert store.asked == 1

    asyncio.run(story())


# ----------------------------------------------------------------------------------------------------- settings


def test_a_stop_does_not_wait_for_a_step_that_never_ends() -> None:
    class Hanging(Sweeping):
        async def purge(self, keeping: RetentionPolicy, *, now: datetime, limit: int) -> PurgeStep:
            self.done.set()
            await asyncio.Event().wait()
            raise AssertionError("nobody sets it")

    async def story() -> None:
        store = Hanging()
        loop = PurgeLoop(store=cast("Store", store), keeping=DEFAULT_RETENTION, clock=lambda: NOW, grace=0.01)
        running = asyncio.create_task(loop.run())
        await store.done.wait()
        loop.stop()
        await asyncio.wait_for(running, 10)

    asyncio.run(story())


def test_what_nobody_sets_is_kept_30_90_and_400_days() -> None:
    days = timedelta(days=1)
    assert (
        load_settings({}, providers={}).keeping
        == DEFAULT_RETENTION
        == RetentionPolicy(bodies=30 * days, events=90 * days, ledger=400 * days)
    )


def test_days_are_set_by_the_environment() -> None:
    days = timedelta(days=1)
    environment = {"BRIDGE_KEEP_BODIES": "0", "BRIDGE_KEEP_EVENTS": "7", "BRIDGE_KEEP_LEDGER": "31"}
    assert retention_policy(environment) == RetentionPolicy(bodies=0 * days, events=7 * days, ledger=31 * days)


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"BRIDGE_KEEP_BODIES": "a month"}, "BRIDGE_KEEP_BODIES must be a whole number such as 30"),
        ({"BRIDGE_KEEP_EVENTS": "99999"}, "BRIDGE_KEEP_EVENTS must be a number of days, 36500 at most"),
        ({"BRIDGE_KEEP_EVENTS": "1", "BRIDGE_KEEP_LEDGER": "30"}, "BRIDGE_KEEP_LEDGER must be 31 or more"),
        ({"BRIDGE_KEEP_EVENTS": "500"}, "BRIDGE_KEEP_LEDGER must be 500 or more"),
    ],
)
def test_days_that_cannot_be_are_refused(environment: dict[str, str], text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        retention_policy(environment)


# -------------------------------------------------------------------------------------------------------- serve


def test_serve_purges_what_is_old_and_still_knows_it(tmp_path: Path) -> None:
    event = {"event_type": "purchase", "properties": {"order_id": "A-1"}}
    with upstream() as peer:
        settings = {"BRIDGE_API_KEYS": API_KEY, "BRIDGE_TRACK_URL": peer.url, "BRIDGE_TRACK_KEY": "k"}
        with serving(tmp_path, settings) as bridge:
            assert posted(bridge.url, event) == {"success": True}
            until(lambda: states(tmp_path) == ["delivered"], what="the delivery")
        aged(tmp_path, timedelta(days=91))
        with serving(tmp_path, settings) as bridge:
            until(lambda: listed(tmp_path, "events") == [], what="the purge")
            assert posted(bridge.url, event) == {"success": True, "duplicate_of": "gone:1"}
    assert len(peer.taken()) == 1


def test_a_webhook_whose_body_was_purged_is_shown_and_says_so_when_it_is_replayed(tmp_path: Path) -> None:
    settings = {"BRIDGE_API_KEYS": API_KEY, "BRIDGE_KEEP_BODIES": "0"}
    with serving(tmp_path, settings):
        pass
    with closing(sqlite3.connect(tmp_path / "trackbridge.db")) as db, db:
        db.execute("INSERT INTO bodies (number, bytes) VALUES (1, x'78')")
        db.execute(
            "INSERT INTO webhooks VALUES (1,'stripe','evt_1',NULL,'ignored','why',0,NULL,'','',NULL,x'',1,1,NULL,NULL)"
        )
    with serving(tmp_path, settings | {"BRIDGE_KEEP_EVENTS": "36500", "BRIDGE_KEEP_LEDGER": "36500"}):
        until(lambda: one(tmp_path, "wh_1")["body_gone"], what="the purge of the body")
    assert one(tmp_path, "wh_1")["body"] is None
    assert "gone: it was kept as long as BRIDGE_KEEP_BODIES says" in typed(tmp_path, {}, "show", "wh_1").stdout
    done = typed(tmp_path, {}, "replay", "wh_1")
    assert done.returncode != 0
    assert "the body of wh_1 is gone and cannot be replayed" in done.stderr
    assert [row["id"] for row in listed(tmp_path, "webhooks")] == ["wh_1"]


def posted(url: str, event: object) -> dict[str, object]:
    answer = httpx.post(f"{url}/v1/track", json=event, headers={"Authorization": f"Bearer {API_KEY}"}, trust_env=False)
    found = cast("dict[str, object]", answer.json())
    found.pop("event_id")
    return found


def states(folder: Path) -> list[str]:
    return [row["state"] for row in listed(folder, "deliveries")]


def one(folder: Path, public_id: str) -> dict[str, object]:
    done = typed(folder, {}, "show", public_id, "--format", "json")
    return cast("dict[str, object]", json.loads(done.stdout))


def aged(folder: Path, by: timedelta) -> None:
    """Everything in the store happened that much earlier."""
    with closing(sqlite3.connect(folder / "trackbridge.db")) as db, db:
        for table, column in (("events", "created_at"), ("ledger", "at"), ("attempts", "started_at")):
            db.execute(f"UPDATE {table} SET {column} = {column} - ?", (by // timedelta(milliseconds=1),))
