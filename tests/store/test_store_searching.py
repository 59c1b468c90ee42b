"""Looking changes nothing; pages continue where the one before ended; a search says how far it looked."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
from engines import sqlite_in
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_made import (
    LEASE,
    NOW,
    Tell,
    accepted,
    after,
    applied,
    claim_rows,
    complete,
    dead,
    keep,
    names_of_ids,
    number_of,
    routed,
    settled,
    short_ids,
    webhook,
)  # fmt: skip

from bridge.core.errors import NotFound
from bridge.core.model import SetAside
from bridge.store.protocol import Outcome, RetentionPolicy, RowFilter, Store, WebhookDetail
from bridge.store.rules.failure_groups import shorten_reason

MOST = 1000


async def look_at_everything(store: Store) -> None:
    which = RowFilter(limit=5)
    await store.webhooks(which)
    await store.events(which)
    await store.deliveries(which)
    await store.search_webhooks(which, most=MOST)
    await store.search_events(which, most=MOST)
    await store.group_failures(most=MOST)
    await store.state_counts()
    await store.status_summary(now=NOW)
    await store.status_details()
    await store.overdue_work(now=NOW)
    await store.next_due(None, now=NOW)
    await store.find_rows(["1001"])
    assert await store.read_whole(["wh_99"], most=MOST) == ()
    with pytest.raises(NotFound):
        await store.show_detail("wh_99")


def test_looking_applies_nothing_that_was_just_kept(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.keep([webhook(str(n)) for n in range(50)])
        await look_at_everything(store)
        assert (await store.state_counts()).unapplied == 50
        assert await store.webhooks(RowFilter()) == []
        batch = await store.claim_batch(now=NOW, limit=100, lease=LEASE)
        assert [one.id for one in batch.webhooks] == [str(n) for n in range(50)]
        assert {one.number for one in batch.webhooks} == {0}, "they are still those of the ingest log"

    tell(story)


def test_pages_continue_where_the_one_before_ended(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await keep(store, *(webhook(str(n)) for n in range(7)))
        await applied(store)
        page = await store.search_webhooks(RowFilter(limit=3), most=MOST)
        assert await short_ids(store, [row.id for row in page.rows]) == ["wh_7", "wh_6", "wh_5"]
        assert page.looked == 3
        seen = []
        cursor: str | None = page.older
        while cursor:
            page = await store.search_webhooks(RowFilter(limit=3, before=cursor), most=MOST)
            seen += [row.id for row in page.rows]
            cursor = page.older
        assert await short_ids(store, seen) == ["wh_4", "wh_3", "wh_2", "wh_1"]

    tell(story)


def test_rows_that_came_since_are_found_by_the_newest_cursor(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1", "evt_2")
        page = await store.search_events(RowFilter(limit=1), most=MOST)
        assert [row.id for row in page.rows] == ["evt_2"]
        await accepted(store, "evt_3", "evt_4")
        page = await store.search_events(RowFilter(after=page.newest, limit=9), most=MOST)
        assert [row.id for row in page.rows] == ["evt_4", "evt_3"]
        assert (await store.search_events(RowFilter(after=page.newest, limit=9), most=MOST)).rows == ()

    tell(story)


@pytest.mark.parametrize("which", [RowFilter(limit=9), RowFilter(source="quiet", limit=9)])
def test_a_search_ends_and_says_how_far_it_looked(tell: Tell, which: RowFilter) -> None:
    async def story(store: Store) -> None:
        await keep(store, webhook("first", source="quiet"))
        await applied(store)
        await keep(store, *(webhook(str(n), at=after(n)) for n in range(20)))
        await applied(store)
        page = await store.search_webhooks(which, most=5)
        assert len(page.rows) == (5 if which.source is None else 0)
        lowest = number_of((await names_of_ids(store))["wh_17"])
        assert (page.looked, page.back_to, page.older) == (5, after(15), f"~{lowest}")
        page = await store.search_webhooks(RowFilter(source="quiet", limit=9, before=page.older), most=100)
        assert [row.source for row in page.rows] == ["quiet"]
        assert (page.looked, page.older) == (16, None), "nothing older is kept"

    tell(story)


def test_an_empty_store_has_an_empty_page(tell: Tell) -> None:
    async def story(store: Store) -> None:
        page = await store.search_webhooks(RowFilter(limit=9), most=5)
        assert (page.rows, page.older, page.newest, page.looked, page.back_to) == ((), None, None, 0, None)
        with pytest.raises(NotFound, match="there is no webhook"):
            await store.search_webhooks(RowFilter(before="wh_x", limit=9), most=5)

    tell(story)


@pytest.mark.parametrize("cursor", ["wh_x", "evt_9", "~", "~-1", "~²", "~9999999999999999999", "", "dlv_1"])
def test_a_cursor_that_is_none_is_refused(tell: Tell, cursor: str) -> None:
    async def story(store: Store) -> None:
        await keep(store, webhook("a"))
        await accepted(store, "evt_1")
        with pytest.raises(NotFound, match="there is no webhook"):
            await store.search_webhooks(RowFilter(before=cursor, limit=1), most=MOST)
        with pytest.raises(NotFound, match="there is no event"):
            await store.search_events(RowFilter(before=cursor, limit=1), most=MOST)
        with pytest.raises(NotFound, match="there is no event"):
            await store.events(RowFilter(before=cursor))

    tell(story)


def test_lists_take_the_id_of_a_row_as_a_cursor(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await keep(store, *(webhook(str(n)) for n in range(3)))
        await accepted(store, "evt_1", "evt_2", "evt_3")
        await applied(store)
        names = await names_of_ids(store)
        rows = await store.webhooks(RowFilter(before=names["wh_3"]))
        assert await short_ids(store, [row.id for row in rows]) == ["wh_2", "wh_1"]
        assert [row.id for row in await store.events(RowFilter(before="evt_2"))] == ["evt_1"]
        assert [row.id for row in await store.events(RowFilter(after="evt_2"))] == ["evt_3"]
        assert [row.id for row in await store.deliveries(RowFilter(before=names["dlv_2"]))] == [names["dlv_1"]]

    tell(story)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(1, 9), most=st.integers(1, 30), rare=st.integers(1, 7))
def test_pages_hold_every_row_once(tmp_path_factory: pytest.TempPathFactory, size: int, most: int, rare: int) -> None:
    async def story(store: Store) -> None:
        await keep(store, *(webhook(str(n), source="rare" if n % rare == 0 else "often") for n in range(25)))
        await applied(store)
        which, seen, cursor = RowFilter(source="rare", limit=size), list[str](), None
        for _ in range(60):
            page = await store.search_webhooks(RowFilter(source=which.source, limit=size, before=cursor), most=most)
            seen += [row.id for row in page.rows]
            cursor = page.older
            if cursor is None:
                break
        assert seen == [row.id for row in await store.webhooks(RowFilter(source="rare"))]

    async def whole() -> None:
        store = sqlite_in(tmp_path_factory.mktemp("pages"))()
        await story(store)
        await store.close()

    asyncio.run(whole())


def test_failures_are_grouped_by_what_is_the_same_in_their_reasons(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await dead(store, "evt_1", "evt_2")
        await keep(store, webhook("a"), webhook("b"), webhook("c", source="stripe", at=after(9)))
        reasons = ["s.yaml:1:2: body.sum: 'free' is no number", "s.yaml:1:2: body.sum: 'x@y.test' is no number"]
        claimed = await claim_rows(store, now=after(9))
        await complete(
            store, [Outcome(one, SetAside(why)) for one, why in zip(claimed, [*reasons, reasons[0]], strict=True)]
        )
        found = await store.group_failures(most=MOST)
        assert found.complete
        assert [(one.state, one.name, one.count) for one in found.groups] == [
            ("dead", "track", 2), ("set_aside", "shopify", 2), ("set_aside", "stripe", 1)
        ]  # fmt: skip
        first, _, last = found.groups
        assert first.value == {"EUR": Decimal("39.80")}
        names = await names_of_ids(store)
        assert (last.reason, last.newest_id) == ("s.yaml:1:2: body.sum: … is no number", names["wh_3"])
        assert (last.first_at, last.last_at) == (after(9), after(9))
        assert not (await store.group_failures(most=2)).complete

    tell(story)


@pytest.mark.parametrize(
    ("reason", "short"),
    [
        ("shopify.yaml:165:16: 'abc' is no number", "shopify.yaml:165:16: … is no number"),
        ("422: order 5678201931042 is known", "422: order … is known"),
        ("evt_1795770843118_k2x9 is no currency", "… is no currency"),
        ("no answer in 10 s", "no answer in 10 s"),
        ("ada@example.test is no phone", "… is no phone"),
        (
            "a.yaml:3:1: `properties.value` came out as nothing; write `require: []`, in =decimal(body.`Ada`)",
            "a.yaml:3:1: `properties.value` came out as nothing; write `require: []`, in =decimal(body.…)",
        ),
    ],
)
def test_what_differs_in_a_reason_is_left_out(reason: str, short: str) -> None:
    assert shorten_reason(reason) == short


# ------------------------------------------------------------------------------------------------ several in full


def test_several_webhooks_are_read_in_the_order_asked_for_each_as_it_is_shown_alone(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await keep(store, *(webhook(f"w-{n}", body=b"x" * n) for n in range(60)))
        asked = [row.id for row in await store.webhooks(RowFilter())]
        asked = [*asked[30:], *asked[:30]]
        read = await store.read_whole([asked[0], "wh_0", "evt_1", "wh_1x", "", *asked[1:]], most=MOST * MOST)
        assert [one.row.id for one in read] == asked
        for one in (read[0], read[29], read[59]):
            (shown,) = await store.show_detail(one.row.id)
            assert isinstance(shown, WebhookDetail)
            assert (one.row, one.webhook) == (shown.row, shown.webhook)
        assert await store.read_whole([], most=MOST) == ()

    tell(story)


def test_of_large_bodies_no_more_are_read_together_than_may_be(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await keep(store, *(webhook(f"w-{n}", body=b"x" * 400) for n in range(4)))
        asked = [row.id for row in await store.webhooks(RowFilter())]
        for most, count in ((1600, 4), (1599, 3), (400, 1), (399, 0)):
            assert [one.row.id for one in await store.read_whole(asked, most=most)] == asked[:count]

    tell(story)


def test_a_webhook_whose_body_is_gone_is_left_out_and_one_with_an_empty_body_is_not(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await settled(store, "old", routed("e"))
        days = timedelta(days=1)
        late = NOW + 40 * days
        await keep(store, webhook("empty", body=b"", at=late), webhook("new", at=late))
        keeping = RetentionPolicy(bodies=30 * days, events=90 * days, ledger=400 * days)
        while (await store.purge(keeping, now=late, limit=100)).more:
            pass
        asked = [row.id for row in await store.webhooks(RowFilter())]
        assert len(asked) == 3
        read = await store.read_whole(asked, most=MOST)
        assert [(one.row.id, one.webhook.body) for one in read] == [(asked[0], b"{}"), (asked[1], b"")]

    tell(story)
