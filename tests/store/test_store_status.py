"""What a store knows of the bridge itself: refused requests, signs of life, privacy requests, actions, and finding."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from msgspec.structs import replace as struct_replace
from store_made import (
    NOW,
    Opener,
    Tell,
    accepted,
    after,
    apply_log,
    claimed,
    complete,
    dead,
    event,
    keep,
    names_of_ids,
    routed,
    set_aside,
    settled,
    webhook,
)

from bridge.core.dedupe_keys import conversion_key
from bridge.core.errors import NotFound
from bridge.core.model import EventNeeded, Ignored, Route, Routed
from bridge.store.in_steps import replay_all
from bridge.store.protocol import Outcome, RowFilter, Store
from bridge.store.status_views import ActionTaken, ProcessHeartbeat, RefusedRequests, WaitingWebhooks

PRIVACY = Ignored("privacy request: act on it within 30 days")


def refused(count: int, at: float, *, cause: str = "mismatch") -> RefusedRequests:
    return RefusedRequests("shopify", cause, count, after(at), after(at))


async def ignored(store: Store, name: str, result: Ignored | EventNeeded) -> None:
    """A webhook that came and was ignored for that reason, or waits for that event."""
    await store.keep([webhook(name)])
    batch = await store.claim_batch(now=NOW, limit=9, lease=timedelta(seconds=9))
    await store.complete_batch(batch, [Outcome(one, result) for one in batch.webhooks], now=NOW)


# ------------------------------------------------------------------------------------------------ refused requests


def test_refused_requests_are_added_up_and_kept_over_a_restart(opener: Opener, tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.add_refused([refused(2, 1), refused(1, 2, cause="stale")])
        await store.add_refused([replace(refused(3, 5, cause="stale"), skew=timedelta(hours=-1))])
        other = opener()
        found = (await other.status_details()).refused
        await other.close()
        assert [(one.cause, one.count, one.first_at, one.last_at, one.skew) for one in found] == [
            ("stale", 4, after(2), after(5), timedelta(hours=-1)),
            ("mismatch", 2, after(1), after(1), None),
        ]

    tell(story)


def test_a_count_starts_anew_after_a_genuine_webhook(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.add_refused([refused(100, -60)])
        await keep(store, webhook("a"))
        await apply_log(store)
        await store.add_refused([refused(1, 60)])
        [one] = (await store.status_details()).refused
        assert (one.count, one.first_at) == (1, after(60))

    tell(story)


def test_refused_requests_of_a_month_ago_are_forgotten(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.add_refused([refused(1, 0)])
        await store.add_refused([refused(1, timedelta(days=31).total_seconds(), cause="stale")])
        assert [one.cause for one in (await store.status_details()).refused] == ["stale"]

    tell(story)


def test_no_number_of_kinds_fills_the_store(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.add_refused([replace(refused(1, number), detail=f"/{number}") for number in range(1200)])
        found = (await store.status_details()).refused
        assert (len(found), found[0].detail) == (1000, "/1199")

    tell(story)


# --------------------------------------------------------------------------------------------------- signs of life


def test_the_last_sign_of_life_of_each_process_is_kept(tell: Tell) -> None:
    async def story(store: Store) -> None:
        first = ProcessHeartbeat("node", "web-1", "web", 7, NOW, NOW, settings="sources stripe")
        for one in (first, replace(first, process="web-2"), replace(first, at=after(10), stopped=True)):
            await store.record_heartbeat(one)
        assert (await store.status_details()).processes == (
            replace(first, at=after(10), stopped=True),
            replace(first, process="web-2"),
        )
        await store.record_heartbeat(replace(first, node="other", at=NOW + timedelta(days=8)))
        assert [one.node for one in (await store.status_details()).processes] == ["other"]

    tell(story)


# ------------------------------------------------------------------------------------------------ privacy requests


def test_a_privacy_request_waits_until_somebody_has_done_it(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await ignored(store, "a", PRIVACY)
        await ignored(store, "b", Ignored("no rule for this topic"))
        [one] = (await store.status_details()).privacy_requests
        asked, _ = reversed([row.id for row in await store.webhooks(RowFilter())])
        assert (one.id, one.source, one.topic, one.received_at) == (asked, "shopify", "orders/paid", NOW)
        assert await store.complete_privacy_request(asked, who="Ada", now=after(5)) is None
        assert (await store.status_details()).privacy_requests == ()
        done = ActionTaken(after(5), "Ada", "done", asked)
        assert await store.complete_privacy_request(asked, who="Bob", now=after(9)) == done
        assert await store.actions_on(asked) == (done,)

    tell(story)


# ---------------------------------------------------------------------------------------------------- waiting


def test_webhooks_that_wait_are_counted_by_what_they_wait_for(tell: Tell) -> None:
    async def story(store: Store) -> None:
        assert (await store.status_details()).waiting == WaitingWebhooks(0, 0, None)
        key = conversion_key("shop", "purchase", "7", test=False)
        for name, until, lends in (("a", 60, b"{}"), ("b", 30, None), ("c", 90, None)):
            await ignored(store, name, EventNeeded((key,), "purchase", after(until), is_looked_up=True, lends=lends))
        assert (await store.status_details()).waiting == WaitingWebhooks(1, 2, after(30))

    tell(story)


@pytest.mark.parametrize("public_id", ["wh_1", "wh_99", "evt_1", "nonsense", "wh_0"])
def test_only_a_privacy_request_can_be_done(tell: Tell, public_id: str) -> None:
    async def story(store: Store) -> None:
        await ignored(store, "b", Ignored("no rule for this topic"))
        with pytest.raises(NotFound, match="is no privacy request"):
            await store.complete_privacy_request(public_id, who="Ada", now=NOW)
        assert await store.actions_on(public_id) == ()

    tell(story)


# ---------------------------------------------------------------------------------------------------- destinations


def test_a_destination_is_paused_and_resumed(tell: Tell) -> None:
    async def story(store: Store) -> None:
        assert not await store.resume_destination("track", now=NOW)
        await store.pause_destination("track", reason="401", probe_at=after(300), now=NOW)
        await store.pause_destination("track", reason="403", probe_at=after(600), now=after(300))
        state = await store.destination_state("track", now=NOW)
        assert (state.paused, state.paused_at, state.probe_at, state.probes) == ("403", NOW, after(600), 1)
        assert await store.resume_destination("track", now=after(400))
        assert (await store.destination_state("track", now=NOW)).probe_at == after(400)
        assert await store.resume_destination("track", now=after(500), works=True)
        state = await store.destination_state("track", now=NOW)
        assert (state.paused, state.paused_for) == (None, timedelta(seconds=500))

    tell(story)


def test_a_delivery_that_waits_is_the_probe_of_a_destination_that_works(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "a")
        await store.pause_destination("track", reason="401", probe_at=after(300), now=NOW)
        await store.resume_destination("track", now=after(1), works=True)
        assert (await store.destination_state("track", now=NOW)).paused == "401"
        assert len((await claimed(store, now=after(1))).deliveries) == 1

    tell(story)


# ------------------------------------------------------------------------------------------------- newest outcomes


def test_the_newest_outcomes_are_counted_by_topic_and_by_delivery(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await ignored(store, "a", PRIVACY)
        await set_aside(store, "b")
        await settled(store, "c", routed("evt_c", origin="source:shopify"))
        await dead(store, "evt_d")
        await accepted(store, "evt_e", routes=())
        recent = (await store.status_details()).recent
        counted = {(one.topic, one.state): one.count for one in recent.webhooks}
        assert counted == {("orders/paid", state): 1 for state in ("ignored", "set_aside", "translated")}
        assert sum(one.count for one in recent.events if one.destination is None) == 1
        assert {one.state for one in recent.events} >= {"dead", None}

    tell(story)


def test_tests_and_duplicates_are_no_conversions_without_a_destination(tell: Tell) -> None:
    async def story(store: Store) -> None:
        made = routed("evt_a", routes=(Route("track", "test event"),))
        await store.accept_events([struct_replace(made, event=event("evt_a", test=True))], now=NOW)
        assert (await store.status_details()).recent.events == ()

    tell(story)


def test_a_summary_tells_today_the_last_webhooks_and_the_oldest_of_what_went_wrong(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await keep(store, webhook("old", at=after(-86_400)))
        await set_aside(store, "a", "b")
        await settled(store, "c", routed("evt_c", origin="source:shopify"), now=after(7))
        await dead(store, "evt_d", now=after(9))
        found = await store.status_summary(now=after(60))
        assert found.today == {("shopify", "set_aside"): 2, ("shopify", "translated"): 1}
        assert found.lasts == {"shopify": after(7)}
        assert (found.oldest_set_aside, found.oldest_dead) == (after(-86_400), after(7))
        assert (found.only_tests, found.clock_ahead, found.no_room) == ((), None, None)
        test = Routed(event("evt_t", origin="source:shopify", test=True), (Route("track", "test event"),))
        await store.accept_events([test], now=after(61))
        assert (await store.status_summary(now=after(62))).only_tests == (), "an earlier one was none"
        await replay_all(store, RowFilter(topic="orders/paid", limit=1), now=after(63))
        assert (await store.status_summary(now=after(64))).today == {
            ("shopify", "set_aside"): 2, ("shopify", "received"): 1,
        }  # fmt: skip

    tell(story)


def test_a_source_that_sends_only_tests_is_named(tell: Tell) -> None:
    async def story(store: Store) -> None:
        test = Routed(event("evt_t", origin="source:shopify", test=True), (Route("track", "test event"),))
        await settled(store, "a", test)
        assert (await store.status_summary(now=NOW)).only_tests == ("shopify",)

    tell(story)


def test_events_of_one_person_value_and_time_that_nothing_links_are_noted_at_both(tell: Tell) -> None:
    async def story(store: Store) -> None:
        for name, rank in (("evt_1", 1), ("evt_2", 2)):
            await store.keep([webhook(name)])
            await apply_log(store)
            [waited] = (await store.claim_batch(now=NOW, limit=9, lease=timedelta(seconds=9))).webhooks
            text = b'{"user_data":{"email":"ada@example.com"}}'
            made = struct_replace(event(name, origin="source:shopify"), rank=rank, text=text)
            await complete(store, [Outcome(struct_replace(waited, waited=True), (Routed(made, ()),))])
        doubted = (await store.status_details()).doubted
        assert [(one.id, one.is_certain) for one in doubted] == [("evt_2", False), ("evt_1", False)]
        [second] = await store.show_detail("evt_2")
        assert "possible_double: evt_1 may tell the same payment; no webhook links the two" in second.notes  # type: ignore[union-attr]

    tell(story)


# -------------------------------------------------------------------------------------------------------- finding


@pytest.mark.parametrize("word", ["evt_1", "hook-1", "820982911946154508", "#1001", "ada@example.com", "wh_1"])
def test_a_webhook_and_its_events_are_found_by_ids_orders_and_addresses(tell: Tell, word: str) -> None:
    body = b'{"id": 820982911946154508, "name": "#1001", "email": "ada@example.com"}'

    async def story(store: Store) -> None:
        await store.keep([webhook("hook-1", body=body), webhook("hook-2", body=b'{"email": "not-ada@example.com"}')])
        batch = await store.claim_batch(now=NOW, limit=9, lease=timedelta(seconds=9))
        results = [(routed("evt_1"),), (routed("evt_2"),)]
        outcomes = [Outcome(one, result) for one, result in zip(batch.webhooks, results, strict=True)]
        await store.complete_batch(batch, outcomes, now=NOW)
        names = await names_of_ids(store)
        found = await store.find_rows([names.get(word, word)])
        assert (found.webhook_ids, found.event_ids, found.since) == ((names["wh_1"],), ("evt_1",), None)

    tell(story)


def test_an_order_of_a_caller_is_found_by_its_event(tell: Tell) -> None:
    async def story(store: Store) -> None:
        made = struct_replace(event("evt_1"), order_id="A-1001", text=b'{"user_data":{"email":"ada@example.com"}}')
        await store.accept_events([struct_replace(routed("evt_1"), event=made)], now=NOW)
        for word in ("A-1001", "ada@example.com"):
            assert (await store.find_rows(["nothing", word])).event_ids == ("evt_1",)
        for word in ("A-100", "a@example.com", "evt_", "%", "da@example.com"):
            assert (await store.find_rows([word])).event_ids == ()

    tell(story)


def test_a_list_of_events_says_order_value_and_the_state_of_delivery(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await dead(store, "evt_1")
        await accepted(store, "evt_2", now=after(1))
        await accepted(store, "evt_3", routes=())
        rows = {row.id: row for row in await store.events(RowFilter())}
        assert {name: row.delivery for name, row in rows.items()} == {
            "evt_1": "dead", "evt_2": "pending", "evt_3": "none",
        }  # fmt: skip
        assert (rows["evt_1"].value, rows["evt_1"].currency) == ("19.90", "EUR")

    tell(story)
