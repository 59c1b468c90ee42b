"""What came in is written down as it came, and has its place before anybody asks for it."""

from __future__ import annotations

import asyncio
import itertools
import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_made import LEASE, NOW, SECOND, Tell, after, keep, webhook

from bridge import ledger
from bridge.errors import StoreUnavailable
from bridge.store import Bounds, Filter, Store, WebhookDetail
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
    bodies = [random.randbytes(HANDY // 3 - 1000) for _ in range(5)]

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


def test_a_question_does_not_wait_for_what_comes_in_while_it_is_asked(tell: Tell) -> None:
    async def story(store: Store) -> None:
        done = asyncio.Event()

        async def rush() -> None:
            for number in itertools.count():
                await store.keep([webhook(f"w-{number}")])
                if done.is_set():
                    return

        rushing = asyncio.create_task(rush())
        for _ in range(5):
            await store.tally()
        done.set()
        await rushing

    tell(story)


@given(st.lists(st.one_of(st.binary(max_size=600), st.binary(max_size=20).map(lambda one: one * 100)), max_size=6))
def test_a_body_at_rest_comes_back_byte_for_byte(bodies: list[bytes]) -> None:
    assert [packing.restored(*kept) for kept in packing.at_rest(bodies)] == bodies


# ------------------------------------------------------------------------------------------------- bounds and trouble


def locked_out(path: Path) -> sqlite3.Connection:
    """Another process that holds the file."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


def test_while_the_disk_stands_still_no_more_wait_than_may_and_the_rest_are_refused_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"), bounds=Bounds(waiting=5, patience=timedelta(minutes=1)))
        with closing(locked_out(tmp_path / "x.db")) as other:
            first = asyncio.ensure_future(store.keep([webhook("first")]))
            await asyncio.sleep(0.05)  # it is with the disk now
            crowd = [asyncio.ensure_future(store.keep([webhook(str(n))])) for n in range(20)]
            _, waiting = await asyncio.wait(crowd, timeout=0.2)
            assert len(waiting) == 5
            other.execute("ROLLBACK")
        await first
        answers = await asyncio.gather(*crowd, return_exceptions=True)
        assert [isinstance(one, StoreUnavailable) for one in answers] == [False] * 5 + [True] * 15
        assert len(await store.webhooks(Filter())) == 6
        await store.close()

    asyncio.run(story())


def test_who_has_waited_too_long_is_refused_and_nothing_of_theirs_is_kept(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"), bounds=Bounds(patience=timedelta(milliseconds=200)))
        with closing(locked_out(tmp_path / "x.db")) as other:
            first = asyncio.ensure_future(store.keep([webhook("first")]))
            await asyncio.sleep(0.05)
            second = asyncio.ensure_future(store.keep([webhook("second")]))
            answers = await asyncio.gather(first, second, return_exceptions=True)
            assert [type(one) for one in answers] == [StoreUnavailable, StoreUnavailable]
            with pytest.raises(StoreUnavailable):
                await store.keep([webhook("third")])
            other.execute("ROLLBACK")
        assert await store.webhooks(Filter()) == []
        await store.close()

    asyncio.run(story())


def test_batches_of_many_items_share_no_row_that_would_take_long_to_sort_in(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        items = [replace(webhook(f"w-{n}"), headers={"x": "y" * 2000}, body=b"[]") for n in range(2000)]
        batches = [[replace(one, id=f"{batch}-{one.id}") for one in items] for batch in range(8)]
        await asyncio.gather(*(store.keep(batch) for batch in batches))
        with closing(sqlite3.connect(tmp_path / "x.db")) as db:
            assert max(count for (count,) in db.execute("SELECT count FROM inbox")) <= 3 * 2000
        await store.close()

    asyncio.run(story())


def test_a_damaged_row_of_the_inbox_holds_up_nobody_and_is_told_by_status(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await store.keep([webhook("a"), webhook("b")])
        await store.keep([webhook("c")])
        with closing(sqlite3.connect(tmp_path / "x.db")) as db, db:
            db.execute("UPDATE inbox SET packed = x'28b52ffd00' WHERE number = 1")
        assert [row.id for row in await store.webhooks(Filter())] == ["wh_1"]
        (found,) = await store.claim_webhooks(now=NOW, limit=9, lease=LEASE)
        assert found.id == "c"
        assert (await store.glance(now=NOW)).unreadable == 2
        await store.close()

    asyncio.run(story())
    with closing(sqlite3.connect(tmp_path / "x.db")) as db:
        assert db.execute("SELECT number, count, packed FROM unreadable").fetchall() == [
            (1, 2, b"\x28\xb5\x2f\xfd\x00")
        ]


def test_a_damaged_body_at_rest_holds_up_nobody_and_comes_as_it_stands(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await keep(store, webhook("a", body=b"a" * 5000))
        await keep(store, webhook("b", body=b"b" * 5000))
        with closing(sqlite3.connect(tmp_path / "x.db")) as db, db:
            db.execute("UPDATE bodies SET bytes = x'28b52ffd00' WHERE number = 1")
        found = await store.claim_webhooks(now=NOW, limit=9, lease=LEASE)
        assert [one.body for one in found] == [b"\x28\xb5\x2f\xfd\x00", b"b" * 5000]
        await store.close()

    asyncio.run(story())
