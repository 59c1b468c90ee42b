"""What follows a batch can be read before that batch is written, and each webhook still gets its row once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from store_made import LEASE, NOW, Tell, applied, routed, webhook

from bridge.store.postgres.store import PostgresStore
from bridge.store.protocol import Batch, Outcome, RowFilter, Store
from bridge.store.sqlite.ingest import log_writer
from bridge.store.sqlite.store import SqliteStore


def names(batch: Batch) -> list[str]:
    return [one.id for one in batch.webhooks]


def outcomes(batch: Batch) -> list[Outcome]:
    return [Outcome(one, (routed(f"evt_{one.id}"),)) for one in batch.webhooks]


async def complete(store: Store, batch: Batch) -> bool:
    return await store.complete_batch(batch, outcomes(batch), now=NOW) is not None


async def kept(store: Store, *several: str) -> Store:
    """The store, once it has a reading of the clock and these webhooks, each of a request of its own."""
    await store.probe(now=NOW)
    for name in several:
        await store.keep([webhook(name)])
    return store


def test_a_batch_that_is_read_ahead_never_has_a_webhook_of_the_one_before(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await kept(store, *"abcdef")
        first = await store.claim_batch(now=NOW, limit=2, lease=LEASE)
        following = await store.read_ahead(first, now=NOW, limit=2, lease=LEASE)
        assert set(names(first)).isdisjoint(names(following))
        assert await complete(store, first)
        if following.webhooks:
            assert await complete(store, following)
        while (batch := await store.claim_batch(now=NOW, limit=9, lease=LEASE)).webhooks:
            assert await complete(store, batch)
        assert sorted(row.id for row in await store.events(RowFilter())) == [f"evt_{name}" for name in "abcdef"]

    tell(story)


@pytest.mark.parametrize("large", [1, 1 << 20], ids=["a file for each request", "one file"])
def test_sqlite_reads_what_comes_next_whether_or_not_the_batch_is_written_by_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    monkeypatch.setattr(log_writer, "LARGE", large)

    async def story() -> None:
        store = SqliteStore(str(tmp_path / "store.db"))
        await kept(store, *"abcdef")
        first = await store.claim_batch(now=NOW, limit=2, lease=LEASE)
        second = await store.read_ahead(first, now=NOW, limit=2, lease=LEASE)
        assert await complete(store, first)
        assert names(await store.read_ahead(first, now=NOW, limit=2, lease=LEASE)) == names(second)
        third = await store.read_ahead(second, now=NOW, limit=9, lease=LEASE)
        assert [names(first), names(second), names(third)] == [["a", "b"], ["c", "d"], ["e", "f"]]
        assert await complete(store, second)
        assert not (await store.read_ahead(third, now=NOW, limit=9, lease=LEASE)).webhooks
        assert await complete(store, third)
        await store.close()

    asyncio.run(story())


def test_what_follows_a_batch_that_was_not_written_is_read_again(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "store.db"))
        await kept(store, *"abcd")
        first = await store.claim_batch(now=NOW, limit=2, lease=LEASE)
        second = await store.read_ahead(first, now=NOW, limit=2, lease=LEASE)
        assert not await complete(store, second), "the one before it has no rows yet"
        assert names(await store.claim_batch(now=NOW, limit=9, lease=LEASE)) == list("abcd")
        await store.close()

    asyncio.run(story())


async def see_turns(store: Store) -> None:
    """Nothing is read ahead of rows that are due, nor behind them."""
    await applied(await kept(store, "old"))
    await kept(store, *"abcd")
    first = await store.claim_batch(now=NOW, limit=2, lease=LEASE)
    assert names(first) == ["a", "b"]
    assert not (await store.read_ahead(first, now=NOW, limit=2, lease=LEASE)).webhooks
    assert await complete(store, first)
    rows = await store.claim_batch(now=NOW, limit=2, lease=LEASE)
    assert names(rows) == ["old"]
    assert not (await store.read_ahead(rows, now=NOW, limit=2, lease=LEASE)).webhooks
    await store.close()


def test_rows_that_are_due_have_their_turn(tmp_path: Path) -> None:
    asyncio.run(see_turns(SqliteStore(str(tmp_path / "store.db"))))


@pytest.mark.parametrize("completed", ["first", "second"])
def test_postgres_takes_what_comes_next_under_a_lease_in_either_order(empty_database: str, completed: str) -> None:
    async def story() -> None:
        store, other = (PostgresStore(empty_database, durable=False) for _ in range(2))
        await kept(store, *"abcde")
        first = await store.claim_batch(now=NOW, limit=2, lease=LEASE)
        second = await store.read_ahead(first, now=NOW, limit=2, lease=LEASE)
        assert [names(first), names(second)] == [["a", "b"], ["c", "d"]]
        assert names(await other.claim_batch(now=NOW, limit=9, lease=LEASE)) == ["e"], "nobody else has the others"
        for batch in [first, second] if completed == "first" else [second, first]:
            assert await complete(store, batch)
            assert not await complete(other, batch)
        assert sorted(row.id for row in await store.events(RowFilter())) == [f"evt_{name}" for name in "abcd"]
        await store.close()
        await other.close()

    asyncio.run(story())


def test_postgres_lets_rows_that_are_due_have_their_turn(empty_database: str) -> None:
    asyncio.run(see_turns(PostgresStore(empty_database, by_caller=True, durable=False)))


def test_nothing_is_read_ahead_of_rows(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "store.db"))
        await applied(await kept(store, "old"))
        rows = await store.claim_batch(now=NOW, limit=2, lease=LEASE)
        assert names(rows) == ["old"]
        await store.keep([webhook("new")])
        assert not (await store.read_ahead(rows, now=NOW, limit=2, lease=LEASE)).webhooks
        await store.close()

    asyncio.run(story())
