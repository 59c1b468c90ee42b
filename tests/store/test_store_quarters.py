"""What was decided is counted by the quarter hour, in the transaction that decides it."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path

from old_stores import put_back_money
from store_made import LEASE, NOW, Tell, accepted, after, dead, ignored, key, sent, set_aside, settled, webhook

from bridge.core.model import Ignored, SetAside
from bridge.store.in_steps import retry_all
from bridge.store.protocol import DEFAULT_RETENTION, Outcome, RowFilter, Store
from bridge.store.sqlite.store import SqliteStore

QUARTER = timedelta(minutes=15)
LONG = timedelta(days=400)


async def counts(store: Store) -> dict[tuple[str, str], int]:
    return {(one.name, one.state): one.count for one in await store.read_quarters(since=NOW - LONG)}


def test_webhooks_and_deliveries_are_counted_when_they_are_decided(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await settled(store, "w")
        await set_aside(store, "a", "b")
        await ignored(store, "c")
        await accepted(store, "e", "f")
        assert len(await sent(store)) == 2
        await dead(store, "g")
        assert await counts(store) == {
            ("shopify", "translated"): 1, ("shopify", "set_aside"): 2, ("shopify", "ignored"): 1,
            ("track", "delivered"): 2, ("track", "dead"): 1,
        }  # fmt: skip
        assert {(one.kind, one.at) for one in await store.read_quarters(since=NOW)} == {
            ("webhook", NOW), ("delivery", NOW),
        }  # fmt: skip
        assert await store.read_quarters(since=NOW + QUARTER) == ()

    tell(story)


def test_a_webhook_of_the_ingest_log_is_counted_and_a_redelivery_is_not(tell: Tell) -> None:
    async def story(store: Store) -> None:
        for _ in range(2):
            await store.keep([webhook("a", key("a")), webhook("b", key("b"))])
            batch = await store.claim_batch(now=NOW, limit=9, lease=LEASE)
            first, second = batch.webhooks
            await store.complete_batch(batch, [Outcome(first, SetAside("x")), Outcome(second, Ignored("y"))], now=NOW)
        assert await counts(store) == {("shopify", "set_aside"): 1, ("shopify", "ignored"): 1}

    tell(story)


def test_what_is_decided_again_later_is_counted_in_its_own_quarter_hour(tell: Tell) -> None:
    async def story(store: Store) -> None:
        later = after(3600)
        await dead(store, "a")
        await retry_all(store, RowFilter(state="dead"), now=later)
        await sent(store, now=later)
        assert [(one.at, one.state, one.count) for one in await store.read_quarters(since=NOW)] == [
            (NOW, "dead", 1), (later, "delivered", 1),
        ]  # fmt: skip

    tell(story)


def test_they_are_forgotten_with_the_events(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await set_aside(store, "a")
        for days, left in ((89, 1), (91, 0)):
            while (await store.purge(DEFAULT_RETENTION, now=NOW + timedelta(days=days), limit=100)).more:
                pass
            assert len(await counts(store)) == left

    tell(story)


def test_an_older_store_is_counted_by_the_time_of_receipt(tmp_path: Path) -> None:
    path = put_back_money(tmp_path / "a.db")

    async def story() -> None:
        store = SqliteStore(str(path))
        try:
            found = await store.read_quarters(since=NOW - LONG)
            counted = Counter({(one.name, one.state): 0 for one in found})
            for one in found:
                counted[one.name, one.state] += one.count
            assert counted == {
                (source, state): count
                for (source, state), count in (await store.state_counts()).webhooks.items()
                if state != "received"
            }
            assert counted.total() > 1
        finally:
            await store.close()

    asyncio.run(story())
