"""On PostgreSQL, statements of a verb go together; what goes wrong is known all the same."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

import psycopg
import pytest
from counting_relay import counted_server
from store_made import FREELY, LEASE, accepted, all_of, attempt, claimed, ids, routed, states, webhook
from test_store_postgres import SYNCHRONOUS, administer, standby_away

from bridge.core.delivery import DeliveryState
from bridge.core.errors import StoreUnavailable
from bridge.store.postgres.store import PostgresStore
from bridge.store.protocol import ClaimedDeliveries, Outcome, RowFilter, Store

DELIVERED = DeliveryState.DELIVERED


def told(url: str, story: Callable[[Store], Awaitable[None]]) -> None:
    """Run a story with a store by the server's clock."""

    async def whole() -> None:
        store = PostgresStore(url, durable=False)
        try:
            await story(cast("Store", store))
        finally:
            await store.close()

    asyncio.run(whole())


async def claim(store: Store) -> ClaimedDeliveries:
    return await claimed(store, now=datetime.now(UTC))


async def record(store: Store, held: ClaimedDeliveries) -> bool:
    now = datetime.now(UTC)
    return await store.record_attempt(held, attempt(at=now), all_of(held, DELIVERED), held.destination_state, now=now)


def test_a_claim_takes_two_round_trips_and_its_attempt_three(empty_database: str) -> None:
    with counted_server(empty_database) as relay:

        async def story(store: Store) -> None:
            await accepted(store, "evt_1", "evt_2", "evt_3", now=datetime.now(UTC))
            one = replace(FREELY, limit=1)
            for _ in range(2):  # the first makes the destination's row, and opens the connection
                relay.round_trips = 0
                held = await claimed(store, now=datetime.now(UTC), pacing=one)
                claims, relay.round_trips = relay.round_trips, 0
                assert await record(store, held)
            assert (claims, relay.round_trips) == (2, 3)
            assert ids(await claim(store)) == ["evt_3"]

        told(relay.url, story)


def test_a_batch_is_claimed_in_four_round_trips_and_completed_in_four(empty_database: str) -> None:
    with counted_server(empty_database) as relay:

        async def story(store: Store) -> None:
            for turn in range(3):  # the first opens the connection
                await store.keep([webhook(f"{turn}{name}") for name in "abc"])
                relay.round_trips = 0
                batch = await store.claim_batch(now=datetime.now(UTC), limit=9, lease=LEASE)
                claims, relay.round_trips = relay.round_trips, 0
                made = [Outcome(one, (routed(f"evt_{one.id}"),)) for one in batch.webhooks]
                assert await store.complete_batch(batch, made, now=datetime.now(UTC))
            assert (claims, relay.round_trips) == (4, 4)
            assert len(await store.events(RowFilter())) == 9

        told(relay.url, story)


def test_a_batch_is_claimed_without_a_standby_and_a_claim_that_the_server_forgot_completes_nothing(
    empty_database: str,
) -> None:
    async def story(store: Store) -> None:
        await store.keep([webhook("a")])
        with standby_away(empty_database):
            batch = await store.claim_batch(now=datetime.now(UTC), limit=9, lease=LEASE)
        assert [one.id for one in batch.webhooks] == ["a"]
        administer(empty_database, "UPDATE unapplied SET until = 0, token = NULL")  # as a crash leaves it
        made = [Outcome(one, (routed("evt_a"),)) for one in batch.webhooks]
        assert await store.complete_batch(batch, made, now=datetime.now(UTC)) is None
        again = await store.claim_batch(now=datetime.now(UTC), limit=9, lease=LEASE)
        assert await store.complete_batch(again, made, now=datetime.now(UTC))
        assert len(await store.events(RowFilter())) == 1

    told(empty_database, story)


@pytest.mark.parametrize("ended", ["cancel", "terminate"])
def test_a_claim_and_an_attempt_that_no_second_machine_has_are_errors(
    empty_database: str, ended: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def refused(verb: Awaitable[object]) -> None:
        waiting = asyncio.ensure_future(verb)
        ending = SYNCHRONOUS.replace("cancel", ended)
        while not administer(empty_database, ending) and not waiting.done():  # noqa: ASYNC110  another process waits
            await asyncio.sleep(0.01)
        with pytest.raises(StoreUnavailable, match="second machine" if ended == "cancel" else "is not reachable"):
            await waiting

    async def story(store: Store) -> None:
        await accepted(store, "evt_1", "evt_2", now=datetime.now(UTC))
        held = await claim(store)
        await accepted(store, "evt_3", now=datetime.now(UTC))
        with standby_away(empty_database):
            await refused(claim(store))
            await refused(record(store, held))
        assert await record(store, held)  # it is known
        assert await states(store) == {"evt_1": "delivered", "evt_2": "delivered", "evt_3": "pending"}

    with caplog.at_level(logging.WARNING):
        told(empty_database, story)
    assert [one.getMessage() for one in caplog.records if one.name.startswith("psycopg")] == []


def test_a_statement_that_fails_behind_others_changes_nothing_and_the_next_claim_is_as_any(empty_database: str) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1", now=datetime.now(UTC))
        administer(empty_database, "ALTER TABLE claims ADD CONSTRAINT never CHECK (false) NOT VALID")
        try:
            with pytest.raises(psycopg.errors.CheckViolation):  # it comes with the answer to COMMIT
                await claim(store)
        finally:
            administer(empty_database, "ALTER TABLE claims DROP CONSTRAINT never")
        held = await claim(store)
        administer(empty_database, "ALTER TABLE attempts ADD CONSTRAINT never CHECK (false) NOT VALID")
        try:
            with pytest.raises(psycopg.errors.CheckViolation):
                await record(store, held)
        finally:
            administer(empty_database, "ALTER TABLE attempts DROP CONSTRAINT never")
        assert await states(store) == {"evt_1": "pending"}
        assert await record(store, held)
        assert await states(store) == {"evt_1": "delivered"}

    told(empty_database, story)
