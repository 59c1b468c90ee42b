"""What a person puts right by hand: retry, replay, give."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from msgspec import structs
from store_made import (
    FREELY,
    LEASE,
    NOW,
    TRACK,
    Tell,
    accepted,
    after,
    all_of,
    applied,
    attempt,
    claim_rows,
    claimed,
    dead,
    delivery,
    event,
    ids,
    ignored,
    keep,
    named,
    names_of_ids,
    nothing_to_claim,
    number_of,
    order,
    routed,
    sent,
    set_aside,
    settled,
    stand,
    states,
    webhook,
)

from bridge.core.delivery import DeliveryState
from bridge.core.errors import NotFound
from bridge.core.model import Route, Routed
from bridge.store.in_steps import STEP_ROWS, replay_all, retry_all
from bridge.store.protocol import DestinationState, RowFilter, Store

DEAD = RowFilter(state="dead")


def test_a_dead_letter_is_due_now_and_tried_anew(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await dead(store, "evt_1")
        assert await retry_all(store, DEAD, now=after(1000)) == 1
        row = await delivery(store, "evt_1")
        assert (row.state, row.reason, row.attempts, row.next_attempt_at) == ("pending", None, 1, after(1000))
        (one,) = (await claimed(store, now=after(1000))).deliveries
        assert (one.tried_for, one.together) == (timedelta(), None)

    tell(story)


def test_dead_letters_are_sent_again_in_their_order_and_share_requests(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1", "evt_2", "evt_3")
        found = await claimed(store)
        refused = all_of(found, DeliveryState.DEAD, reason="400", together=1)
        await store.record_attempt(found, attempt(status=400), refused, found.destination_state, now=NOW)
        await retry_all(store, DEAD, now=after(1))
        assert await sent(store, now=after(1)) == ["evt_1", "evt_2", "evt_3"]

    tell(story)


def test_a_waiting_delivery_is_due_now(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1")
        found = await claimed(store)
        waits = all_of(found, DeliveryState.PENDING, reason="503", next_attempt_at=after(3600))
        await store.record_attempt(found, attempt(status=503), waits, found.destination_state, now=NOW)
        assert await retry_all(store, await named(store, RowFilter(ids=("dlv_1",))), now=after(1)) == 1
        (one,) = (await claimed(store, now=after(1))).deliveries
        assert (one.attempts, one.tried_for) == (1, timedelta(seconds=1))

    tell(story)


def test_one_that_is_due_already_keeps_its_place(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1", now=NOW)
        await accepted(store, "evt_2", now=after(1))
        assert await retry_all(store, await named(store, RowFilter(ids=("dlv_1",))), now=after(2)) == 1
        assert await sent(store, now=after(2)) == ["evt_1", "evt_2"]

    tell(story)


def test_delivered_and_skipped_ones_are_left_alone(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1")
        await sent(store)
        await accepted(store, "evt_2", routes=(Route("track", skip="test event"),))
        assert await retry_all(store, await named(store, RowFilter(ids=("dlv_1", "dlv_2"))), now=after(1)) == 0
        assert await retry_all(store, RowFilter(), now=after(1)) == 0
        assert await states(store) == {"evt_1": "delivered", "evt_2": "skipped"}

    tell(story)


def test_a_delivery_under_way_is_left_to_its_claim(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1")
        await claimed(store)
        assert await retry_all(store, RowFilter(), now=after(1)) == 0
        assert await nothing_to_claim(store, now=after(1), pacing=replace(FREELY, concurrency=9))
        assert await retry_all(store, RowFilter(), now=NOW + LEASE) == 1

    tell(story)


def test_a_retry_and_a_replay_go_in_steps_downwards_and_change_each_row_once(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await dead(store, *(f"evt_{number}" for number in range(5)))
        await ignored(store, *(f"w-{number}" for number in range(3)))
        at = {name: number_of(one) for name, one in (await names_of_ids(store)).items()}
        belows = (None, at["dlv_4"], at["dlv_2"])
        steps = [await store.retry(DEAD, now=after(1), below=below, limit=2) for below in belows]
        assert [(step.count, step.below) for step in steps] == [(2, at["dlv_4"]), (2, at["dlv_2"]), (1, None)]
        everything = RowFilter(state="ignored")
        replayed = [await store.replay(everything, now=after(1), below=below, limit=2) for below in (None, at["wh_2"])]
        assert [(step.count, step.below) for step in replayed] == [(2, at["wh_2"]), (1, None)]

    tell(story)


def test_more_than_a_step_is_retried_and_a_filters_limit_takes_the_newest(tell: Tell) -> None:
    async def story(store: Store) -> None:
        names = [f"evt_{number}" for number in range(STEP_ROWS + 5)]
        await accepted(store, *names)
        found = await claimed(store, pacing=replace(FREELY, limit=2 * STEP_ROWS))
        settled = all_of(found, DeliveryState.DEAD, reason="400 bad value")
        await store.record_attempt(found, attempt(status=400), settled, found.destination_state, now=NOW)
        assert await retry_all(store, replace(DEAD, limit=STEP_ROWS + 1), now=after(1)) == STEP_ROWS + 1
        left = [row.event for row in await store.deliveries(DEAD)]
        assert left == names[3::-1]
        assert await retry_all(store, DEAD, now=after(1)) == 4

    tell(story)


def test_a_retry_makes_the_probe_of_a_paused_destination_due(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await dead(store, "evt_1")
        paused = DestinationState("track", paused="401", paused_at=NOW, probe_at=after(300))
        await stand(store, paused)
        await stand(store, replace(paused, destination="ads"))
        await retry_all(store, DEAD, now=after(10))
        assert (await store.destination_state("track", now=NOW)).probe_at == after(10)
        assert (await store.destination_state("ads", now=NOW)).probe_at == after(300)
        assert ids(await claimed(store, now=after(10))) == ["evt_1"]

    tell(story)


def test_a_retry_pauses_nothing(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await dead(store, "evt_1")
        before = await store.destination_state("track", now=NOW)
        await retry_all(store, DEAD, now=after(10))
        assert await store.destination_state("track", now=NOW) == before

    tell(story)


@pytest.mark.parametrize(
    ("which", "retried"),
    [
        (RowFilter(), {"evt_1", "evt_2", "evt_3"}),
        (RowFilter(state="pending"), set()),
        (RowFilter(ids=("dlv_1", "dlv_1")), {"evt_1"}),
        (RowFilter(ids=()), set()),
        (RowFilter(destination="track"), {"evt_1", "evt_2", "evt_3"}),
        (RowFilter(destination="ads"), set()),
        (RowFilter(reason="bad value"), {"evt_1", "evt_2", "evt_3"}),
        (RowFilter(reason="500"), set()),
        (RowFilter(reason="\ud800"), set()),
        (RowFilter(since=after(1)), {"evt_2", "evt_3"}),
        (RowFilter(limit=1), {"evt_3"}),
        (RowFilter(source="shopify"), set()),
        (RowFilter(ids=("dlv_1", "dlv_3"), since=after(1)), {"evt_3"}),
    ],
)
def test_a_retry_means_what_its_filter_says(tell: Tell, which: RowFilter, retried: set[str]) -> None:
    async def story(store: Store) -> None:
        for n in range(3):
            await dead(store, f"evt_{n + 1}", now=after(n))
        assert await retry_all(store, await named(store, which), now=after(9)) == len(retried)
        assert {name for name, state in (await states(store)).items() if state == "pending"} == retried

    tell(story)


@pytest.mark.parametrize("unknown", ["dlv_2", "dlv_x", "dlv_01", "wh_1", "", "dlv_99999999999999999999999", "dlv_-1"])
def test_a_retry_of_an_unknown_id_names_it_and_changes_nothing(tell: Tell, unknown: str) -> None:
    async def story(store: Store) -> None:
        await dead(store, "evt_1")
        with pytest.raises(NotFound, match=repr(unknown)):
            await retry_all(store, await named(store, RowFilter(ids=("dlv_1", unknown))), now=after(1))
        assert await states(store) == {"evt_1": "dead"}

    tell(story)


def test_webhooks_that_were_set_aside_are_received_again(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await set_aside(store, "a", "b")
        await ignored(store, "c")
        assert await replay_all(store, RowFilter(state="set_aside"), now=after(1)) == 2
        rows = await (await applied(store)).webhooks(RowFilter())
        assert [(row.state, row.reason) for row in rows[1:]] == [("received", None)] * 2
        assert rows[0].state == "ignored"
        assert await claim_rows(store, now=after(0.5), limit=9, lease=LEASE) == ()
        assert [one.id for one in await claim_rows(store, now=after(1), limit=9, lease=LEASE)] == ["a", "b"]

    tell(story)


def test_a_replayed_webhook_comes_after_those_that_were_there_before(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await set_aside(store, "a")
        await keep(store, webhook("b", at=after(1)), webhook("c", at=after(3)))
        await replay_all(store, await named(store, RowFilter(ids=("wh_1",))), now=after(2))
        assert [one.id for one in await claim_rows(store, now=after(4), limit=9, lease=LEASE)] == ["b", "a", "c"]

    tell(story)


def test_a_webhook_that_is_still_received_is_not_replayed(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await keep(store, webhook("a"))
        await claim_rows(store, now=NOW, limit=9, lease=LEASE)
        assert await replay_all(store, await named(store, RowFilter(ids=("wh_1",))), now=after(1)) == 0
        assert await claim_rows(store, now=after(1), limit=9, lease=LEASE) == ()

    tell(story)


@pytest.mark.parametrize("unknown", ["wh_2", "wh_x", "dlv_1", "wh_1 "])
def test_a_replay_of_an_unknown_id_names_it_and_changes_nothing(tell: Tell, unknown: str) -> None:
    async def story(store: Store) -> None:
        await set_aside(store, "a")
        with pytest.raises(NotFound, match=repr(unknown)):
            await replay_all(store, await named(store, RowFilter(ids=("wh_1", unknown))), now=after(1))
        assert (await (await applied(store)).webhooks(RowFilter()))[0].state == "set_aside"

    tell(story)


@pytest.mark.parametrize(
    ("which", "replayed"),
    [
        (RowFilter(source="shopify"), {"wh_1", "wh_2"}),
        (RowFilter(source="stripe"), set()),
        (RowFilter(reason="x.yaml:1:1"), {"wh_1", "wh_2"}),
        (RowFilter(reason="a"), {"wh_1", "wh_2"}),
        (RowFilter(reason=": b"), {"wh_2"}),
        (RowFilter(since=NOW), {"wh_1", "wh_2"}),
        (RowFilter(since=after(1)), set()),
        (RowFilter(limit=1), {"wh_2"}),
    ],
)
def test_a_replay_means_what_its_filter_says(tell: Tell, which: RowFilter, replayed: set[str]) -> None:
    async def story(store: Store) -> None:
        await set_aside(store, "a", "b")
        assert await replay_all(store, await named(store, which), now=after(9)) == len(replayed)
        names = await names_of_ids(store)
        assert {row.id for row in await store.webhooks(RowFilter(state="received"))} == {names[one] for one in replayed}

    tell(story)


def test_events_without_a_delivery_to_a_destination_are_found_oldest_first(tell: Tell) -> None:
    async def story(store: Store) -> None:
        made = event("evt_1", order("1"))
        await store.accept_events(
            [Routed(made, TRACK), routed("evt_2", order("1")), routed("evt_3", routes=())], now=NOW
        )
        await accepted(store, "evt_4", routes=(Route("ads", skip="test event"),))
        found = await store.events_without_delivery("ads", after=0, limit=9)
        assert [structs.replace(one, number=0) for one in found] == [made, event("evt_3")]
        assert await store.events_without_delivery("ads", after=found[0].number, limit=9) == found[1:]
        assert await store.events_without_delivery("ads", after=0, limit=1) == found[:1]

    tell(story)


def test_given_events_are_delivered_or_skipped_and_not_given_twice(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1", "evt_2", routes=())
        one, two = (found.number for found in await store.events_without_delivery("track", after=0, limit=9))
        assert await store.create_deliveries("track", [(one, None), (two, "test event")], now=after(1)) == 2
        assert await store.create_deliveries("track", [(one, None), (two, None)], now=after(2)) == 0
        assert await states(store) == {"evt_1": "pending", "evt_2": "skipped"}
        assert await store.events_without_delivery("track", after=0, limit=9) == ()
        assert await nothing_to_claim(store, now=NOW)
        assert await sent(store, now=after(1)) == ["evt_1"]

    tell(story)


def test_a_duplicate_or_an_unknown_event_is_not_given(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.accept_events([routed("evt_1", order("1"), routes=()), routed("evt_2", order("1"))], now=NOW)
        assert await store.create_deliveries("track", [(2, None), (99, None)], now=NOW) == 0
        assert await states(store) == {}

    tell(story)


def test_a_retry_of_one_source_leaves_the_others(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await settled(store, "a", routed("evt_1", origin="source:shopify"))
        await accepted(store, "evt_2")
        found = await claimed(store)
        refused = all_of(found, DeliveryState.DEAD, reason="400")
        await store.record_attempt(found, attempt(status=400), refused, found.destination_state, now=NOW)
        assert await retry_all(store, RowFilter(source="shopify"), now=NOW) == 1
        assert await states(store) == {"evt_1": "pending", "evt_2": "dead"}

    tell(story)
