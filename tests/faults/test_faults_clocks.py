"""Clocks that jump, and a thousand redeliveries at once.

The store on simulated time, and all processes under a clock.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from crash_run import Load as Fire
from crash_run import burning, hold, order, quiet, settings_for, wall_clock
from peers import trackbridge, until, upstream
from store_made import apply_log, claim_rows, complete

from bridge.core import dedupe_keys
from bridge.core.delivery import Attempt, DeliveryState, DeliveryUpdate
from bridge.core.model import Event, Route, Routed, Webhook
from bridge.store.protocol import ClaimedDeliveries, DestinationState, Outcome, Pacing, RowFilter
from bridge.store.sqlite.store import SqliteStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
LEASE = 20 * SECOND
FREELY = Pacing(100, 1, timedelta(), LEASE)
OVERTAKING = Pacing(100, 1, timedelta(), LEASE, newest_beyond=5 * MINUTE)


def event(number: int) -> Routed:
    made = Event(f"evt_{number}", "key:web", "lead", test=False, text=b'{"n":%d}' % number, occurred_at=NOON)
    return Routed(made, (Route("track"),))


def webhook(name: str) -> Webhook:
    return Webhook("shop", name, "t", NOON, b"{}", (dedupe_keys.signed_webhook_key("shop", name),))


def attempt(at: datetime) -> Attempt:
    return Attempt("track", at, SECOND, 500, "later", "")


async def again(store: SqliteStore, found: ClaimedDeliveries, *, at: datetime, now: datetime) -> None:
    settled = [DeliveryUpdate(one.number, DeliveryState.PENDING, "500", next_attempt_at=at) for one in found.deliveries]
    await store.record_attempt(found, attempt(now), settled, found.destination_state, now=now)


async def claim(store: SqliteStore, now: datetime, pacing: Pacing = FREELY) -> ClaimedDeliveries | None:
    return await store.claim_deliveries("track", now=now, pacing=pacing)


def test_a_clock_set_back_an_hour_makes_no_delivery_wait_more_than_a_minute_beyond_its_backoff(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await store.accept_events([event(1)], now=NOON)
        found = await claim(store, NOON)
        assert found
        await again(store, found, at=NOON + 30 * SECOND, now=NOON)
        back = NOON - HOUR
        assert await claim(store, back) is None
        assert await claim(store, back + 30 * SECOND)
        await store.close()

    asyncio.run(story())


def test_a_clock_set_back_brings_back_leases_probes_and_webhooks_in_their_time(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await store.keep([webhook("a")])
        await apply_log(store, limit=1)
        await store.accept_events([event(1)], now=NOON)
        assert await claim_rows(store, now=NOON, limit=9, lease=LEASE)
        found = await claim(store, NOON)
        assert found
        back = NOON - HOUR
        assert await claim(store, back) is None
        assert not await claim_rows(store, now=back + 19 * SECOND, limit=9, lease=LEASE)
        assert await claim_rows(store, now=back + LEASE, limit=9, lease=LEASE)
        later = back + LEASE
        paused = DestinationState("track", paused="401", paused_at=later, probe_at=later + 5 * SECOND)
        settled = [DeliveryUpdate(one.number, DeliveryState.PENDING, next_attempt_at=later) for one in found.deliveries]
        await store.record_attempt(found, attempt(later), settled, paused, now=later)
        assert await claim(store, later - HOUR) is None
        probe = await claim(store, later - HOUR + 15 * SECOND)  # the newest time is known to ten seconds
        assert probe
        assert probe.destination_state.paused == "401"
        await store.close()

    asyncio.run(story())


def test_what_is_given_back_after_the_clock_was_set_back_is_due_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await store.accept_events([event(1), event(2)], now=NOON)
        found = await claim(store, NOON)
        assert found
        back = NOON - HOUR
        await store.record_attempt(found, attempt(back), [], found.destination_state, now=back)
        assert await claim(store, back)
        await store.close()

    asyncio.run(story())


def test_a_clock_that_jumps_ahead_an_hour_resends_what_was_under_way_once(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await store.accept_events([event(1)], now=NOON)
        first = await claim(store, NOON)
        assert first
        ahead = NOON + HOUR
        second = await claim(store, ahead)
        assert second
        assert await claim(store, ahead + 19 * SECOND) is None
        taken = [DeliveryUpdate(one.number, DeliveryState.DELIVERED) for one in first.deliveries]
        await store.record_attempt(first, attempt(ahead), taken, first.destination_state, now=ahead)
        await store.record_attempt(second, attempt(ahead), taken, second.destination_state, now=ahead)
        assert await claim(store, ahead + HOUR) is None
        [row] = await store.deliveries(RowFilter())
        assert row.state == "delivered"
        await store.close()

    asyncio.run(story())


# -------------------------------------------------------------------------------------------------------- overtaking


def test_while_a_backlog_drains_the_newest_may_overtake_and_without_one_nothing_does(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await store.accept_events([event(number) for number in range(3)], now=NOON)
        now = NOON + 6 * MINUTE
        await store.accept_events([event(9)], now=now)
        narrow = Pacing(2, 9, timedelta(), LEASE, newest_beyond=5 * MINUTE)
        first = await claim(store, now, narrow)
        second = await claim(store, now, narrow)
        assert first
        assert second
        assert [one.event_id for one in first.deliveries] == ["evt_2", "evt_9"]
        assert [one.event_id for one in second.deliveries] == ["evt_0", "evt_1"]
        await store.accept_events([event(number) for number in range(20, 23)], now=now)
        young = await claim(store, now + MINUTE, narrow)
        assert young
        assert [one.event_id for one in young.deliveries][:1] != ["evt_21"]
        await store.close()

    asyncio.run(story())


# ------------------------------------------------------------------------------------------------------- redelivery


def test_a_thousand_redeliveries_at_once_are_one_webhook_and_one_event(tmp_path: Path) -> None:
    async def story() -> None:
        stores = [SqliteStore(str(tmp_path / "x.db")) for _ in range(2)]
        await asyncio.gather(*(stores[n % 2].keep([webhook("a")]) for n in range(1000)))
        sorted_in = await asyncio.gather(*(apply_log(stores[n % 2], limit=300) for n in range(8)))
        assert [one.is_known for part in sorted_in for one in part].count(False) == 1
        found = [one for store in stores for one in await claim_rows(store, now=NOON, limit=100, lease=LEASE)]
        assert len(found) == 1
        outcome = Outcome(found[0], (event(1),))
        await asyncio.gather(*(complete(stores[n % 2], [outcome], now=NOON) for n in range(20)))
        assert len(await stores[0].events(RowFilter())) == 1
        assert len(await stores[0].deliveries(RowFilter())) == 1
        for store in stores:
            await store.close()

    asyncio.run(story())


# ------------------------------------------------------------------------------------------------- all the processes


def test_four_hundred_days_ahead_under_load_and_back_lose_nothing_purge_nothing_and_tell_nothing_twice(
    tmp_path: Path,
) -> None:
    load, clock = Fire(), wall_clock(tmp_path)
    with upstream() as peer:
        settings = settings_for(peer.url) | clock.settings | {"BRIDGE_KEEP_BODIES": "30"}
        with burning(tmp_path, settings) as bridge:
            with load.on(bridge.url):
                until(lambda: load.answers.get(200, 0) > 100, what="answers before")
                until(lambda: len(peer.taken()) > 50, what="deliveries before")
                clock.is_ahead(seconds=400 * 24 * 3600)
                until(lambda: "clock.ahead" in bridge.log.read_text(), what="the line in the log")
                before, delivered = load.answers[200], len(peer.taken())
                until(lambda: load.answers[200] > before + 200, what="answers while it is ahead")
                until(lambda: len(peer.taken()) > delivered + 50, what="deliveries while it is ahead")
                headers, raw = order("o-1", webhook_id="again")
                again = httpx.post(f"{bridge.url}/webhooks/shopify", headers=headers, content=raw, trust_env=False)
                assert again.status_code == 200
                told = trackbridge(tmp_path, settings, "status")
                assert told.returncode == 1
                assert "nothing is purged" in " ".join(told.stdout.split())
                clock.is_ahead(seconds=0)
                before, delivered = load.answers[200], len(peer.taken())
                until(lambda: load.answers[200] > before + 50, what="answers afterwards")
                until(lambda: len(peer.taken()) > delivered + 50, what="deliveries afterwards")
            # told again for each write under way whose time was read before the clock was set right
            assert 1 <= bridge.log.read_text().count("clock.ahead") < 10
        quiet(tmp_path, settings)
        hold(tmp_path, load, peer.taken())
        assert "nothing is purged" not in trackbridge(tmp_path, settings, "status").stdout
