"""What people ask: lists, one thing in full, the counts."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from msgspec.structs import replace
from store_made import (
    LEASE,
    NOW,
    Tell,
    accepted,
    after,
    applied,
    claim_rows,
    dead,
    event,
    ignored,
    keep,
    named,
    names_of_ids,
    number_of,
    order,
    routed,
    sent,
    set_aside,
    settled,
    webhook,
)

from bridge.core.errors import NotFound, SettingsError
from bridge.core.model import Route, Routed, WebhookState
from bridge.store.in_steps import replay_all, retry_all
from bridge.store.protocol import (
    DeliveryDetail,
    EventDetail,
    EventRow,
    RowFilter,
    StateCounts,
    Store,
    WebhookDetail,
    WebhookRow,
)

NOTHING = StateCounts(webhooks={}, events={}, deliveries={}, oldest_received=None, oldest_pending={})


async def furnished(store: Store) -> None:
    """wh_1 translated to evt_1 and evt_2 (a duplicate), wh_2 set aside, wh_3 received, evt_3 by a caller."""
    await settled(
        store,
        "a",
        routed("evt_1", order("1"), origin="source:shopify"),
        routed("evt_2", order("1"), origin="source:shopify"),
    )
    await set_aside(store, "b")
    await keep(store, webhook("c", source="stripe", at=after(5)))
    await accepted(store, "evt_3", now=after(6), routes=(Route("ads"), Route("track", skip="not a test event")))


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (RowFilter(), ["wh_3", "wh_2", "wh_1"]),
        (RowFilter(limit=2), ["wh_3", "wh_2"]),
        (RowFilter(limit=0), []),
        (RowFilter(ids=("wh_1", "wh_3", "wh_9", "dlv_2", "nonsense")), ["wh_3", "wh_1"]),
        (RowFilter(ids=()), []),
        (RowFilter(state="received"), ["wh_3"]),
        (RowFilter(state="set_aside"), ["wh_2"]),
        (RowFilter(state="ignored"), []),
        (RowFilter(source="shopify"), ["wh_2", "wh_1"]),
        (RowFilter(destination="track"), ["wh_1"]),
        (RowFilter(destination="ads"), []),
        (RowFilter(reason="x.yaml"), ["wh_2"]),
        (RowFilter(since=after(5)), ["wh_3"]),
        (RowFilter(since=after(5.0001)), []),
        (RowFilter(source="shopify", state="translated"), ["wh_1"]),
    ],
)
def test_webhooks_are_listed_newest_first_as_the_filter_says(tell: Tell, which: RowFilter, expected: list[str]) -> None:
    async def story(store: Store) -> None:
        await furnished(store)
        names = await names_of_ids(store)
        assert [row.id for row in await store.webhooks(await named(store, which))] == [names[one] for one in expected]

    tell(story)


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (RowFilter(), ["evt_3", "evt_2", "evt_1"]),
        (RowFilter(limit=1), ["evt_3"]),
        (RowFilter(ids=("evt_1", "evt_9")), ["evt_1"]),
        (RowFilter(state="fresh"), ["evt_3", "evt_1"]),
        (RowFilter(state="duplicate"), ["evt_2"]),
        (RowFilter(source="shopify"), ["evt_2", "evt_1"]),
        (RowFilter(destination="ads"), ["evt_3"]),
        (RowFilter(reason="not a test"), ["evt_3"]),
        (RowFilter(since=after(6)), ["evt_3"]),
    ],
)
def test_events_are_listed_newest_first_as_the_filter_says(tell: Tell, which: RowFilter, expected: list[str]) -> None:
    async def story(store: Store) -> None:
        await furnished(store)
        assert [row.id for row in await store.events(which)] == expected

    tell(story)


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (RowFilter(), ["dlv_3", "dlv_2", "dlv_1"]),
        (RowFilter(limit=2), ["dlv_3", "dlv_2"]),
        (RowFilter(ids=("dlv_2", "evt_1")), ["dlv_2"]),
        (RowFilter(state="pending"), ["dlv_2", "dlv_1"]),
        (RowFilter(state="skipped"), ["dlv_3"]),
        (RowFilter(state="dead"), []),
        (RowFilter(source="shopify"), ["dlv_1"]),
        (RowFilter(destination="track"), ["dlv_3", "dlv_1"]),
        (RowFilter(reason="test event"), ["dlv_3"]),
        (RowFilter(since=after(1)), ["dlv_3", "dlv_2"]),
    ],
)
def test_deliveries_are_listed_newest_first_as_the_filter_says(
    tell: Tell, which: RowFilter, expected: list[str]
) -> None:
    async def story(store: Store) -> None:
        await furnished(store)
        names = await names_of_ids(store)
        assert [row.id for row in await store.deliveries(await named(store, which))] == [names[one] for one in expected]

    tell(story)


def test_a_state_that_such_rows_do_not_have_is_named_with_those_they_have(tell: Tell) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(SettingsError, match="no webhook can be 'dead'; its states are received, translated"):
            await (await applied(store)).webhooks(RowFilter(state="dead"))
        with pytest.raises(SettingsError, match="fresh, duplicate"):
            await store.events(RowFilter(state="pending"))
        with pytest.raises(SettingsError, match="pending, delivered, skipped, dead"):
            await retry_all(store, RowFilter(state="set_aside"), now=NOW)

    tell(story)


def test_a_webhook_is_shown_with_what_it_became(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await furnished(store)
        first_id = (await names_of_ids(store))["wh_1"]
        (found,) = await store.show_detail(first_id)
        assert isinstance(found, WebhookDetail)
        assert found.row == WebhookRow(first_id, "shopify", "orders/paid", WebhookState.TRANSLATED, None, NOW)
        assert (found.webhook.id, found.webhook.body, f"wh_{found.webhook.number}") == ("a", b"{}", first_id)
        first = EventRow(
            "evt_1", "source:shopify", first_id, "purchase", test=False, duplicate_of=None, created_at=NOW,
            order_id="1001", value="19.90", currency="EUR", delivery="pending",
        )  # fmt: skip
        assert found.events == (
            first,
            dataclasses.replace(first, id="evt_2", duplicate_of="evt_1", delivery="duplicate"),
        )

    tell(story)


def test_an_event_is_shown_with_its_deliveries(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await furnished(store)
        names = await names_of_ids(store)
        (found,) = await store.show_detail("evt_3")
        assert isinstance(found, EventDetail)
        assert found.row == EventRow(
            "evt_3", "key:web", None, "purchase", test=False, duplicate_of=None, created_at=after(6),
            order_id="1001", value="19.90", currency="EUR", delivery="pending",
        )  # fmt: skip
        assert [(row.id, row.event, row.destination, row.state) for row in found.deliveries] == [
            (names["dlv_2"], "evt_3", "ads", "pending"),
            (names["dlv_3"], "evt_3", "track", "skipped"),
        ]

    tell(story)


def test_a_test_event_is_shown_as_one(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.accept_events([Routed(event("evt_1", test=True), ())], now=NOW)
        assert [row.test for row in await store.events(RowFilter())] == [True]

    tell(story)


def test_an_event_that_is_called_like_a_webhook_is_shown_beside_it(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await keep(store, webhook("a"))
        await accepted(store, "evt_1")
        names = await names_of_ids(store)
        await accepted(store, names["wh_1"], names["dlv_1"])
        assert [type(one) for one in await store.show_detail(names["wh_1"])] == [WebhookDetail, EventDetail]
        assert [type(one) for one in await store.show_detail(names["dlv_1"])] == [DeliveryDetail, EventDetail]

    tell(story)


@pytest.mark.parametrize("unknown", ["wh_9", "dlv_9", "evt_9", "", "wh_01", "wh_" + "9" * 30, "%", "\ud800", "wh_²"])
def test_what_nothing_is_called_is_not_found(tell: Tell, unknown: str) -> None:
    async def story(store: Store) -> None:
        await furnished(store)
        with pytest.raises(NotFound, match="nothing has the id"):
            await (await applied(store)).show_detail(unknown)

    tell(story)


def test_an_empty_store_counts_nothing(tell: Tell) -> None:
    async def story(store: Store) -> None:
        assert await store.state_counts() == NOTHING

    tell(story)


def test_the_counts_follow_every_change_of_state(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await furnished(store)
        assert await store.state_counts() == StateCounts(
            webhooks={("shopify", "translated"): 1, ("shopify", "set_aside"): 1, ("stripe", "received"): 1},
            events={("purchase", "fresh"): 2, ("purchase", "duplicate"): 1},
            deliveries={("track", "pending"): 1, ("ads", "pending"): 1, ("track", "skipped"): 1},
            oldest_received=after(5),
            oldest_pending={"track": NOW, "ads": after(6)},
        )
        await replay_all(store, await named(store, RowFilter(ids=("wh_2",))), now=after(7))
        await sent(store, now=after(7))
        await dead(store, "evt_4", now=after(8))
        counts = await store.state_counts()
        assert counts.webhooks == {
            ("shopify", "translated"): 1,
            ("shopify", "received"): 1,
            ("stripe", "received"): 1,
        }
        assert counts.deliveries == {
            ("track", "delivered"): 1,
            ("track", "dead"): 1,
            ("ads", "pending"): 1,
            ("track", "skipped"): 1,
        }
        assert (counts.oldest_received, counts.oldest_pending) == (NOW, {"ads": after(6)})

    tell(story)


def test_what_is_claimed_still_waits(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await keep(store, webhook("a"))
        await claim_rows(store, now=after(1), limit=1, lease=LEASE)
        assert (await store.state_counts()).oldest_received == NOW

    tell(story)


def test_ignored_webhooks_are_counted_as_such(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await ignored(store, "a", "b")
        assert (await store.state_counts()).webhooks == {("shopify", "ignored"): 2}

    tell(story)


@pytest.mark.parametrize(
    ("sources", "more", "expected"),
    [
        (["shopify"], {}, ["a", "b"]),
        (["shopify", "stripe"], {}, ["a", "b", "c"]),
        ([], {}, []),
        (["strange\ud800"], {}, []),
        (["shopify", "stripe"], {"limit": 2}, ["a", "b"]),
        (["shopify", "stripe"], {"after": 2}, ["c"]),
        (["shopify", "stripe"], {"after": 3}, []),
        (["shopify", "stripe"], {"since": after(5)}, ["c"]),
        (["shopify", "stripe"], {"since": after(5.0001)}, []),
    ],
)
def test_kept_webhooks_are_paged_through_in_full_whatever_their_state(
    tell: Tell, sources: list[str], more: dict[str, Any], expected: list[str]
) -> None:
    more = dict(more)

    async def story(store: Store) -> None:
        await furnished(store)
        names = await names_of_ids(store)
        if "after" in more:  # the place of a webhook
            more["after"] = number_of(names[f"wh_{more['after']}"])
        found = await store.iter_webhooks(sources, **({"since": None, "after": 0, "limit": 10} | more))
        assert [one.id for one in found] == expected

    tell(story)


def test_a_kept_webhook_comes_back_as_it_was_and_asking_changes_nothing(tell: Tell) -> None:
    async def story(store: Store) -> None:
        given = webhook("a", body=b'{"id": 7}')
        (kept,) = await keep(store, given)
        [found] = await (await applied(store)).iter_webhooks(["shopify"], since=None, after=0, limit=1)
        assert found == replace(given, number=kept.number)
        [row] = await (await applied(store)).webhooks(RowFilter())
        assert row.state == WebhookState.RECEIVED
        [claimed] = await claim_rows(store, now=NOW, limit=9, lease=LEASE)
        assert claimed == found

    tell(story)
