"""What the store on PostgreSQL costs beside bare psycopg, `serve` on it beside `serve` on SQLite, and idle engines.

Server and clients share the two cores, and the server flushes each commit (`write + fdatasync` says what that takes
here). Within a round the store and the bare loop take turns every few transactions. The bare loop of `keep` packs as
the store does, and inserts the parcel; the one of `claim and record` has the statements of the design alone: the row of
the destination is locked, expired claims end, what is due is read and held; the end is one statement. Both have one
connection. Not concerned with SQLite's own figures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from time import perf_counter
from typing import Any

import database
import filled
import made_up
import psycopg
from database import Database
from figures import Figure, Rounds
from ground import FIRST_NUMBER, Ground, tell
from msgspec.structs import replace
from postgres_serve import idle_engines, one_and_two_nodes, over_http
from wrong import hold

from bridge.core.model import Route, Webhook
from bridge.store.codec import packed_requests
from bridge.store.postgres.store import PostgresStore

AT_ONCE = 50
"""Webhooks of one transaction."""
CLAIMED = 100
"""Deliveries of one claim, as when the bridge is busy."""
TURNS, BLOCK = 20, 10
"""So often the two take turns in a round, so many transactions each time."""

_CLAIM = """
    WITH due AS MATERIALIZED (
        SELECT number, event FROM outbox WHERE destination = %(d)s AND due <= clock_ms()
        AND number <> ALL (ARRAY(SELECT h FROM claims AS c, unnest(c.held) AS h WHERE c.destination = %(d)s))
        ORDER BY due, number LIMIT %(limit)s
    ), claim AS (
        INSERT INTO claims (token, destination, node, until, started_at, held)
        SELECT draw_block(), %(d)s, 0, clock_ms() + 300000, clock_ms(), array_agg(number) FROM due HAVING count(*) > 0
        RETURNING token
    )
    SELECT claim.token, due.number, e.id, e.text FROM claim, due JOIN events AS e ON e.number = due.event
    ORDER BY due.number
"""
_RECORD = """
    WITH claim AS (DELETE FROM claims WHERE token = %(token)s RETURNING started_at), attempt AS (
        INSERT INTO attempts (
            number, destination, started_at, took, status, outcome, answer, counted, ambiguous, deliveries
        )
        SELECT %(token)s, %(d)s, started_at, 20, 200, 'delivered', '{"success": true}', true, false, %(numbers)s::bigint[]
        FROM claim RETURNING number
    ), ended AS (DELETE FROM outbox WHERE number = ANY(%(numbers)s) RETURNING *)
    INSERT INTO deliveries (
        number, event, destination, state, attempts, last_attempt, created_at, ended_at, event_type
    )
    SELECT e.number, event, destination, 'delivered', attempts + 1, attempt.number, created_at, clock_ms(), event_type
    FROM ended AS e, attempt
"""


def measured(ground: Ground) -> list[Figure]:
    """All of it, each part on databases of its own."""
    rounds = Rounds()
    with database.database(ground.folder.parent) as server:
        with server.fresh() as url, psycopg.connect(url) as db:
            tell(f"postgres: {database.described(db)}")
        for number in range(ground.plan.rounds):
            tell(f"postgres: round {number + 1}")
            _keep(server, rounds)
            _claim_and_record(server, rounds)
            over_http(ground, server, rounds)
            one_and_two_nodes(ground, server, rounds)
        idle_engines(ground, server, rounds, seconds=max(20.0, ground.plan.seconds))
    return rounds.figures()


# ------------------------------------------------------------------------------------------------------- webhooks


def _keep(server: Database, rounds: Rounds) -> None:
    with _store(server) as (store, bare, ask):
        bare.execute("CREATE TABLE kept (number bigserial PRIMARY KEY, count int NOT NULL, packed bytea NOT NULL)")
        bare.execute("ALTER TABLE kept ALTER packed SET STORAGE EXTERNAL")
        groups = _groups()

        took = {"store": 0.0, "bare": 0.0, "bare, packed before": 0.0}
        for turn in range(TURNS + 1):
            mine, theirs, packed_before = ([next(groups) for _ in range(BLOCK)] for _ in took)
            packed = [_packed(one) for one in packed_before]
            times = {
                "store": ask(partial(_keep_groups, store, mine)),
                "bare": _timed(partial(_insert_parcels, bare, map(_packed, theirs))),
                "bare, packed before": _timed(partial(_insert_parcels, bare, packed)),
            }
            if turn:  # the first warms up
                took = {name: before + times[name] for name, before in took.items()}
        [(kept,)] = bare.execute("SELECT sum(count) FROM unapplied").fetchall()
        hold(kept == (TURNS + 1) * BLOCK * AT_ONCE, f"{kept} webhooks were kept")
    count = TURNS * BLOCK * AT_ONCE
    rounds.add("postgres: keep 50, of bare psycopg", "", took["bare"] / took["store"])
    rounds.add("postgres: keep 50, of bare psycopg that is given the packed bytes", "",
               took["bare, packed before"] / took["store"])  # fmt: skip
    rounds.add("postgres: keep 50", "webhooks/s", count / took["store"])


async def _keep_groups(store: PostgresStore, groups: Iterable[list[Webhook]]) -> None:
    for one in groups:
        await store.keep(one)


def _insert_parcels(db: psycopg.Connection[Any], packed: Iterable[bytes]) -> None:
    for one in packed:
        with db.transaction():
            db.execute("INSERT INTO kept (count, packed) VALUES (%s, %s)", (AT_ONCE, one))


def _groups() -> Iterator[list[Webhook]]:
    """Webhooks that differ, as they come to one group commit."""
    body, first = made_up.order(), FIRST_NUMBER
    while True:
        yield filled.webhooks(range(first, first + AT_ONCE), body, at=datetime.now(UTC))
        first += AT_ONCE


def _packed(webhooks: list[Webhook]) -> bytes:
    return packed_requests.pack_requests([packed_requests.pack_request(webhooks)])


# ------------------------------------------------------------------------------------------------------ deliveries


def _claim_and_record(server: Database, rounds: Rounds) -> None:
    """The store's deliveries and those of the bare loop lie in the same tables, under two destinations."""
    with _store(server) as (store, bare, ask):
        claims = (TURNS + 1) * BLOCK
        ask(lambda: _fill(store, claims * CLAIMED))
        bare.execute("INSERT INTO standings (destination) VALUES ('bare') ON CONFLICT DO NOTHING")
        bare.execute("ANALYZE")
        took = {"store": 0.0, "bare": 0.0}
        for turn in range(TURNS + 1):
            times = {"store": ask(lambda: _deliver(store)), "bare": _timed(lambda: _by_hand(bare))}
            if turn:
                took = {name: before + times[name] for name, before in took.items()}
        left = bare.execute("SELECT count(*) FROM outbox").fetchall()
        hold(left == [(0,)], f"{left} deliveries were left")
    rounds.add("postgres: claim and record 100, of bare psycopg", "", took["bare"] / took["store"])
    rounds.add("postgres: claim and record 100", "deliveries/s", TURNS * BLOCK * CLAIMED / took["store"])


async def _fill(store: PostgresStore, count: int) -> None:
    routes = (Route(filled.DESTINATION), Route("bare"))
    for start in range(0, count, 1000):
        numbers = range(FIRST_NUMBER + start, FIRST_NUMBER + min(count, start + 1000))
        made = [replace(filled.purchase(number, at=datetime.now(UTC)), routes=routes) for number in numbers]
        await store.accept_events(made, now=datetime.now(UTC))


async def _deliver(store: PostgresStore) -> None:
    for _ in range(BLOCK):
        hold(await filled.deliver(store, CLAIMED, now=datetime.now(UTC)) == CLAIMED, "a claim was too small")


def _by_hand(db: psycopg.Connection[Any]) -> None:
    for _ in range(BLOCK):
        values: dict[str, object] = {"d": "bare", "limit": CLAIMED}
        with db.transaction():
            db.execute("SELECT 1 FROM standings WHERE destination = %(d)s FOR UPDATE", values)
            db.execute("DELETE FROM claims WHERE destination = %(d)s AND until <= clock_ms() RETURNING *", values)
            rows = db.execute(_CLAIM, values, binary=True).fetchall()
        hold(len(rows) == CLAIMED, f"{len(rows)} were claimed by hand")
        with db.transaction():
            db.execute(_RECORD, values | {"token": rows[0][0], "numbers": [row[1] for row in rows]})


# --------------------------------------------------------------------------------------------------------- turns


@contextmanager
def _store(server: Database) -> Iterator[tuple[PostgresStore, psycopg.Connection[Any], Ask]]:
    """A store on a fresh database, a bare connection to it, and what runs and times the store's verbs."""
    with server.fresh() as url, asyncio.Runner() as runner:
        store = PostgresStore(url)

        def ask(story: Callable[[], Awaitable[None]]) -> float:
            async def timed() -> float:
                began = perf_counter()
                await story()
                return perf_counter() - began

            return runner.run(timed())

        try:
            with psycopg.connect(url, autocommit=True, prepare_threshold=1) as bare:
                yield store, bare, ask
        finally:
            runner.run(store.close())


Ask = Callable[[Callable[[], Awaitable[None]]], float]


def _timed(story: Callable[[], object]) -> float:
    began = perf_counter()
    story()
    return perf_counter() - began
