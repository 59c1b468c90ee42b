"""Days of a PostgreSQL store are made ahead and retired as a whole, and what somebody still waits for outlives its day.

Here what is kept for minus one day is over today.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from store_made import LEASE, accepted, dead, order, routed, sent, webhook

from bridge.core.errors import StoreUnavailable
from bridge.core.model import Accepted, Ignored, SetAside
from bridge.store.codec.columns import to_ms
from bridge.store.in_steps import replay_all
from bridge.store.postgres import schema
from bridge.store.postgres.admin import find_rows, retired_days
from bridge.store.postgres.admin.retired_days import PartitionDay, retire_next_day
from bridge.store.postgres.store import PostgresStore
from bridge.store.postgres.tables.days import first_of_day
from bridge.store.protocol import Outcome, RetentionPolicy, RowFilter, Store, WebhookDetail

DAY = timedelta(days=1)
LONG = 400 * DAY
BODIES_ARE_OVER = RetentionPolicy(bodies=-DAY, events=LONG, ledger=LONG)
TODAY_IS_OVER = RetentionPolicy(bodies=-DAY, events=-DAY, ledger=LONG)
YESTERDAY_IS_OVER = RetentionPolicy(bodies=timedelta(), events=timedelta(), ledger=LONG)
TABLES = ("attempts", "deliveries", "event_names", "events", "parcels", "webhooks")


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def database(postgres_url: str) -> Iterator[str]:
    """The URL of a database of the test's own: other tests need the days that are gone here."""
    ask(postgres_url, "CREATE DATABASE retired_days")
    yield postgres_url.replace("/postgres?", "/retired_days?")
    ask(postgres_url, "DROP DATABASE retired_days WITH (FORCE)")


@pytest.fixture
def store(database: str) -> Store:
    """A store by the server's clock, with the partitions of today and yesterday."""
    return PostgresStore(database, durable=False)


def run(store: Store, story: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        try:
            await story()
        finally:
            await store.close()

    asyncio.run(whole())


def ask(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as db:
        found = db.execute(query.encode())
        return found.fetchall() if found.description else []


def days_before_tomorrow(url: str) -> list[object]:
    tomorrow = f"{now() + DAY:_%Y%m%d}"
    rows = ask(url, "SELECT relname::text FROM pg_class WHERE relname ~ '_[0-9]{8}$' AND relkind = 'r' ORDER BY 1")
    return [name for (name,) in rows if str(name)[-9:] < tomorrow]


async def swept(store: Store, keeping: RetentionPolicy, *, limit: int = 100) -> int:
    taken = 0
    while True:
        step = await store.purge(keeping, now=now(), limit=limit)
        taken += step.taken
        if not step.more:
            return taken


async def translated(store: Store, *outcomes: tuple[str, Ignored | SetAside]) -> None:
    """Webhooks that came in one request, and what they became."""
    await store.keep([webhook(name, at=now(), body=name.encode()) for name, _ in outcomes])
    batch = await store.claim_batch(now=now(), limit=9, lease=LEASE)
    done = [Outcome(one, result) for one, (_, result) in zip(batch.webhooks, outcomes, strict=True)]
    assert await store.complete_batch(batch, done, now=now())


def test_bodies_go_with_their_day_and_one_that_is_needed_is_there_until_it_is_not(store: Store, database: str) -> None:
    async def story() -> None:
        await translated(store, ("a", Ignored("no rule")), ("b", SetAside("x.yaml:1:1")))
        await store.keep([webhook("not applied yet", at=now(), body=b"c")])
        assert await swept(store, BODIES_ARE_OVER) == 0  # its parcel keeps the day, and both are of one parcel
        assert len((await store.claim_batch(now=now(), limit=9, lease=timedelta())).webhooks) == 1
        while not await store.split_batch(await store.claim_batch(now=now(), limit=9, lease=LEASE), now=now()):
            pass
        assert await swept(store, BODIES_ARE_OVER) == 2
        bodies = {}
        for row in await store.webhooks(RowFilter()):
            [found] = await store.show_detail(row.id)
            assert isinstance(found, WebhookDetail)
            bodies[found.webhook.id] = found.webhook.body, found.body_gone
        assert bodies == {"a": (b"", True), "b": (b"b", False), "not applied yet": (b"c", False)}
        assert await replay_all(store, RowFilter(state="set_aside"), now=now()) == 1
        assert await replay_all(store, RowFilter(state="ignored"), now=now()) == 0
        batch = await store.claim_batch(now=now(), limit=9, lease=LEASE)
        assert {one.id: one.body for one in batch.webhooks} == {"b": b"b", "not applied yet": b"c"}
        await store.complete_batch(batch, [Outcome(one, Ignored("done")) for one in batch.webhooks], now=now())
        await swept(store, BODIES_ARE_OVER)
        assert ask(database, "SELECT count(*) FROM rescued") == [(0,)]

    run(store, story)


def test_a_day_of_which_nobody_waits_for_anything_is_dropped_and_the_counts_with_it(
    store: Store, database: str
) -> None:
    async def story() -> None:
        await translated(store, ("a", Ignored("no rule")), ("b", SetAside("x.yaml:1:1")))
        await store.accept_events([routed("e", order("1")), routed("f", order("2"))], now=now())
        assert await sent(store, now=now()) == ["e", "f"]
        [first, _] = await store.events_without_delivery("nowhere", after=0, limit=9)
        assert await swept(store, TODAY_IS_OVER) == 2 + 2 + 2 + 1 + 1  # webhooks, events, deliveries, attempt, parcel
        assert days_before_tomorrow(database) == []
        counts = await store.state_counts()
        assert (counts.webhooks, counts.events, counts.deliveries) == ({}, {}, {})
        ask(database, "SELECT make_days(0)")
        [again] = await store.accept_events([routed("g", order("1"))], now=now())
        assert again == Accepted("g", f"gone:{first.number}")

    run(store, story)


def test_events_that_an_earlier_version_kept_are_found_at_any_age_by_a_later_one(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("NEWEST", "NEWEST_BODIES"):
        monkeypatch.setattr(find_rows, limit, 1)
    with monkeypatch.context() as earlier:
        older = {name: sql for name, sql in schema.STEPS.items() if not name.endswith("_event_names")}
        earlier.setattr(schema, "STEPS", older)
        before = PostgresStore(database, durable=False)
    run(before, lambda: accepted(before, "evt_1", "evt_2", "evt_3", now=now()))
    ask(
        database,
        "CREATE TABLE events_20250101 PARTITION OF events FOR VALUES FROM (first_number('2025-01-01')) "
        "TO (first_number('2025-01-02'))",
    )
    ask(database, "UPDATE events SET number = first_number('2025-01-01'), order_id = 'old' WHERE id = 'evt_1'")
    store = PostgresStore(database, durable=False)

    async def story() -> None:
        assert (await store.find_rows(["old"])).unread == 2
        await swept(store, RetentionPolicy(bodies=LONG, events=10 * LONG, ledger=LONG), limit=1)
        assert [(await store.find_rows([word])).event_ids for word in ("old", "evt_2")] == [("evt_1",), ("evt_2",)]

    run(store, story)


def test_a_day_with_a_pending_delivery_stays_and_its_other_rows_go(store: Store, database: str) -> None:
    async def story() -> None:
        await store.accept_events([routed("e")], now=now())
        assert await sent(store, now=now()) == ["e"]
        await store.accept_events([routed("f")], now=now())
        await swept(store, TODAY_IS_OVER, limit=1)
        ask(database, "SELECT make_days(0)")
        assert [row.id for row in await store.events(RowFilter())] == ["f"]
        assert f"events_{now():%Y%m%d}" in days_before_tomorrow(database)
        assert await sent(store, now=now()) == ["f"]
        assert (await store.state_counts()).deliveries == {("track", "delivered"): 1}

    run(store, story)


def test_a_day_that_was_detached_when_its_node_ended_is_dropped_or_comes_back(store: Store, database: str) -> None:
    async def story() -> None:
        today = f"{now():_%Y%m%d}"
        await dead(store, "e", now=now())
        ask(database, f"ALTER TABLE deliveries DETACH PARTITION deliveries{today}")
        await swept(store, YESTERDAY_IS_OVER)
        assert f"deliveries{today}" in days_before_tomorrow(database)
        await swept(store, RetentionPolicy(bodies=LONG, events=-DAY, ledger=LONG))  # its event goes first
        assert [name for name in days_before_tomorrow(database) if not str(name).startswith("parcels")] == []
        assert (await store.state_counts()).deliveries == {}

    run(store, story)


def test_what_was_made_to_wait_again_while_its_day_was_detached_comes_back(store: Store, database: str) -> None:
    async def story() -> None:
        today = f"{now():_%Y%m%d}"
        await dead(store, "e", now=now())
        ask(database, f"ALTER TABLE events DETACH PARTITION events{today}")
        ask(
            database,
            "WITH gone AS (DELETE FROM deliveries RETURNING *) INSERT INTO outbox (number, event, destination, due, "
            "created_at, event_type) SELECT number, event, destination, 0, created_at, event_type FROM gone",
        )
        await swept(store, TODAY_IS_OVER)
        ask(database, "SELECT make_days(0)")
        assert [row.id for row in await store.events(RowFilter())] == ["e"]
        assert await sent(store, now=now()) == ["e"]

    run(store, story)


@pytest.mark.parametrize("table", TABLES)
def test_a_day_that_another_node_drops_at_this_moment_is_no_fault(
    store: Store, database: str, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = retired_days.list_days

    def drop_when_listed(db: psycopg.Connection[Any], table: str) -> list[PartitionDay]:
        found = listed(db, table)
        for day in found:
            ask(database, f"DROP TABLE {day.name}")
        return found

    async def story() -> None:
        await store.probe(now=now())
        monkeypatch.setattr(retired_days, "list_days", drop_when_listed)
        with psycopg.connect(database, autocommit=True) as db:
            assert retire_next_day(db, table, below=first_of_day(to_ms(now() + 30 * DAY))) is None

    run(store, story)


def test_nobody_waits_for_a_day_that_is_retired_behind_a_reader(store: Store, database: str) -> None:
    async def story() -> None:
        with psycopg.connect(database) as reader:
            reader.execute("SELECT count(*) FROM events")
            retiring = asyncio.ensure_future(swept(store, YESTERDAY_IS_OVER))
            waits = "SELECT 1 FROM pg_stat_activity WHERE query ~ 'DETACH' AND wait_event_type = 'Lock'"
            while not ask(database, waits):  # noqa: ASYNC110  another process waits
                await asyncio.sleep(0.01)
            for number in range(3):  # each would be refused after five seconds
                await store.accept_events([routed(f"evt_{number}")], now=now())
            assert not retiring.done()
        await retiring
        assert all(str(name).endswith(f"{now():_%Y%m%d}") for name in days_before_tomorrow(database))

    run(store, story)


def test_days_are_made_ahead_while_it_runs_and_a_missing_tomorrow_is_told(store: Store, database: str) -> None:
    async def story() -> None:
        before = ask(database, "SELECT relname FROM pg_class WHERE relname ~ '_[0-9]{8}$' ORDER BY 1")
        assert (await store.status_summary(now=now())).troubles == ()
        for table in TABLES:
            ask(database, f"DROP TABLE {table}{now() + DAY:_%Y%m%d}, {table}{now():_%Y%m%d}")
        [trouble] = (await store.status_summary(now=now())).troubles
        assert f"no partitions for {now():%Y-%m-%d}" in trouble
        with pytest.raises(StoreUnavailable, match="has no partitions for today"):
            await store.accept_events([routed("e")], now=now())
        with psycopg.connect(database) as reader, psycopg.connect(database) as writer:
            reader.execute("SELECT count(*) FROM events")
            writer.execute("DELETE FROM events")
            await store.purge(RetentionPolicy(), now=now(), limit=9)
        assert ask(database, "SELECT relname FROM pg_class WHERE relname ~ '_[0-9]{8}$' ORDER BY 1") == before
        assert (await store.status_summary(now=now())).troubles == ()
        await store.accept_events([routed("e")], now=now())

    run(store, story)
