"""What only the engine for PostgreSQL promises: by the server's clock, over several nodes, through lost connections."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import psycopg
import pytest
from engines import ENGINES, NOT_BUILT
from store_made import (
    FREELY,
    LEASE,
    SECOND,
    TRACK,
    accepted,
    apply_log,
    attempt,
    dead,
    event,
    ids,
    key,
    order,
    routed,
    sent,
    webhook,
)

from bridge.core.delivery import DeliveryState, DeliveryUpdate
from bridge.core.errors import BridgeError, SettingsError, StoreUnavailable, StoreUnusable
from bridge.core.model import EventNeeded, Ignored, Route, Routed
from bridge.store import engines, protocol
from bridge.store.in_steps import retry_all
from bridge.store.postgres import schema
from bridge.store.postgres.db.ledger_key import register_keys
from bridge.store.postgres.db.link import LONGEST_BACKOFF
from bridge.store.postgres.db.server_url import shown_url
from bridge.store.postgres.server import copies_text
from bridge.store.postgres.store import PostgresStore
from bridge.store.postgres.tables import counts
from bridge.store.postgres.tables.ledger import read_entries
from bridge.store.protocol import AdmissionLimits, Idempotency, Outcome, RowFilter, Store
from bridge.store.rules.outcome_counts import MOST_NAMES, OutcomeKey, bound_left, bound_reached

Nodes = Callable[[int], PostgresStore]
FAR = timedelta(hours=1)
KEY = Idempotency(b"k" * 16, b"the body's hash")
PATIENT = 10.0
"""Seconds within which a patience of 0.3 s ends, also on a busy machine; the lock would last for ever."""


@pytest.fixture
def nodes(empty_database: str) -> Nodes:
    """Opens the store as a node, with the server's clock."""
    return lambda node: PostgresStore(empty_database, node=node, durable=False)


def run(story: Callable[..., Awaitable[None]], *stores: PostgresStore) -> None:
    async def whole() -> None:
        try:
            await story(*stores)
        finally:
            for store in stores:
                await store.close()

    asyncio.run(whole())


def promised(store: PostgresStore) -> Store:
    """The same store: what is asked of it here is built."""
    return cast("Store", store)


def now() -> datetime:
    return datetime.now(UTC)


def administer(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as db:
        found = db.execute(query.encode())
        return found.fetchall() if found.description else []


# ------------------------------------------------------------------------------------------------ the URL


@pytest.mark.parametrize("url", ["postgresql://bridge:hunter2@[/track", "postgres://bridge:hunter2@127.0.0.1:1/track"])
def test_a_server_that_cannot_be_used_is_named_and_its_password_is_not_repeated(url: str) -> None:
    with pytest.raises(
        BridgeError, match=r"PostgreSQL understands|postgresql://bridge@127\.0\.0\.1:1/track is not re"
    ) as no:
        engines.open_store(url)
    assert "hunter2" not in str(no.value)


def test_what_only_a_file_can_do_is_refused_with_the_means_of_a_server(tmp_path: Path) -> None:
    url = "postgresql://bridge:hunter2@db/track"
    with pytest.raises(SettingsError, match="postgresql://bridge@db/track is on a server: back it up") as refused:
        engines.restore_store(url, tmp_path)
    assert "hunter2" not in str(refused.value)


def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [one for one in sys.modules if one.startswith("bridge.store.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SettingsError, match=r"the package psycopg is not installed; .*trackbridge\[postgres\]"):
        engines.open_store("postgresql://bridge@db/track")


@pytest.mark.parametrize(
    ("standbys", "machines"),
    [("", "one machine"), ("ANY 1 (a, b)", "2 machines"), ("FIRST 2 (a, b, c)", "3 machines"), ("a", "2 machines")],
)
def test_it_is_told_on_how_many_machines_a_200_is(standbys: str, machines: str) -> None:
    assert copies_text(standbys) == f"a 200 is on {machines}"


def test_each_verb_of_the_promise_is_built_or_listed_as_not_built() -> None:
    promised = {name for name in dir(protocol.Store) if not name.startswith("_")}
    built = {name for name in promised if hasattr(PostgresStore, name)}
    assert promised - built == NOT_BUILT
    assert set(ENGINES) == {"sqlite", "postgres"}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://tb:secret@db1,db2:6432/track?sslpassword=secret", "postgresql://tb@db1,db2:6432/track"),
        ("postgresql://db1:1,db2:2/track", "postgresql://db1:1,db2:2/track"),
        ("postgresql:///track?host=/run/postgresql&password=secret", "postgresql:///track?host=/run/postgresql"),
        ("postgresql://%2Frun/track", "postgresql:///track?host=/run"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert shown_url(url) == shown


def test_a_url_that_libpq_does_not_understand_is_refused_without_being_repeated() -> None:
    with pytest.raises(SettingsError, match="postgresql://user@host/database") as refused:
        PostgresStore("postgresql://tb:secret@db/track?no_such_option=secret")
    assert "secret" not in str(refused.value)


# -------------------------------------------------------------------------------------------------------- the server


def test_a_server_that_may_lose_what_it_has_committed_is_refused(empty_database: str) -> None:
    with pytest.raises(StoreUnusable, match="has fsync = off; the store needs fsync = on"):
        PostgresStore(empty_database)


def test_a_database_to_which_a_newer_version_has_added_something_is_used_and_one_that_it_finished_is_not(
    nodes: Nodes, empty_database: str
) -> None:
    run(lambda store: store.keep([]), nodes(0))
    try:
        administer(empty_database, "INSERT INTO steps_taken VALUES ('99_from_the_future', 0)")
        run(lambda store: store.keep([webhook("w-1")]), nodes(1))
        administer(empty_database, "INSERT INTO steps_taken VALUES ('finish:99_from_the_future', 0)")
        with pytest.raises(StoreUnusable, match=r"newer trackbridge \(step finish:99_from_the_future\)"):
            nodes(1)
    finally:
        administer(empty_database, "DELETE FROM steps_taken WHERE name LIKE '%from_the_future'")


def test_a_step_lets_writers_go_on_while_a_long_reader_is_in_its_way(
    nodes: Nodes, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(store: PostgresStore) -> None:
        with psycopg.connect(empty_database) as reader:
            reader.execute("SELECT count(*) FROM outbox")
            taking = asyncio.ensure_future(asyncio.to_thread(nodes, 1))
            for turn in range(5):
                await accepted(promised(store), f"evt_{turn}", now=now())  # its patience is far shorter than the reader
                await asyncio.sleep(0.2)
            assert not taking.done()
        await (await taking).close()

    store = PostgresStore(empty_database, durable=False, bounds=AdmissionLimits(max_wait=PATIENT * SECOND))
    monkeypatch.setitem(schema.STEPS, "98_made_up", "ALTER TABLE outbox ADD COLUMN made_up int")
    try:
        run(story, store)
    finally:
        administer(empty_database, "ALTER TABLE outbox DROP COLUMN IF EXISTS made_up")
        administer(empty_database, "DELETE FROM steps_taken WHERE name = '98_made_up'")


def test_nodes_that_start_at_once_take_each_step_once(postgres_url: str) -> None:
    administer(postgres_url, "CREATE DATABASE started_at_once")
    url = postgres_url.replace("/postgres?", "/started_at_once?")

    async def story() -> None:
        stores = await asyncio.gather(
            *(asyncio.to_thread(PostgresStore, url, node=node, durable=False) for node in range(3))
        )
        await asyncio.gather(*(store.close() for store in stores))

    asyncio.run(story())
    assert administer(url, "SELECT name FROM steps_taken ORDER BY name") == [(name,) for name in schema.STEPS]
    administer(postgres_url, "DROP DATABASE started_at_once")


def test_a_server_that_is_not_there_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="is not reachable"):
        PostgresStore(f"postgresql:///track?host={tmp_path}")


def test_a_connection_that_was_ended_is_made_anew_and_nothing_is_lost_or_doubled(
    nodes: Nodes, empty_database: str
) -> None:
    async def story(store: PostgresStore) -> None:
        await accepted(promised(store), "evt_0", now=now())
        refused = 0
        for number in range(1, 6):
            administer(
                empty_database,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND application_name = 'trackbridge'",
            )
            while True:
                try:
                    await store.accept_events([routed(f"evt_{number}")], now=now())
                    break
                except StoreUnavailable:
                    refused += 1
        assert refused == 5  # each time the first one finds out
        assert len(await store.deliveries(RowFilter())) == 6

    run(story, nodes(0))


def test_a_database_that_is_away_is_told_at_once_and_is_found_when_it_is_back(postgres_url: str) -> None:
    administer(postgres_url, "CREATE DATABASE goes_away")
    store = PostgresStore(postgres_url.replace("/postgres?", "/goes_away?"), durable=False)

    async def story(store: PostgresStore) -> None:
        await accepted(promised(store), "evt_1", now=now())
        administer(postgres_url, "ALTER DATABASE goes_away ALLOW_CONNECTIONS false")
        administer(postgres_url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'goes_away'")
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match="is not reachable"):
                await store.state_counts()
        began = time.monotonic()
        for _ in range(20):
            with pytest.raises(StoreUnavailable, match="is not reachable"):
                await store.accept_events([routed("evt_2")], now=now())
        assert time.monotonic() - began < 1
        administer(postgres_url, "ALTER DATABASE goes_away ALLOW_CONNECTIONS true")
        await asyncio.sleep(LONGEST_BACKOFF)
        await accepted(promised(store), "evt_2", now=now())
        assert len(await store.deliveries(RowFilter())) == 2

    run(story, store)
    administer(postgres_url, "DROP DATABASE goes_away")


def test_a_database_that_does_not_answer_is_told_in_time_and_what_it_keeps_after_all_is_known(
    empty_database: str,
) -> None:
    bounds = AdmissionLimits(waiting=10, max_wait=timedelta(seconds=0.3))

    async def story(store: PostgresStore, patient: PostgresStore) -> None:
        with psycopg.connect(empty_database) as blocker:
            blocker.execute("LOCK TABLE parcels")
            asked = [store.keep([webhook(name)]) for name in ("a", "b")]
            async with asyncio.timeout(PATIENT):
                said = await asyncio.gather(*asked, return_exceptions=True)
            assert [type(one) for one in said] == [StoreUnavailable] * 2
            with pytest.raises(StoreUnavailable):  # none of those that come later piles up behind it
                await store.keep([webhook("c")])
            with pytest.raises(StoreUnavailable):
                await promised(store).accept_events([routed("evt")], now=now())
        for name in ("a", "b", "c"):
            await kept_at_last(store, name)
        await apply_log(promised(patient), now=now())
        assert len(await patient.webhooks(RowFilter())) == 3

    hasty = PostgresStore(empty_database, durable=False, bounds=bounds)
    run(story, hasty, PostgresStore(empty_database, durable=False))


async def kept_at_last(store: PostgresStore, name: str) -> None:
    """Send a webhook again until it is kept."""
    while True:
        try:
            return await store.keep([webhook(name)])
        except StoreUnavailable:
            await asyncio.sleep(0.01)


ENTRIES = "INSERT INTO ledger SELECT md5(n::text)::uuid, n, 0 FROM generate_series(1, 20000) AS n"
SCANS = """
    SELECT sum(pg_stat_get_xact_numscans(index.inhrelid)), (SELECT sum(pg_stat_get_xact_numscans(part.inhrelid))
        FROM pg_inherits AS part WHERE part.inhparent = 'ledger'::regclass)
    FROM pg_inherits AS index WHERE index.inhparent = 'ledger_pkey'::regclass
"""
"""How often this transaction has looked into the indexes of the ledger's partitions, and walked through these."""


def test_a_key_is_looked_for_in_one_partition_of_the_ledger(nodes: Nodes, empty_database: str) -> None:
    nodes(0)
    known = [hashlib.md5(b"%d" % n, usedforsecurity=False).digest() for n in (1, 2, 3)]
    missing = [key(f"{n}") for n in range(97)]
    with psycopg.connect(empty_database) as db:
        register_keys(db)
        db.execute(ENTRIES)
        db.execute("ANALYZE ledger")
        found = read_entries(db, [*missing, *known])
        assert sorted(number or 0 for _, number, _ in found) == [1, 2, 3]
        assert db.execute(SCANS).fetchall() == [(100, 0)]


def test_a_key_is_looked_for_by_the_index_of_a_ledger_that_was_small_when_its_rows_were_counted(
    nodes: Nodes, empty_database: str
) -> None:
    nodes(0)
    with psycopg.connect(empty_database) as db:
        db.execute("TRUNCATE ledger")  # other tests leave it large
        db.execute(ENTRIES.replace("20000", "320"))
        db.execute("ANALYZE ledger")
    with psycopg.connect(empty_database, prepare_threshold=1) as db:
        register_keys(db)
        for _ in range(10):  # from the sixth time on the plan is kept
            read_entries(db, [key(f"{n}") for n in range(100)])
        assert db.execute(SCANS).fetchall() == [(1000, 0)]


SYNCHRONOUS = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
"""Cancels the wait of each commit for a standby; which ones."""
_WAITING_COMMIT = "SET synchronous_commit = on; SELECT pg_logical_emit_message(true, 'test', '')"
"""Commits something that a standby would have to have."""


@contextmanager
def standby_away(url: str) -> Iterator[None]:
    """Each commit waits for a standby that never comes."""
    administer(url, "ALTER SYSTEM SET synchronous_standby_names = 'away'")
    administer(url, "SELECT pg_reload_conf()")
    try:
        _see_a_commit_wait(url)
        yield
    finally:
        administer(url, "ALTER SYSTEM RESET synchronous_standby_names")
        administer(url, "SELECT pg_reload_conf()")


def _see_a_commit_wait(url: str) -> None:
    """Commit until one waits: the server's processes hear of a changed setting one after another."""
    has_waited = False
    with ThreadPoolExecutor(1) as other:
        while not has_waited:
            commit = other.submit(administer, url, _WAITING_COMMIT)
            while not commit.done():
                has_waited |= bool(administer(url, SYNCHRONOUS))
            commit.result()


def test_a_commit_that_no_second_machine_has_is_no_success_and_is_known_when_it_comes_again(
    nodes: Nodes, empty_database: str
) -> None:
    async def story(store: PostgresStore) -> None:
        await accepted(promised(store), "evt_1", now=now())
        with standby_away(empty_database):
            for _ in range(2):  # the second time it is known, and still on one machine only
                waiting = asyncio.ensure_future(store.accept_events([routed("evt_2")], now=now(), idempotency=KEY))
                while not administer(empty_database, SYNCHRONOUS) and not waiting.done():  # noqa: ASYNC110  another process waits
                    await asyncio.sleep(0.01)
                with pytest.raises(StoreUnavailable, match="second machine"):
                    await waiting
        for given in (KEY, None):
            (answer,) = await store.accept_events([routed("evt_2")], now=now(), idempotency=given)
            assert answer.event_id == "evt_2"
        assert (await store.state_counts()).deliveries == {("track", "pending"): 2}

    run(story, nodes(0))


@pytest.mark.parametrize("ended", ["cancel", "terminate"])
def test_a_webhook_that_no_second_machine_has_is_not_acknowledged_whatever_the_server_commits_by(
    nodes: Nodes, empty_database: str, ended: str
) -> None:
    async def story(store: PostgresStore) -> None:
        administer(empty_database, "ALTER ROLE bridge SET synchronous_commit = off")
        try:
            with standby_away(empty_database):
                waiting = asyncio.ensure_future(store.keep([webhook("a")]))
                ending = SYNCHRONOUS.replace("cancel", ended)
                while not administer(empty_database, ending) and not waiting.done():  # noqa: ASYNC110  another process waits
                    await asyncio.sleep(0.01)
                with pytest.raises(StoreUnavailable):
                    await waiting
        finally:
            administer(empty_database, "ALTER ROLE bridge RESET synchronous_commit")
        await store.keep([webhook("b")])

    run(story, nodes(0))


def test_a_webhook_is_kept_in_one_round_trip(
    nodes: Nodes, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def count(db: psycopg.Connection, generator: Iterator[object], *more: object) -> object:
        asked.append(db)
        return wait(db, generator, *more)  # type: ignore[arg-type]

    async def story(store: PostgresStore) -> None:
        await store.keep([webhook("a")])
        monkeypatch.setattr(psycopg.Connection, "wait", count)
        await store.keep([webhook("b")])
        monkeypatch.undo()
        assert len(asked) == 1
        assert [one.id for one in (await store.claim_batch(now=now(), limit=9, lease=LEASE)).webhooks] == ["a", "b"]

    wait = psycopg.Connection.wait
    run(story, nodes(0))


def test_an_event_that_came_before_is_acknowledged_when_a_second_machine_has_it(
    nodes: Nodes, empty_database: str
) -> None:
    async def story(store: PostgresStore) -> None:
        await accepted(promised(store), "evt_1", now=now())
        with standby_away(empty_database):
            waiting = asyncio.ensure_future(store.accept_events([routed("evt_1")], now=now()))
            while not administer(empty_database, SYNCHRONOUS) and not waiting.done():  # noqa: ASYNC110  another process waits
                await asyncio.sleep(0.01)
            with pytest.raises(StoreUnavailable, match="second machine"):
                await waiting

    run(story, nodes(0))


# ------------------------------------------------------------------------------------------------------- the clock


def test_waits_are_kept_by_the_servers_clock_whatever_the_clock_of_a_node_says(nodes: Nodes) -> None:
    async def story(ahead: PostgresStore, right: PostgresStore) -> None:
        await accepted(promised(ahead), "evt_1", now=now() + FAR)
        found = await right.claim_deliveries("track", now=now(), pacing=FREELY)
        assert found is not None  # what came in by a clock that is an hour ahead is due
        (one,) = found.deliveries
        due = now() + FAR + 0.3 * SECOND
        later = [DeliveryUpdate(one.number, DeliveryState.PENDING, next_attempt_at=due)]
        made = attempt(at=now() + FAR, status=503)
        assert await ahead.record_attempt(found, made, later, found.destination_state, now=now() + FAR)
        for node, far in ((ahead, FAR), (right, timedelta())):
            told = await node.next_due("track", now=now() + far)
            assert told is not None
            assert abs(told - (due - FAR + far)) < 0.2 * SECOND
        assert await right.claim_deliveries("track", now=now(), pacing=FREELY) is None
        assert await ahead.claim_deliveries("track", now=now() + FAR, pacing=FREELY) is None
        await asyncio.sleep(0.35)
        again = await right.claim_deliveries("track", now=now(), pacing=FREELY)
        assert again is not None
        assert again.deliveries[0].tried_for < timedelta(minutes=1)

    run(story, nodes(0), nodes(1))


def test_a_destination_is_held_as_long_as_was_asked_for_on_a_node_with_another_clock_too(nodes: Nodes) -> None:
    async def story(ahead: PostgresStore, right: PostgresStore) -> None:
        await accepted(promised(right), "evt_1", now=now())
        found = await ahead.claim_deliveries("track", now=now() + FAR, pacing=FREELY)
        assert found is not None
        held = dataclasses.replace(found.destination_state, held_until=now() + FAR + 2 * SECOND)
        assert await ahead.record_attempt(found, attempt(at=now() + FAR, status=429), [], held, now=now() + FAR)
        state = await right.destination_state("track", now=now())
        assert state.held_until is not None
        assert timedelta() < state.held_until - now() <= 2 * SECOND
        assert await right.claim_deliveries("track", now=now(), pacing=FREELY) is None
        while await right.claim_deliveries("track", now=now(), pacing=FREELY) is None:  # noqa: ASYNC110  the server's clock
            await asyncio.sleep(0.05)
        assert now() >= state.held_until

    run(story, nodes(0), nodes(1))


def test_deliveries_go_out_in_the_order_in_which_their_events_were_accepted_by_any_node(nodes: Nodes) -> None:
    async def story(one: PostgresStore, other: PostgresStore) -> None:
        await accepted(promised(one), "evt_1", now=now() + FAR)
        await accepted(promised(other), "evt_2", now=now() - FAR)
        await accepted(promised(one), "evt_3", now=now())
        assert await sent(promised(other), now=now()) == ["evt_1", "evt_2", "evt_3"]

    run(story, nodes(0), nodes(1))


# ------------------------------------------------------------------------------------------------------- the nodes


def test_a_conversion_that_two_nodes_are_told_at_once_has_one_original(nodes: Nodes) -> None:
    async def story(*stores: PostgresStore) -> None:
        made = [
            Routed(event(f"evt_{turn}_{number}", order(str(number))), TRACK)
            for turn in range(4)
            for number in range(10)
        ]
        answers = await asyncio.gather(
            *(stores[place % 2].accept_events([one], now=now()) for place, one in enumerate(made))
        )
        originals = [answer.event_id for (answer,) in answers if answer.duplicate_of is None]
        assert len(originals) == 10
        assert {answer.duplicate_of for (answer,) in answers} - {None} == set(originals)
        assert (await stores[0].state_counts()).deliveries == {("track", "pending"): 10}

    run(story, nodes(0), nodes(1))


def test_a_webhook_that_waits_and_the_event_that_it_waits_for_find_each_other_in_every_order(nodes: Nodes) -> None:
    async def story(waits: PostgresStore, tells: PostgresStore) -> None:
        for number in range(15):
            await waits.keep([webhook(f"refund-{number}", at=now())])
            batch = await waits.claim_batch(now=now(), limit=9, lease=LEASE)
            (one,) = batch.webhooks
            needed = EventNeeded((order(str(number)),), "purchase", now() + FAR, is_looked_up=True, seen=())
            await asyncio.gather(
                waits.complete_batch(batch, [Outcome(one, needed)], now=now()),
                tells.accept_events([routed(f"evt_{number}", order(str(number)))], now=now()),
            )
            due = await waits.claim_batch(now=now(), limit=9, lease=LEASE)
            assert [found.id for found in due.webhooks] == [f"refund-{number}"]
            await waits.complete_batch(due, [Outcome(due.webhooks[0], Ignored("done"))], now=now())

    run(story, nodes(0), nodes(1))


def test_many_senders_of_two_nodes_claim_each_delivery_once(nodes: Nodes) -> None:
    async def story(*stores: PostgresStore) -> None:
        await accepted(promised(stores[0]), *(f"evt_{number}" for number in range(200)), now=now())
        pacing = protocol.Pacing(limit=10, concurrency=8, spacing=timedelta(), lease=LEASE)
        seen: list[str] = []

        async def sender(store: PostgresStore) -> None:
            while (found := await store.claim_deliveries("track", now=now(), pacing=pacing)) is not None:
                seen.extend(ids(found))
                delivered = [DeliveryUpdate(one.number, DeliveryState.DELIVERED) for one in found.deliveries]
                await store.record_attempt(found, attempt(at=now()), delivered, found.destination_state, now=now())

        await asyncio.gather(*(sender(stores[place % 2]) for place in range(8)))
        assert len(seen) == len(set(seen)) == 200
        assert (await stores[1].state_counts()).deliveries == {("track", "delivered"): 200}

    run(story, nodes(0), nodes(1))


def test_a_node_takes_the_webhooks_of_another_once_they_are_late(nodes: Nodes) -> None:
    async def story(gone: PostgresStore, other: PostgresStore) -> None:
        await gone.keep([webhook("a", at=now())])
        assert not (await other.claim_batch(now=now(), limit=9, lease=LEASE)).webhooks
        await asyncio.sleep(0.6)
        assert [one.id for one in (await other.claim_batch(now=now(), limit=9, lease=LEASE)).webhooks] == ["a"]
        assert not (await gone.claim_batch(now=now(), limit=9, lease=LEASE)).webhooks

    run(story, nodes(0), nodes(1))


@pytest.mark.parametrize("way", ["complete", "split"])
def test_a_batch_of_which_another_node_has_taken_a_part_changes_nothing(nodes: Nodes, way: str) -> None:
    async def story(late: PostgresStore, other: PostgresStore) -> None:
        for name in ("a", "b"):  # a parcel each
            await late.keep([webhook(name)])
        await asyncio.sleep(SECOND.total_seconds())  # so that another node may take them
        batch = await late.claim_batch(now=now(), limit=9, lease=timedelta(milliseconds=1))
        assert [one.id for one in batch.webhooks] == ["a", "b"]
        await asyncio.sleep(0.1)
        taken = await other.claim_batch(now=now(), limit=1, lease=LEASE)
        assert [one.id for one in taken.webhooks] == ["a"]
        if way == "complete":
            done = await late.complete_batch(batch, [Outcome(one, Ignored("x")) for one in batch.webhooks], now=now())
            assert done is None
        else:
            assert await late.split_batch(batch, now=now()) == ()
        left = await other.claim_batch(now=now(), limit=9, lease=LEASE)
        assert [one.id for one in left.webhooks] == ["b"]

    run(story, nodes(0), nodes(1))


def test_a_batch_whose_lease_was_lost_changes_nothing(nodes: Nodes) -> None:
    async def story(slow: PostgresStore, other: PostgresStore) -> None:
        await slow.keep([webhook("a", at=now())])
        lost = await slow.claim_batch(now=now(), limit=9, lease=timedelta())
        await asyncio.sleep(0.6)
        taken = await other.claim_batch(now=now(), limit=9, lease=LEASE)
        assert await slow.complete_batch(lost, [Outcome(lost.webhooks[0], Ignored("late"))], now=now()) is None
        assert await slow.split_batch(lost, now=now()) == ()
        (done,) = await other.complete_batch(taken, [Outcome(taken.webhooks[0], Ignored("in time"))], now=now()) or ()
        assert not done.kept.is_known
        assert [row.reason for row in await slow.webhooks(RowFilter())] == ["in time"]

    run(story, nodes(0), nodes(1))


def test_a_redelivery_to_another_node_is_known_there(nodes: Nodes) -> None:
    async def story(*stores: PostgresStore) -> None:
        for store in stores:
            await store.keep([webhook("a", key("same"), at=now())])
        batches = [await store.claim_batch(now=now(), limit=9, lease=LEASE) for store in stores]
        done = await asyncio.gather(
            *(
                store.complete_batch(batch, [Outcome(batch.webhooks[0], Ignored("x"))], now=now())
                for store, batch in zip(stores, batches, strict=True)
            )
        )
        assert sorted(each[0].kept.is_known for each in done if each) == [False, True]
        assert len({each[0].kept.number for each in done if each}) == 1

    run(story, nodes(0), nodes(1))


def test_numbers_ascend_and_are_enough_for_a_transaction_of_any_size(nodes: Nodes) -> None:
    async def story(store: PostgresStore) -> None:
        await store.accept_events([routed(f"evt_{number}") for number in range(1500)], now=now())
        rows = await store.deliveries(RowFilter())
        numbers = [int(row.id.removeprefix("dlv_")) for row in rows]
        assert len(set(numbers)) == 1500
        assert numbers == sorted(numbers, reverse=True)
        assert [row.event for row in rows] == [f"evt_{number}" for number in reversed(range(1500))]

    run(story, nodes(0))


def test_a_delivery_that_is_skipped_has_ended_when_it_is_made(nodes: Nodes) -> None:
    async def story(store: PostgresStore) -> None:
        await accepted(promised(store), "evt_1", now=now(), routes=(Route("track", skip="a test"), Route("ads")))
        assert (await store.state_counts()).deliveries == {("track", "skipped"): 1, ("ads", "pending"): 1}

    run(story, nodes(0))


def test_counts_stay_what_they_are_when_their_changes_are_added_up(nodes: Nodes, empty_database: str) -> None:
    async def story(store: PostgresStore) -> None:
        async def ask() -> tuple[object, ...]:
            since = now() - FAR
            quarters = sum(one.count for one in await store.read_quarters(since=since))
            found = await store.read_outcomes(since=since)
            return await store.state_counts(), quarters, found, await store.read_totals()

        async def fold() -> None:
            for _ in range(counts.FOLD_EVERY):
                await store.claim_batch(now=now(), limit=9, lease=LEASE)
            assert administer(empty_database, "SELECT count(*) FROM count_changes") == [(0,)]

        for number in range(60):  # more reasons than are counted by
            await accepted(promised(store), f"evt_{number}", now=now(), routes=(Route("track", skip=f"no {number}"),))
        await dead(promised(store), "evt_dead", now=now())
        assert administer(empty_database, "SELECT count(*) FROM count_changes") == [(62,)]
        before = await ask()
        await fold()
        assert await ask() == before
        await retry_all(promised(store), RowFilter(), now=now())
        before = await ask()
        await fold()
        assert await ask() == before
        assert {
            one.state: one.count for one in (await store.read_outcomes(since=now())).outcomes if one.reason == "other"
        } == {"skipped": 10}

    run(story, nodes(0))


def test_an_outcome_that_is_none_any_more_leaves_the_name_that_it_was_counted_by() -> None:
    key = OutcomeKey(20_000, "track", "purchase", "dead", "400: 7 is no value")
    other = key._replace(reason="other")
    standing = {key: 1, other: 5}
    assert bound_left(standing, {key: 3}) == {key: 1, other: 2}
    known = [key._replace(reason=str(n)) for n in range(MOST_NAMES)]
    assert bound_reached(known, {key: 2, known[0]: 1}) == {other: 2, known[0]: 1}


def test_a_page_ends_below_what_is_not_committed_yet_and_the_next_one_misses_nothing(
    nodes: Nodes, empty_database: str
) -> None:
    async def story(store: PostgresStore) -> None:
        await accepted(promised(store), "evt_1", now=now(), routes=())
        with psycopg.connect(empty_database) as slow:
            slow.execute("SELECT pg_current_xact_id()")
            (first,) = slow.execute("SELECT draw_block()").fetchone() or (0,)
            await asyncio.sleep(0.003)  # numbers begin with their millisecond
            await accepted(promised(store), "evt_3", now=now(), routes=())
            page = await store.search_events(RowFilter(limit=9), most=99)
            assert [row.id for row in page.rows] == ["evt_1"]
            slow.execute(
                "INSERT INTO events SELECT (e).* FROM (SELECT jsonb_populate_record(e, jsonb_build_object("
                "'number', %s::bigint, 'id', 'evt_2')) AS e FROM events AS e LIMIT 1) AS made",
                (first,),
            )
        page = await store.search_events(RowFilter(after=page.newest, limit=9), most=99)
        assert [row.id for row in page.rows] == ["evt_3", "evt_2"]

    run(story, nodes(0))


def test_a_walk_waits_for_a_smaller_number_that_is_not_committed_yet(nodes: Nodes, empty_database: str) -> None:
    async def story(store: PostgresStore) -> None:
        with psycopg.connect(empty_database) as slow:
            slow.execute("SELECT pg_current_xact_id()")
            (first,) = slow.execute("SELECT draw_block()").fetchone() or (0,)
            await accepted(promised(store), "evt_2", now=now(), routes=())
            walk = asyncio.ensure_future(store.events_without_delivery("track", after=0, limit=9))
            await asyncio.sleep(0.1)
            assert not walk.done()
            slow.execute(
                "INSERT INTO events SELECT (e).* FROM (SELECT jsonb_populate_record(e, jsonb_build_object("
                "'number', %s::bigint, 'id', 'evt_1')) AS e FROM events AS e) AS made",
                (first,),
            )
            slow.commit()
            assert [one.id for one in await walk] == ["evt_1", "evt_2"]

    run(story, nodes(0))
