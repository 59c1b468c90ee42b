"""A webhook comes in, is known again, is claimed, and comes to something."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace
from store_made import (
    LEASE,
    NOW,
    SECOND,
    Tell,
    after,
    again,
    applied,
    apply_log,
    claim_rows,
    complete,
    event,
    ignored,
    keep,
    key,
    numbers,
    order,
    routed,
    set_aside,
    settled,
    webhook,
)

from bridge.core.model import Accepted, EventNeeded, Ignored, Route, Routed, SetAside, WebhookState
from bridge.store.in_steps import replay_all
from bridge.store.protocol import EventDetail, Outcome, RowFilter, Store, WebhookDetail


def test_a_kept_webhook_comes_back_as_it_was(tell: Tell) -> None:
    async def story(store: Store) -> None:
        sent = replace(webhook("a", key("a"), key("b"), body=b"\x00\xff raw"), item="/events/0", topic=None)
        (kept,) = await keep(store, sent)
        (found,) = await claim_rows(store, now=NOW, limit=10, lease=LEASE)
        assert found == replace(sent, number=kept.number)

    tell(story)


def test_texts_that_no_utf_8_can_hold_do_not_stop_a_webhook(tell: Tell) -> None:
    async def story(store: Store) -> None:
        sent = replace(webhook("\ud800"), topic="\udfff\x00", headers={"x": "\ud800"}, query={"\udc00": "\x00"})
        await keep(store, sent)
        (found,) = await claim_rows(store, now=NOW, limit=10, lease=LEASE)
        assert (found.headers, found.query) == (sent.headers, sent.query)
        assert (found.id, found.topic) == ("\\ud800", "\\udfff\x00")

    tell(story)


def test_a_webhook_of_which_any_key_is_known_is_the_same_again(tell: Tell) -> None:
    async def story(store: Store) -> None:
        (first,) = await keep(store, webhook("a", key("1"), key("2")))
        assert await keep(store, webhook("b", key("1"), key("3"))) == (again(first.number),)
        assert await keep(store, webhook("b", key("4"), key("2"))) == (again(first.number),)
        assert len(await (await applied(store)).webhooks(RowFilter())) == 1

    tell(story)


def test_a_known_webhook_is_only_named_and_leaves_its_other_keys_free(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await keep(store, webhook("a", key("1")))
        await keep(store, webhook("b", key("1"), key("2")))
        (kept,) = await keep(store, webhook("c", key("2")))
        assert not kept.is_known

    tell(story)


def test_a_webhook_that_stands_twice_in_one_request_is_kept_once(tell: Tell) -> None:
    async def story(store: Store) -> None:
        first, second, third = await keep(store, webhook("a"), webhook("a"), webhook("b"))
        assert second == again(first.number)
        assert not third.is_known

    tell(story)


def test_the_same_webhook_at_the_same_time_is_kept_once(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await asyncio.gather(*(store.keep([webhook("a")]) for _ in range(50)))
        kept = await apply_log(store, limit=50)
        assert [one.is_known for one in kept] == [False] + 49 * [True]
        assert len({one.number for one in kept}) == 1

    tell(story)


def test_the_webhooks_of_one_request_are_kept_all_or_none(tell: Tell) -> None:
    async def story(store: Store) -> None:
        broken = replace(webhook("b"), source=None)  # found out after its body was written
        with pytest.raises(AttributeError):
            await keep(store, webhook("a"), broken)
        assert await (await applied(store)).webhooks(RowFilter()) == []
        (kept,) = await keep(store, webhook("a"))
        assert not kept.is_known

    tell(story)


def test_one_that_cannot_be_kept_spoils_none_of_those_that_are_kept_with_it(tell: Tell) -> None:
    async def story(store: Store) -> None:
        broken = replace(webhook("broken"), source=None)
        answers = await asyncio.gather(
            *(store.keep([broken if n % 3 == 0 else webhook(str(n))]) for n in range(60)), return_exceptions=True
        )
        assert [isinstance(answer, Exception) for answer in answers] == [n % 3 == 0 for n in range(60)]
        assert len(await (await applied(store)).webhooks(RowFilter())) == 40

    tell(story)


def test_webhooks_are_claimed_oldest_first_and_by_nobody_else_until_the_lease_is_over(tell: Tell) -> None:
    async def story(store: Store) -> None:
        kept = [(await keep(store, webhook(name, at=after(n))))[0].number for n, name in enumerate("abc")]
        first = await claim_rows(store, now=after(5), limit=2, lease=LEASE)
        second = await claim_rows(store, now=after(5), limit=2, lease=LEASE)
        assert (numbers(first), numbers(second)) == (kept[:2], kept[2:])
        assert await claim_rows(store, now=after(5) + LEASE - SECOND, limit=9, lease=LEASE) == ()
        assert numbers(await claim_rows(store, now=after(5) + LEASE, limit=9, lease=LEASE)) == kept

    tell(story)


def test_the_next_webhook_is_due_when_it_came_or_when_its_lease_is_over(tell: Tell) -> None:
    async def story(store: Store) -> None:
        assert await store.next_due(None, now=NOW) is None
        await keep(store, webhook("a", at=after(-3)))
        assert await store.next_due(None, now=NOW) == after(-3)
        await claim_rows(store, now=NOW, limit=1, lease=LEASE)
        assert await store.next_due(None, now=NOW) == NOW + LEASE

    tell(story)


def test_a_webhook_becomes_its_events_and_their_deliveries_together(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await settled(
            store, "a", routed("evt_1", routes=(Route("track"), Route("ads", skip="test event"))), routed("evt_2")
        )
        (row,) = await (await applied(store)).webhooks(RowFilter())
        assert (row.state, row.reason) == (WebhookState.TRANSLATED, None)
        (found,) = await (await applied(store)).show_detail("evt_1")
        assert isinstance(found, EventDetail)
        assert found.row.webhook == row.id
        assert [(one.destination, one.state, one.reason) for one in found.deliveries] == [
            ("track", "pending", None),
            ("ads", "skipped", "test event"),
        ]
        assert await claim_rows(store, now=after(999), limit=9, lease=LEASE) == ()

    tell(story)


def test_ignored_and_set_aside_webhooks_keep_the_reason(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await ignored(store, "a")
        await set_aside(store, "b")
        assert [(row.state, row.reason) for row in await (await applied(store)).webhooks(RowFilter())] == [
            (WebhookState.SET_ASIDE, "x.yaml:1:1: b"),
            (WebhookState.IGNORED, "no rule for this topic"),
        ]

    tell(story)


def test_outcomes_are_answered_in_order_with_what_became_of_their_events(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await keep(store, webhook("a"), webhook("b"), webhook("c"))
        a, b, c = await claim_rows(store, now=NOW, limit=9, lease=LEASE)
        answers = await complete(
            store,
            [
                Outcome(a, (routed("evt_1", order("7")), routed("evt_2"))),
                Outcome(b, Ignored("no")),
                Outcome(c, (routed("evt_3", order("7")),)),
            ],
            now=NOW,
        )
        assert answers == ((Accepted("evt_1"), Accepted("evt_2")), (), (Accepted("evt_3", "evt_1"),))

    tell(story)


def test_a_webhook_that_somebody_else_completed_is_left_as_it_is(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await keep(store, webhook("a"))
        (slow,) = await claim_rows(store, now=NOW, limit=1, lease=LEASE)
        (quick,) = await claim_rows(store, now=NOW + LEASE, limit=1, lease=LEASE)
        await complete(store, [Outcome(quick, (routed("evt_1"),))], now=NOW)
        answers = await complete(store, [Outcome(slow, (routed("evt_1"), routed("evt_2")))], now=NOW)
        assert answers == ((Accepted("evt_1"), Accepted("evt_2")),)
        assert await complete(store, [Outcome(slow, SetAside("late"))], now=NOW) == ((),)
        assert [row.id for row in await store.events(RowFilter())] == ["evt_1"]
        assert (await (await applied(store)).webhooks(RowFilter()))[0].state is WebhookState.TRANSLATED

    tell(story)


def test_outcomes_are_completed_all_or_none(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await keep(store, webhook("a"), webhook("b"))
        a, b = await claim_rows(store, now=NOW, limit=9, lease=LEASE)
        broken = Routed(replace(event("evt_2"), event_type=None), ())
        with pytest.raises(AttributeError):
            await complete(store, [Outcome(a, (routed("evt_1", order("7")),)), Outcome(b, (broken,))], now=NOW)
        assert {row.state for row in await (await applied(store)).webhooks(RowFilter())} == {WebhookState.RECEIVED}
        assert await store.events(RowFilter()) == []
        assert await store.accept_events([routed("evt_1", order("7"))], now=NOW) == (Accepted("evt_1"),)

    tell(story)


def test_a_replayed_webhook_goes_through_again_and_makes_no_event_twice(tell: Tell) -> None:
    async def story(store: Store) -> None:
        number = await settled(store, "a", routed("evt_1", order("7")))
        assert await replay_all(store, RowFilter(ids=(f"wh_{number}",)), now=after(1)) == 1
        (again,) = await claim_rows(store, now=after(1), limit=9, lease=LEASE)
        answers = await complete(store, [Outcome(again, (routed("evt_1", order("7")), routed("evt_2")))], now=after(1))
        assert answers == ((Accepted("evt_1"), Accepted("evt_2")),)
        (found,) = await (await applied(store)).show_detail(f"wh_{number}")
        assert isinstance(found, WebhookDetail)
        assert [row.id for row in found.events] == ["evt_1", "evt_2"]
        assert len(await store.deliveries(RowFilter())) == 2

    tell(story)


def test_what_waits_for_a_sale_leaves_half_of_a_claim_to_the_sales_that_are_decided_on(tell: Tell) -> None:
    async def story(store: Store) -> None:
        names = [f"refund-{number}" for number in range(9)]
        await keep(store, *(webhook(name) for name in names), webhook("sale"))
        later = after(60)
        outcomes = [
            Outcome(found, EventNeeded((b"k" * 16,), "purchase", later, lends=b"{}" if found.id == "sale" else None))
            for found in await claim_rows(store, now=NOW, limit=20, lease=LEASE)
        ]
        await complete(store, outcomes, now=NOW)
        found = await claim_rows(store, now=after(120), limit=4, lease=LEASE)
        assert (len(found), found[-1].id) == (4, "sale")

    tell(story)
