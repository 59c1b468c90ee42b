"""What is at the other end of a connection: pgbouncer, or a primary that was replaced, which is never written to."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import psycopg
import pytest
from peers import until
from postgres_server import server_user
from psycopg.conninfo import conninfo_to_dict
from store_made import FREELY, all_of, attempt, claimed, routed, webhook

from bridge.core.delivery import DeliveryState
from bridge.core.errors import StoreUnavailable
from bridge.core.model import Webhook
from bridge.store.postgres.db.server_errors import is_lost, server_error
from bridge.store.postgres.db.server_url import next_host_first
from bridge.store.postgres.db.timeline_fence import TimelineFence
from bridge.store.postgres.store import PostgresStore
from bridge.store.protocol import Store

SYSTEM = 7_500_000_000_000_000_001


@pytest.fixture
def pooled(empty_database: str, tmp_path: Path) -> Iterator[str]:
    """The database behind pgbouncer in transaction mode, which has two connections to it."""
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    folder = Path(str(conninfo_to_dict(empty_database)["host"]))
    settings = folder / "pgbouncer.ini"  # where the server's user may read
    settings.write_text(
        f"[databases]\n* = host={folder} user=bridge\n[pgbouncer]\nunix_socket_dir = {folder}\nlisten_port = 6432\n"
        "auth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n"
    )
    settings.chmod(0o644)
    with (tmp_path / "log").open("wb") as log:
        bouncer = subprocess.Popen([program, str(settings)], user=server_user(), stdout=log, stderr=log, cwd="/")
    try:
        until((folder / ".s.PGSQL.6432").exists, what="pgbouncer")
        yield f"postgresql:///postgres?host={folder}&port=6432&user=bridge"
    finally:
        bouncer.send_signal(signal.SIGINT)
        bouncer.wait(30)


async def keep_until_kept(store: PostgresStore, one: Webhook) -> None:
    while True:
        try:
            return await store.keep([one])
        except StoreUnavailable:
            await asyncio.sleep(0.01)


def test_behind_pgbouncer_in_transaction_mode_two_nodes_write_what_they_are_asked_to(pooled: str) -> None:
    async def story() -> None:
        stores = [PostgresStore(pooled, node=node, durable=False) for node in range(2)]
        try:
            for turn in range(4):
                await asyncio.gather(*(one.keep([webhook(f"w-{turn}-{at}")]) for at, one in enumerate(stores)))
                await asyncio.gather(
                    *(one.accept_events([routed(f"e-{turn}-{at}")], now=webhook("w").received_at)
                      for at, one in enumerate(stores)),
                    *(one.state_counts() for one in stores),
                )  # fmt: skip
            counts = await stores[0].state_counts()
            assert counts.deliveries == {("track", "pending"): 8}
            for one in stores * 2:
                held = await claimed(cast("Store", one), now=datetime.now(UTC), pacing=replace(FREELY, limit=2))
                now = datetime.now(UTC)
                sent = all_of(held, DeliveryState.DELIVERED)
                assert await one.record_attempt(held, attempt(at=now), sent, held.destination_state, now=now)
            counts = await stores[0].state_counts()
            assert counts.deliveries == {("track", "delivered"): 8}
        finally:
            for one in stores:
                await one.close()

    asyncio.run(story())


def test_answers_of_pgbouncer_that_do_not_belong_to_what_was_asked_are_those_of_a_lost_connection() -> None:
    error = psycopg.InternalError("received 2 results from command 'BEGIN'")  # as psycopg words it, without a state
    assert is_lost(error)
    assert "is not reachable, and is tried again" in str(server_error(error, "here"))


def test_a_primary_that_was_replaced_is_written_to_by_no_process_of_the_node(
    empty_database: str, tmp_path: Path
) -> None:
    (file := tmp_path / "timeline").touch()
    one, other = TimelineFence(file), TimelineFence(file)

    async def story() -> None:
        store = PostgresStore(empty_database, durable=False, fence=one)
        try:
            await store.keep([webhook("w-1")])
            with psycopg.connect(empty_database) as db:
                [(system,)] = db.execute("SELECT system_identifier FROM pg_control_system()").fetchall()
            other.record(system, 2)  # another process was led to the new primary
            for _ in range(2):  # over the old connection, and over a new one
                with pytest.raises(
                    StoreUnavailable, match=r"former primary.*\(timeline 1, and 2 was seen\)|tried again"
                ):
                    await store.keep([webhook("w-2")])
        finally:
            await store.close()
        with pytest.raises(StoreUnavailable, match=f"former primary.*on purpose, delete {file}"):
            PostgresStore(empty_database, durable=False, fence=TimelineFence(file))
        with psycopg.connect(empty_database) as db:
            assert db.execute("SELECT sum(count) FROM unapplied").fetchone() == (1,)

    asyncio.run(story())


def test_a_server_that_was_made_read_only_is_not_written_to_and_is_used_again_afterwards(empty_database: str) -> None:
    async def story() -> None:
        store = PostgresStore(empty_database, durable=False)
        try:
            await store.keep([webhook("w-1")])
            with psycopg.connect(empty_database, autocommit=True) as db:
                db.execute("ALTER ROLE bridge SET default_transaction_read_only = on")
                db.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'trackbridge'"
                )
            try:
                for _ in range(3):
                    with pytest.raises(StoreUnavailable, match="not reachable"):
                        await store.keep([webhook("w-2")])
            finally:
                with psycopg.connect(empty_database, options="-c default_transaction_read_only=off") as db:
                    db.execute("ALTER ROLE bridge RESET default_transaction_read_only")
            await keep_until_kept(store, webhook("w-3"))
        finally:
            await store.close()
        with psycopg.connect(empty_database) as db:
            assert db.execute("SELECT sum(count) FROM unapplied").fetchone() == (2,)

    asyncio.run(story())


def test_a_timeline_is_compared_within_one_server_and_its_standbys_only() -> None:
    fence = TimelineFence()
    fence.record(SYSTEM, 5)
    fence.record(SYSTEM, 4)
    fence.require(5, "here")
    fence.require(0, "here")  # one that does not say
    with pytest.raises(StoreUnavailable, match="former primary"):
        fence.require(4, "here")
    fence.record(SYSTEM + 1, 1)  # a database that was restored from a dump
    fence.require(1, "here")


@pytest.mark.parametrize(
    ("given", "turned", "count"),
    [
        ("host=db1,db2,db3 port=1,2,3", {"host": "db2,db3,db1", "port": "2,3,1"}, 3),
        ("host=db1,db2 port=1", {"host": "db2,db1", "port": "1"}, 2),
        ("host=db1 port=1", {"host": "db1", "port": "1"}, 1),
        ("service=track", {"service": "track"}, 1),
    ],
)
def test_where_a_former_primary_answers_the_next_host_is_asked(given: str, turned: dict[str, str], count: int) -> None:
    info, hosts = next_host_first(given)
    assert conninfo_to_dict(info) == turned
    assert hosts == count
