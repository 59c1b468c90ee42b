"""What is due and unclaimed for over five minutes is overdue; what waits for its time, or for a pause's end, is not."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from store_made import FREELY, LEASE, NOW, Tell, accepted, after, attempt, claim_rows, claimed, complete, keep, webhook

from bridge.core.model import EventNeeded
from bridge.store.protocol import OVERDUE, DestinationState, Outcome, OverdueWork, Store
from bridge.store.sqlite.ingest.frame import frame_bytes
from bridge.store.sqlite.store import SqliteStore

LATE = OVERDUE + timedelta(seconds=1)
NOTHING = OverdueWork(0, None, {}, {})


def test_nothing_is_overdue_before_five_minutes_are_over(tell: Tell) -> None:
    async def story(store: Store) -> None:
        assert await store.overdue_work(now=NOW) == NOTHING
        await keep(store, webhook("a"))
        await accepted(store, "evt_1")
        assert await store.overdue_work(now=NOW + OVERDUE - timedelta(milliseconds=1)) == NOTHING

    tell(story)


def test_a_webhook_and_a_delivery_that_nobody_claims_are_overdue_since_they_were_due(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await keep(store, webhook("a"), webhook("b", at=after(1)))
        await accepted(store, "evt_1", "evt_2")
        assert await store.overdue_work(now=NOW + LATE) == OverdueWork(2, NOW, {"track": 2}, {"track": NOW})

    tell(story)


def test_a_webhook_in_the_ingest_log_is_overdue_and_stays_where_it_is(tell: Tell) -> None:
    async def story(store: Store) -> None:
        began = datetime.now(UTC) - timedelta(milliseconds=1)
        await store.keep([webhook("a"), webhook("b")])
        await store.keep([webhook("c")])
        now = datetime.now(UTC)
        assert await store.overdue_work(now=now + OVERDUE - timedelta(minutes=1)) == NOTHING
        found = await store.overdue_work(now=now + LATE)
        assert found.webhooks == 3
        assert found.oldest_webhook
        assert began <= found.oldest_webhook <= now
        assert (await store.state_counts()).unapplied == 3

    tell(story)


def test_what_is_claimed_is_overdue_only_once_its_lease_is_over_for_as_long(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await keep(store, webhook("a"))
        await accepted(store, "evt_1")
        claimed_at = NOW + LATE
        assert await claim_rows(store, now=claimed_at, limit=9, lease=LEASE)
        assert await store.claim_deliveries("track", now=claimed_at, pacing=FREELY)
        assert await store.overdue_work(now=claimed_at) == NOTHING
        assert await store.overdue_work(now=claimed_at + OVERDUE) == NOTHING
        late = await store.overdue_work(now=claimed_at + LEASE + LATE)
        assert (late.webhooks, late.deliveries) == (1, {"track": 1})

    tell(story)


def test_what_waits_for_a_named_event_is_not_overdue_until_its_wait_is_over_for_as_long(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await keep(store, webhook("refund"))
        [refund] = await claim_rows(store, now=NOW, limit=9, lease=LEASE)
        until = NOW + timedelta(hours=1)
        await complete(store, [Outcome(refund, EventNeeded((b"k" * 16,), "purchase", until))], now=NOW)
        assert await store.overdue_work(now=until) == NOTHING
        assert await store.overdue_work(now=until + OVERDUE - timedelta(seconds=1)) == NOTHING
        assert (await store.overdue_work(now=until + LATE)).webhooks == 1

    tell(story)


def test_deliveries_of_a_paused_destination_are_not_overdue(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1", "evt_2")
        found = await claimed(store, pacing=replace(FREELY, limit=1))
        paused = DestinationState("track", paused="401: the key is wrong", paused_at=NOW, probe_at=after(60))
        await store.record_attempt(found, attempt(at=NOW, status=401), (), paused, now=NOW)
        assert await store.overdue_work(now=NOW + LATE) == NOTHING

    tell(story)


def test_a_file_of_the_ingest_log_that_cannot_be_read_becomes_overdue(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await store.keep(())
        at = time.time_ns()
        (tmp_path / "x.db-inbox" / f"{at:020d}-0123abcd").write_bytes(b"?" + frame_bytes(at, 1, b"x"))
        now = datetime.now(UTC)
        assert (await store.overdue_work(now=now)).webhooks == 0
        assert (await store.overdue_work(now=now + LATE)).webhooks == 1
        await store.close()

    asyncio.run(story())
