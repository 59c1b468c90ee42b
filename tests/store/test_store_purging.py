"""What was kept long enough goes, what somebody still waits for stays, and what was known stays known."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace
from store_made import (
    LEASE,
    NOW,
    Opener,
    Tell,
    accepted,
    applied,
    attempt,
    claim_rows,
    claimed,
    complete,
    dead,
    event,
    ignored,
    keep,
    names_of_ids,
    nothing_to_claim,
    order,
    routed,
    sent,
    set_aside,
    settled,
    webhook,
)

from bridge.core import json_text
from bridge.core.conversions import LedgerEffects
from bridge.core.delivery import Attempt, DeliveryState, DeliveryUpdate
from bridge.core.errors import BodyGone, StoreUnavailable
from bridge.core.model import Accepted, EventNeeded, Ignored, Route, Routed
from bridge.store.in_steps import replay_all
from bridge.store.protocol import (
    AdmissionLimits,
    DeliveryDetail,
    EventDetail,
    Idempotency,
    Outcome,
    RetentionPolicy,
    RowFilter,
    Store,
    WebhookDetail,
)
from bridge.store.sqlite.admin.retention import FREE_PAGES, STEP_BYTES
from bridge.store.sqlite.db.clock_skew import ClockReadings
from bridge.store.sqlite.store import SqliteStore

DAY = timedelta(days=1)
KEEPING = RetentionPolicy(bodies=30 * DAY, events=90 * DAY, ledger=400 * DAY)
LIMIT = 3
"""Rows a step looks at: so few that every sweep here goes over several."""


async def swept(store: Store, now: datetime, *, limit: int = LIMIT, keeping: RetentionPolicy = KEEPING) -> int:
    """A whole sweep: how many rows went."""
    taken = 0
    while True:
        step = await store.purge(keeping, now=now, limit=limit)
        taken += step.taken
        if not step.more:
            return taken


async def shown(store: Store, name: str) -> WebhookDetail:
    (found,) = await (await applied(store)).show_detail(name)
    assert isinstance(found, WebhookDetail)
    return found


async def listed(store: Store) -> tuple[list[str], list[str]]:
    """The webhooks and the events that are still there, oldest first."""
    webhooks = [row.id for row in await (await applied(store)).webhooks(RowFilter())][::-1]
    return webhooks, [row.id for row in await store.events(RowFilter())][::-1]


# ------------------------------------------------------------------------------------------------------- bodies


def test_a_body_goes_after_its_days_and_its_webhook_still_lists_and_shows(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await settled(store, "a", routed("e"))
        called = await names_of_ids(store)
        assert await swept(store, NOW + 30 * DAY - timedelta(milliseconds=1)) == 0
        assert (await shown(store, called["wh_1"])).body_gone is False
        assert await swept(store, NOW + 30 * DAY) == 1
        found = await shown(store, called["wh_1"])
        assert (found.body_gone, found.webhook.body, found.webhook.id) == (True, b"", "a")
        assert [row.id for row in found.events] == ["e"]
        assert await listed(store) == ([called["wh_1"]], ["e"])

    tell(story)


def test_an_empty_body_is_not_one_that_is_gone(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await keep(store, webhook("a", body=b""))
        assert (await shown(store, (await names_of_ids(store))["wh_1"])).body_gone is False

    tell(story)


def test_a_webhook_without_its_body_is_not_replayed_and_says_so(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await ignored(store, "a")
        called = await names_of_ids(store)
        await swept(store, NOW + 31 * DAY)
        with pytest.raises(
            BodyGone, match=f"the body of {called['wh_1']} is gone and cannot be replayed; BRIDGE_KEEP_BODIES"
        ):
            await replay_all(store, RowFilter(ids=(called["wh_1"],)), now=NOW)
        assert await replay_all(store, RowFilter(state="ignored"), now=NOW) == 0
        assert (await shown(store, called["wh_1"])).row.state == "ignored"

    tell(story)


def test_the_body_of_a_received_webhook_never_goes(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await keep(store, webhook("a", body=b"precious"))
        assert (
            await swept(store, NOW + 4000 * DAY, keeping=RetentionPolicy(bodies=DAY, events=DAY, ledger=4001 * DAY))
            == 0
        )
        found = await claim_rows(store, now=NOW + 4000 * DAY, limit=9, lease=LEASE)
        assert [one.body for one in found] == [b"precious"]

    tell(story)


def test_a_replayed_webhook_is_received_and_keeps_its_body(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await ignored(store, "a")
        assert await replay_all(store, RowFilter(ids=((await names_of_ids(store))["wh_1"],)), now=NOW + 29 * DAY) == 1
        assert (
            await swept(store, NOW + 4000 * DAY, keeping=RetentionPolicy(bodies=DAY, events=DAY, ledger=4001 * DAY))
            == 0
        )

    tell(story)


def test_a_webhook_set_aside_keeps_its_body_as_long_as_events_are_kept(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await set_aside(store, "a", "b")
        called = await names_of_ids(store)
        assert await swept(store, NOW + 90 * DAY - timedelta(milliseconds=1)) == 0
        assert (await shown(store, called["wh_1"])).webhook.body == b"{}"
        assert await replay_all(store, RowFilter(ids=(called["wh_2"],)), now=NOW) == 1
        await swept(store, NOW + 90 * DAY)
        assert await listed(store) == ([called["wh_2"]], [])

    tell(story)


def test_a_refund_that_was_ignored_keeps_its_body_and_is_looked_at_again_when_its_sale_is_told(tell: Tell) -> None:
    async def story(store: Store) -> None:
        sale = event("a", order("a"))
        await keep(store, webhook("refund"))
        [refund] = await claim_rows(store, now=NOW, limit=1, lease=LEASE)
        effects = LedgerEffects(revisit=sale.conversion_keys)
        await complete(store, [Outcome(refund, Ignored("its sale was not told"), effects)])
        await swept(store, NOW + 89 * DAY)
        await store.accept_events([Routed(sale, (Route("track"),))], now=NOW + 89 * DAY)
        [again] = await claim_rows(store, now=NOW + 89 * DAY, limit=1, lease=LEASE)
        assert (again.number, again.body) == (refund.number, refund.body)

    tell(story)


def test_a_body_that_two_webhooks_of_one_request_share_waits_for_both(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await keep(store, webhook("a", body=b"[1,2]"), webhook("b", body=b"[1,2]"))
        first, _ = await claim_rows(store, now=NOW, limit=9, lease=LEASE)
        await complete(store, [Outcome(first, (routed("e"),))], now=NOW)
        assert await swept(store, NOW + 31 * DAY) == 0
        assert (await shown(store, (await names_of_ids(store))["wh_1"])).webhook.body == b"[1,2]"

    tell(story)


def test_large_bodies_go_a_few_megabytes_at_a_time(tell: Tell) -> None:
    async def story(store: Store) -> None:
        for name in "abc":
            await keep(store, webhook(name, body=random.randbytes(STEP_BYTES // 2)))
        found = await claim_rows(store, now=NOW, limit=9, lease=LEASE)
        await complete(store, [Outcome(one, ()) for one in found], now=NOW)
        gone = []
        more = True
        while more:
            step = await store.purge(KEEPING, now=NOW + 31 * DAY, limit=100)
            gone += [step.taken] if step.kind == "bodies" else []
            more = step.more
        assert gone == [2, 1]

    tell(story)


# ------------------------------------------------------------------------------------------- events and webhooks


def test_what_is_done_with_goes_after_its_days_and_the_counts_with_it(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await settled(store, "a", routed("e"))
        await ignored(store, "b")
        await sent(store)
        called = await names_of_ids(store)
        assert await swept(store, NOW + 90 * DAY - timedelta(milliseconds=1)) == 2  # the bodies
        assert await listed(store) == ([called["wh_1"], called["wh_2"]], ["e"])
        await swept(store, NOW + 90 * DAY)
        assert await listed(store) == ([], [])
        assert await store.deliveries(RowFilter()) == []
        counts = await store.state_counts()
        assert (counts.webhooks, counts.events, counts.deliveries) == ({}, {}, {})

    tell(story)


def test_an_event_with_a_pending_delivery_never_goes_nor_does_its_webhook(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await settled(store, "a", routed("e"))
        called = await names_of_ids(store)
        late = NOW + 4000 * DAY
        await swept(store, late, keeping=RetentionPolicy(bodies=5000 * DAY, events=DAY, ledger=5000 * DAY))
        assert await listed(store) == ([called["wh_1"]], ["e"])
        assert await sent(store, now=late) == ["e"]

    tell(story)


def test_a_dead_letter_lives_as_long_as_events(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await dead(store, "e")
        assert await swept(store, NOW + 89 * DAY) == 0
        (found,) = await (await applied(store)).show_detail((await names_of_ids(store))["dlv_1"])
        assert isinstance(found, DeliveryDetail)
        assert [one.status for one in found.attempts] == [400]
        await swept(store, NOW + 90 * DAY)
        assert await store.deliveries(RowFilter()) == []

    tell(story)


def test_of_a_delivery_that_is_tried_for_longer_than_events_are_kept_the_later_attempts_stay(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "e")
        for day in (0, 80):
            await _tried(store, at=NOW + day * DAY)
        assert len(await _attempts(store)) == 2
        assert await swept(store, NOW + 100 * DAY) == 1
        assert [one.started_at for one in await _attempts(store)] == [NOW + 80 * DAY]
        assert not await nothing_to_claim(store, now=NOW + 100 * DAY)

    tell(story)


async def _tried(store: Store, *, at: datetime) -> None:
    found = await claimed(store, now=at)
    again = [DeliveryUpdate(one.number, DeliveryState.PENDING, next_attempt_at=at) for one in found.deliveries]
    await store.record_attempt(found, attempt(at=at, status=500), again, found.destination_state, now=at)


async def _attempts(store: Store) -> Sequence[Attempt]:
    (found,) = await store.show_detail((await names_of_ids(store))["dlv_1"])
    assert isinstance(found, DeliveryDetail)
    return found.attempts


# -------------------------------------------------------------------------------------------------- what is known


def test_a_conversion_is_known_after_its_event_was_purged(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.accept_events([routed("e", order("1"))], now=NOW)
        await sent(store)
        [first] = await store.events_without_delivery("nowhere", after=0, limit=9)
        await swept(store, NOW + 100 * DAY)
        later = NOW + 100 * DAY
        assert await store.accept_events([routed("f", order("1"))], now=later) == (
            Accepted("f", f"gone:{first.number}"),
        )
        assert await store.accept_events([routed("e", order("1"))], now=later) == (Accepted("e"),)
        assert await listed(store) == ([], ["f"])
        assert await sent(store, now=later) == []

    tell(story)


def test_what_is_known_of_a_purged_event_is_found_without_a_wait_and_holds_nothing_of_a_person(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.accept_events([routed("e", order("1"))], now=NOW)
        await sent(store)
        later = NOW + 100 * DAY
        await swept(store, later)
        (kept,) = await keep(store, webhook("refund", at=later))
        await claim_rows(store, now=later, limit=10, lease=LEASE)
        wanting = EventNeeded((order("1"),), "purchase", later + DAY)
        await complete(store, [Outcome(replace(webhook("refund"), number=kept.number), wanting)], now=later)
        (found,) = await claim_rows(store, now=later, limit=10, lease=LEASE)
        assert found.id == "refund"
        ((known,),) = (await store.recall_events([order("1")])).values()
        properties = {"order_id": "1001", "value": Decimal("19.90"), "currency": "EUR"}
        assert json_text.parse_json(known.text) == {"event_type": "purchase", "properties": properties}

    tell(story)


def test_a_webhook_is_known_after_it_was_purged(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await ignored(store, "a")
        called = await names_of_ids(store)
        await swept(store, NOW + 100 * DAY)
        (kept,) = await keep(store, webhook("a", at=NOW + 100 * DAY))
        assert (f"wh_{kept.number}", kept.is_known) == (called["wh_1"], True)
        assert await listed(store) == ([], [])

    tell(story)


def test_a_duplicate_outlives_its_original_and_still_names_it(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.accept_events([routed("e", order("1"))], now=NOW)
        await store.accept_events([routed("f", order("1"))], now=NOW + 50 * DAY)
        await sent(store)
        [first] = await store.events_without_delivery("nowhere", after=0, limit=9)
        await swept(store, NOW + 91 * DAY)
        [row] = await store.events(RowFilter())
        assert (row.id, row.duplicate_of) == ("f", f"gone:{first.number}")

    tell(story)


def test_the_ledger_forgets_after_its_days(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await ignored(store, *(f"w-{number}" for number in range(50)))
        await swept(store, NOW + 400 * DAY - timedelta(milliseconds=1))
        assert (await keep(store, webhook("w-7", at=NOW)))[0].is_known
        assert await swept(store, NOW + 400 * DAY) in {50, 51}  # and what brought w-7 again, where that was kept
        assert not (await keep(store, webhook("w-7", at=NOW + 400 * DAY)))[0].is_known

    tell(story)


def test_an_idempotency_key_is_known_for_a_day_and_gone_after_two(tell: Tell) -> None:
    async def story(store: Store) -> None:
        known = Idempotency(key=b"k" * 16, body_hash=b"h" * 32)
        await store.accept_events([routed("e")], now=NOW, idempotency=known)
        await swept(store, NOW + DAY)
        assert await store.accept_events([routed("f")], now=NOW + DAY, idempotency=known) == (Accepted("e"),)
        assert await swept(store, NOW + 2 * DAY) == 1
        assert await store.accept_events([routed("f")], now=NOW + 2 * DAY, idempotency=known) == (Accepted("f"),)

    tell(story)


# -------------------------------------------------------------------------------------------------------- steps


def test_a_step_looks_at_no_more_than_it_may_and_a_sweep_comes_to_everything(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, *(f"e-{number:02}" for number in range(40)))
        late = NOW + 4000 * DAY
        keeping = RetentionPolicy(bodies=DAY, events=DAY, ledger=5000 * DAY)
        assert await swept(store, late, keeping=keeping, limit=7) == 0  # all of them are pending
        await sent(store)
        steps = []
        more = True
        while more:
            step = await store.purge(keeping, now=late, limit=7)
            steps.append(step.taken)
            more = step.more
        assert max(steps) <= 7
        assert sum(steps) == 40 + 1  # and the one attempt
        assert await listed(store) == ([], [])

    tell(story)


def test_a_step_that_failed_is_taken_again_and_what_follows_a_sweep_is_the_next_one(tmp_path: Path) -> None:
    async def story() -> None:
        path = tmp_path / "store.db"
        bounds = AdmissionLimits(max_wait=timedelta(milliseconds=50))
        store = SqliteStore(str(path), clocks=ClockReadings(trial=timedelta()), bounds=bounds)
        await ignored(store, *(f"w-{number}" for number in range(4)))
        late = NOW + 91 * DAY
        assert (await store.purge(KEEPING, now=late, limit=3)).kind == "events"
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable):
                await store.purge(KEEPING, now=late, limit=3)
        steps = [await store.purge(KEEPING, now=late, limit=3) for _ in range(2)]
        assert [(step.kind, step.taken) for step in steps] == [("webhooks", 3), ("webhooks", 1)]
        while (await store.purge(KEEPING, now=late, limit=3)).more:
            pass
        assert (await store.purge(KEEPING, now=late, limit=3)).kind == "events"
        await store.close()

    asyncio.run(story())


def test_young_rows_end_the_look_at_a_table(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, *(f"e-{number:02}" for number in range(40)))
        kinds = [(await store.purge(KEEPING, now=NOW + DAY, limit=5)).kind for _ in range(2)]
        assert kinds == ["events", "webhooks"]

    tell(story)


def test_a_purge_that_waits_holds_up_no_writer(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await ignored(store, *(f"w-{number}" for number in range(90)))
        sweeping = asyncio.create_task(swept(store, NOW + 500 * DAY, limit=2))
        turns = 0
        while not sweeping.done():
            await store.accept_events([Routed(event(f"e-{turns}"), ())], now=NOW + 500 * DAY)
            turns += 1
        assert await sweeping == 90 + 1 + 90  # webhooks, the body that they share, the ledger's keys
        assert turns > 10  # each step let writers in

    tell(story)


def test_a_file_that_is_mostly_free_shrinks(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def story() -> None:
        store = SqliteStore(str(path), clocks=ClockReadings(trial=timedelta()))
        for number in range(30):
            await keep(store, webhook(f"w-{number}", body=random.randbytes(100_000)))
        found = await claim_rows(store, now=NOW, limit=99, lease=LEASE)
        await complete(store, [Outcome(one, ()) for one in found], now=NOW)
        await swept(store, NOW + 31 * DAY)
        await store.close()

    asyncio.run(story())
    with closing(sqlite3.connect(path)) as db:
        pages, free = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert free < FREE_PAGES
    assert pages < 200  # of 750 that held the bodies


def test_the_window_of_the_ledger_is_the_operators(opener: Opener) -> None:
    async def story() -> None:
        store = opener(ledger_window=40 * DAY)
        await store.accept_events([routed("e", order("1"))], now=NOW)
        assert await store.accept_events([routed("f", order("1"))], now=NOW + 39 * DAY) == (Accepted("f", "e"),)
        assert await store.accept_events([routed("g", order("1"))], now=NOW + 40 * DAY) == (Accepted("g"),)
        found = await (await applied(store)).show_detail("f")
        assert isinstance(found[0], EventDetail)
        await store.close()

    asyncio.run(story())
