"""What came in is written down as it came, and has its place before anybody asks for it."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_made import LEASE, NOW, SECOND, Tell, after, keep, webhook

from bridge import ledger
from bridge.store import Filter, Store, WebhookDetail
from bridge.stores.sqlite import SqliteStore, packing
from bridge.stores.sqlite.inbox import HANDY


@pytest.mark.parametrize("question", ["webhooks", "show", "tally", "glance", "kept", "next_due", "replay"])
def test_whoever_asks_finds_what_was_kept_a_moment_ago(tell: Tell, question: str) -> None:
    async def story(store: Store) -> None:
        await store.keep([webhook("a"), webhook("b")])
        match question:
            case "webhooks":
                assert [row.id for row in await store.webhooks(Filter())] == ["wh_2", "wh_1"]
            case "show":
                (found,) = await store.show("wh_2")
                assert isinstance(found, WebhookDetail)
                assert found.webhook.id == "b"
            case "tally":
                assert (await store.tally()).webhooks == {("shopify", "received"): 2}
            case "glance":
                assert (await store.glance(now=NOW)).lasts == {"shopify": NOW}
            case "kept":
                found_all = await store.kept(["shopify"], since=None, after=0, limit=9)
                assert [one.id for one in found_all] == ["a", "b"]
            case "next_due":
                assert await store.next_due(None) == NOW
            case _:
                assert await store.replay(Filter(ids=("wh_1",)), now=NOW) == 0, "it is received still"

    tell(story)


def test_what_is_known_by_its_bytes_is_so_although_they_are_hashed_only_when_it_is_sorted_in(tell: Tell) -> None:
    async def story(store: Store) -> None:
        first = replace(webhook("w1", body=b"the same"), identity=())
        for other in (first, replace(first, id="w2"), replace(first, body=b"other")):
            await store.keep([other])
        kept = await store.sort_in(limit=9)
        assert [(one.number, one.again) for one in kept] == [(1, False), (1, True), (2, False)]
        found = await store.claim_webhooks(now=NOW, limit=9, lease=LEASE)
        assert found[0].identity == ledger.unsigned_webhook("shopify", "orders/paid", "w1", b"the same")

    tell(story)


def test_what_came_before_a_clock_was_set_back_is_due_within_ten_seconds(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.probe(now=NOW)
        await store.keep([webhook("a", at=NOW)])
        back = after(-3600)
        await store.probe(now=back)
        await store.sort_in(limit=9)
        assert await store.claim_webhooks(now=back + 10 * SECOND, limit=9, lease=LEASE)

    tell(story)


def test_large_bodies_of_one_moment_are_packed_a_few_megabytes_at_a_time(tmp_path: Path) -> None:
    bodies = [random.randbytes(HANDY // 3) for _ in range(5)]

    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await asyncio.gather(*(store.keep([webhook(str(n), body=body)]) for n, body in enumerate(bodies)))
        with closing(sqlite3.connect(tmp_path / "x.db")) as db:
            assert [count for (count,) in db.execute("SELECT count FROM inbox ORDER BY number")] == [3, 2]
        await keep(store)
        found = await store.claim_webhooks(now=NOW, limit=9, lease=LEASE)
        assert [one.body for one in found] == bodies
        await store.close()

    asyncio.run(story())


def test_what_was_kept_when_the_process_ended_has_its_place_in_the_next(tmp_path: Path) -> None:
    async def first() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await store.keep([webhook("a")])
        await store.close()

    async def second() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        (found,) = await store.claim_webhooks(now=NOW, limit=9, lease=LEASE)
        assert found.id == "a"
        await store.close()

    asyncio.run(first())
    asyncio.run(second())


@given(st.lists(st.one_of(st.binary(max_size=600), st.binary(max_size=20).map(lambda one: one * 100)), max_size=6))
def test_a_body_at_rest_comes_back_byte_for_byte(bodies: list[bytes]) -> None:
    assert [packing.restored(*kept) for kept in packing.at_rest(bodies)] == bodies
