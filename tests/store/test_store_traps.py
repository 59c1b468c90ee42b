"""What two nodes of a PostgreSQL store must not do to each other, each order of events made on purpose."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import psycopg
import pytest
from msgspec.structs import replace
from store_made import FREELY, LEASE, TRACK, accepted, all_of, attempt, event, order, states, webhook

from bridge.core.delivery import DeliveryState
from bridge.core.model import EventNeeded, Routed
from bridge.store.postgres.admin import find_rows
from bridge.store.postgres.store import PostgresStore
from bridge.store.protocol import Outcome, RetentionPolicy

BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


def now() -> datetime:
    return datetime.now(UTC)


def run(url: str, story: Callable[[PostgresStore, PostgresStore], Awaitable[None]]) -> None:
    async def whole() -> None:
        nodes = [PostgresStore(url, node=node, durable=False) for node in range(2)]
        try:
            await story(*nodes)
        finally:
            for node in nodes:
                await node.close()

    asyncio.run(whole())


def ask(url: str, query: str) -> int:
    with psycopg.connect(url, autocommit=True) as db:
        (found,) = db.execute(query.encode()).fetchone() or (0,)
        return int(found)


async def blocked(url: str, *, count: int) -> None:
    """Waits until so many connections wait for a lock, which they do until the test gives it."""
    while ask(url, BLOCKED) < count:  # noqa: ASYNC110  another process waits
        await asyncio.sleep(0.01)


def test_an_event_that_is_written_over_while_its_attempt_is_recorded_is_due_again(empty_database: str) -> None:
    async def story(sending: PostgresStore, _: PostgresStore) -> None:
        await accepted(sending, "evt_1", now=now())
        found = await sending.claim_deliveries("track", now=now(), pacing=FREELY)
        assert found is not None
        with psycopg.connect(empty_database) as by_hand:
            by_hand.execute("UPDATE outbox SET revision = 1")
            delivered = all_of(found, DeliveryState.DELIVERED)
            recording = asyncio.ensure_future(
                sending.record_attempt(found, attempt(at=now()), delivered, found.destination_state, now=now())
            )
            await blocked(empty_database, count=1)
            by_hand.commit()
        assert await recording
        assert await states(sending) == {"evt_1": "pending"}
        assert await sending.claim_deliveries("track", now=now(), pacing=FREELY) is not None

    run(empty_database, story)


def test_two_nodes_that_write_the_same_keys_wait_for_each_other_in_one_direction(empty_database: str) -> None:
    keys = sorted(order(str(number)) for number in range(9))
    before = ask(empty_database, DEADLOCKS)

    async def story(up: PostgresStore, down: PostgresStore) -> None:
        with psycopg.connect(empty_database) as middle:
            middle.execute("INSERT INTO ledger VALUES (%s::uuid, 1, 0)", (keys[4].hex(),))
            asked = [
                asyncio.ensure_future(
                    node.accept_events([Routed(event(f"{name}_{at}", key), TRACK) for at, key in rows], now=now())
                )
                for node, name, rows in (
                    (up, "up", list(enumerate(keys))), (down, "down", list(enumerate(keys))[::-1]),
                )
            ]  # fmt: skip
            await blocked(empty_database, count=2)
            middle.rollback()
        answers = [one for answer in await asyncio.gather(*asked) for one in answer]
        assert sum(one.duplicate_of is None for one in answers) == len(keys)

    run(empty_database, story)
    assert ask(empty_database, DEADLOCKS) == before


def of_order(name: str, number: str) -> Routed:
    return Routed(replace(event(name, origin="source:shopify"), order_id=number), TRACK)


async def sweep(node: PostgresStore) -> None:
    while (await node.purge(RetentionPolicy(), now=now(), limit=9)).more:
        pass


@pytest.fixture
def only_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found is found by its hashes: no text is read."""
    for limit in ("NEWEST", "NEWEST_BODIES"):
        monkeypatch.setattr(find_rows, limit, 1)


@pytest.mark.usefixtures("only_hashed")
def test_an_event_that_is_written_over_while_names_are_hashed_is_found_by_what_it_says_then(
    empty_database: str,
) -> None:
    async def story(writes: PostgresStore, sweeps: PostgresStore) -> None:
        await writes.accept_events([of_order("evt_1", "before"), of_order("evt_2", "other")], now=now())
        with psycopg.connect(empty_database) as middle:
            middle.execute("SELECT 1 FROM outbox ORDER BY number LIMIT 1 FOR UPDATE")
            writing = asyncio.ensure_future(writes.rewrite_events(1, [of_order("evt_1", "after")], now=now()))
            await blocked(empty_database, count=1)  # its text is written over, and not committed
            await sweep(sweeps)
            middle.rollback()
        await writing
        await sweep(sweeps)
        found = {word: (await sweeps.find_rows([word])).event_ids for word in ("before", "after")}
        assert found == {"before": (), "after": ("evt_1",)}

    run(empty_database, story)


@pytest.mark.usefixtures("only_hashed")
def test_an_event_that_is_committed_after_one_with_a_larger_number_is_found_at_any_age(empty_database: str) -> None:
    async def story(slow: PostgresStore, quick: PostgresStore) -> None:
        with psycopg.connect(empty_database) as middle:
            middle.execute("INSERT INTO ledger VALUES (%s::uuid, 1, 0)", (order("1").hex(),))
            one = Routed(replace(event("evt_1", order("1")), order_id="slow"), TRACK)
            accepting = asyncio.ensure_future(slow.accept_events([one], now=now()))
            await blocked(empty_database, count=1)
            await quick.accept_events([of_order("evt_2", "quick"), of_order("evt_3", "last")], now=now())
            await sweep(quick)
            middle.rollback()
        await accepting
        await sweep(quick)
        found = {word: (await quick.find_rows([word])).event_ids for word in ("slow", "quick")}
        assert found == {"slow": ("evt_1",), "quick": ("evt_2",)}

    run(empty_database, story)


def test_a_webhook_that_begins_to_wait_while_its_event_is_made_is_due(empty_database: str) -> None:
    key = order("1")

    async def story(waits: PostgresStore, tells: PostgresStore) -> None:
        await waits.keep([webhook("refund", at=now())])
        batch = await waits.claim_batch(now=now(), limit=9, lease=LEASE)
        needed = EventNeeded((key,), "purchase", now() + 10 * LEASE, is_looked_up=True, seen=())
        with psycopg.connect(empty_database) as first:
            first.execute("INSERT INTO ledger VALUES (%s::uuid, NULL, 0)", (key.hex(),))
            asked = (
                asyncio.ensure_future(waits.complete_batch(batch, [Outcome(batch.webhooks[0], needed)], now=now())),
                asyncio.ensure_future(tells.accept_events([Routed(event("evt_1", key), TRACK)], now=now())),
            )
            await blocked(empty_database, count=2)  # neither has seen what the other writes
            first.rollback()
        await asyncio.gather(*asked)
        due = await waits.claim_batch(now=now(), limit=9, lease=LEASE)
        assert [one.id for one in due.webhooks] == ["refund"]

    run(empty_database, story)
