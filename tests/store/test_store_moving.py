"""A SQLite store is moved to PostgreSQL with all that it knows; ended anywhere, it goes on, and nothing is doubled."""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import psycopg
import pytest
from old_stores import NAMES, put_back, version_of
from store_made import (
    FREELY,
    NOW,
    SECOND,
    accepted,
    after,
    all_of,
    applied,
    attempt,
    claim_rows,
    claimed,
    complete,
    dead,
    ids,
    ignored,
    keep,
    nothing_to_claim,
    order,
    routed,
    sent,
    set_aside,
    settled,
    stand,
    webhook,
)

from bridge.cli import main
from bridge.core.conversions import LedgerEffects, RememberedConversion
from bridge.core.delivery import DeliveryState
from bridge.core.errors import StoreUnavailable, StoreUnusable
from bridge.core.mapping_text import MappingText
from bridge.core.model import EventNeeded, Ignored, Route
from bridge.store import engines
from bridge.store.moving import move_store, source, table_copies
from bridge.store.moving.move_store import MoveProgress, MoveResult
from bridge.store.moving.target import MovingTarget
from bridge.store.postgres import schema
from bridge.store.postgres.store import PostgresStore
from bridge.store.protocol import (
    DeliveryRow,
    DestinationState,
    EventRow,
    Idempotency,
    Outcome,
    RetentionPolicy,
    RowFilter,
    Store,
    WebhookDetail,
    WebhookRow,
)
from bridge.store.sqlite.db import open_file, serve_lock
from bridge.store.sqlite.store import SqliteStore
from bridge.store.status_views import ActionTaken, MappingDraft, ProcessHeartbeat, RefusedRequests

HOUR = timedelta(hours=1)
FAR = 100_000 * HOUR
WEB = Idempotency(b"i" * 16, b"h" * 32)
MAPPING = MappingText("shopify.yaml", b"rules: []\n" * 40)
Story = Callable[[Store], Awaitable[object]]


class KilledError(Exception):
    """Stands for the end of the process."""


def in_sqlite(path: Path, story: Story) -> object:
    return _run(cast("Store", SqliteStore(str(path))), story)


def in_postgres(url: str, story: Story) -> object:
    return _run(cast("Store", PostgresStore(url, by_caller=True, durable=False)), story)


def _run(store: Store, story: Story) -> object:
    async def whole() -> object:
        try:
            return await story(store)
        finally:
            await store.close()

    return asyncio.run(whole())


def move(
    path: Path, url: str, *, history: str | None = None, tell: Callable[[MoveProgress], None] = lambda _: None
) -> MoveResult:
    return move_store.move_rows(str(path), url, history=history, now=lambda: after(7200), tell=tell, durable=False)


async def fill(store: Store) -> None:
    """Webhooks, events and deliveries in every state, and all else that a store keeps."""
    await ignored(store, "ignored")
    await set_aside(store, "aside")
    await settled(store, "sale", routed("sale-1", order("1")))
    await settled(store, "sale-again", routed("sale-1b", order("1")))
    assert await sent(store) == ["sale-1"]
    await dead(store, "dead-1")
    await accepted(store, "skipped-1", routes=(Route("track", "no consent"),))
    await accepted(store, "tried-1")
    found = await claimed(store)
    later = all_of(found, DeliveryState.PENDING, reason="500", next_attempt_at=after(60))
    await store.record_attempt(found, attempt(status=500), later, found.destination_state, now=NOW)
    await store.accept_events([routed("asked-1")], now=NOW, idempotency=WEB)
    assert ids(await claimed(store)) == ["asked-1"]  # and its sender was killed
    await stand(store, DestinationState("meta", paused="401", paused_at=NOW, probe_at=after(60)))
    await keep(store, *(webhook(one) for one in ("refund", "poor", "told", "lost-sale")))
    mine = {one.id: one for one in await claim_rows(store)}
    effects = LedgerEffects(
        (RememberedConversion((order("9"),), "a draft order", b'{"properties":{}}'),),
        aliases=((order("8"), order("1")),),
    )
    await complete(
        store,
        [
            Outcome(mine["refund"], EventNeeded((order("2"),), "purchase", after(86_400))),
            Outcome(mine["poor"], EventNeeded((order("3"),), "purchase", after(86_400), lends=b"{}", rank=1)),
            Outcome(mine["told"], Ignored("remembered"), effects, MAPPING),
            Outcome(mine["lost-sale"], Ignored("no sale"), LedgerEffects(revisit=(order("4"),))),
        ],
    )
    await store.add_refused([RefusedRequests("shopify", "signature", 3, NOW, after(1), skew=SECOND)])
    await store.record_action(ActionTaken(NOW, "ann", "replayed", "wh_1", 2))
    await store.keep_draft(MappingDraft("shopify", "ann", NOW, b"d" * 32, b"rules: [1]\n"))
    await store.keep_refresh_token("reddit", b"sealed", given=b"g" * 32)
    await store.record_check("track", failed="refused", now=NOW)
    await store.console_secret()
    await keep(store, webhook("waits-1", at=after(2)), webhook("waits-2"))
    await store.keep([webhook("only-in-the-log", body=b'{"big": "' + b"x" * 3000 + b'"}')])


async def all_answers(store: Store) -> dict[str, object]:
    """All that one can ask of it: lists, each thing in full, counts, and what status tells."""
    await applied(store)
    rows: list[WebhookRow | EventRow | DeliveryRow] = [*await store.webhooks(RowFilter())]
    rows += [*await store.events(RowFilter()), *await store.deliveries(RowFilter())]
    details = {row.id: await store.show_detail(row.id) for row in rows}
    return {
        "lists": rows,
        "details": details,
        "counts": await store.state_counts(),
        "summary": await store.status_summary(now=NOW),
        "status": await store.status_details(),
        "outcomes": await store.read_outcomes(since=NOW),
        "totals": await store.read_totals(),
        "quarters": await store.read_quarters(since=NOW),
        "drafts": await store.read_drafts(),
        "actions": await store.newest_actions(most=9),
        "secret": await store.console_secret(),
        "known": await store.recall_events([order(name) for name in "12389"]),
        "states": [await store.destination_state(name, now=NOW) for name in ("track", "meta", "new")],
        "found": (await store.find_rows(["sale-1", "aside"])).event_ids,
    }


@pytest.fixture(scope="module")
def filled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filled") / "store.db"
    in_sqlite(path, fill)
    return path


@pytest.fixture
def filled(filled_once: Path, tmp_path: Path) -> Path:
    """A store of the test's own, with its ingest log."""
    return Path(shutil.copytree(filled_once.parent, tmp_path / "filled")) / filled_once.name


def test_all_that_a_store_knows_is_the_same_after_a_move_under_the_same_ids(filled: Path, empty_database: str) -> None:
    before = cast("dict[str, object]", in_sqlite(filled, all_answers))
    in_postgres(empty_database, try_out)
    result = move(filled, empty_database)
    assert result.differences == ()
    there = cast("dict[str, object]", in_postgres(empty_database, all_answers))
    for name, answer in before.items():
        assert there[name] == answer, name


def heartbeat(*, is_stopped: bool) -> ProcessHeartbeat:
    """A sign of life of now, by the real clock."""
    return ProcessHeartbeat("one", "web", "web", 1, NOW, datetime.now(UTC), stopped=is_stopped)


async def try_out(store: Store) -> None:
    """What a `serve` leaves that was started once and stopped."""
    assert await nothing_to_claim(store)
    await store.console_secret()
    await store.record_heartbeat(heartbeat(is_stopped=True))


def test_what_was_moved_is_hashed_by_the_sweep_where_events_came_and_went(filled: Path, empty_database: str) -> None:
    PostgresStore(empty_database, durable=False)  # makes the tables
    with psycopg.connect(empty_database, autocommit=True) as db:
        db.execute("UPDATE names_key SET last_event = %s", (2**62,))
        move(filled, empty_database)
        assert db.execute("SELECT last_event FROM names_key").fetchone() == (0,)


async def deliver_all(store: Store) -> list[str]:
    """What is sent when all waits are over, and the webhooks that become nothing else."""
    found: list[str] = []
    for hours in range(3):
        while one := await sent(store, now=NOW + (hours + 1) * HOUR, pacing=replace(FREELY, concurrency=9)):
            found += one
    return found


def test_what_waited_is_delivered_once_after_a_move_killed_at_any_point(
    filled: Path, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "BATCH_ROWS", 4)
    begin = MovingTarget.begin_move
    monkeypatch.setattr(MovingTarget, "begin_move", lambda *_, **__: (_ for _ in ()).throw(KilledError))
    with pytest.raises(KilledError):
        move(filled, empty_database)
    monkeypatch.setattr(MovingTarget, "begin_move", begin)
    kills = 0
    while not _moved_before_a_kill(filled, empty_database, steps=3 - kills % 3):
        kills += 1
    assert kills > 15
    assert move(filled, empty_database).was_done

    async def story(store: Store) -> None:
        assert await deliver_all(store) == ["asked-1", "tried-1"]
        assert sorted(one.id for one in await claim_rows(store, now=after(7200))) == [
            "only-in-the-log", "waits-1", "waits-2",
        ]  # fmt: skip
        (again,) = await keep(store, webhook("sale"))
        assert again.is_known
        assert (await store.accept_events([routed("sale-3", order("1"))], now=after(9)))[0].duplicate_of == "sale-1"
        assert (await store.accept_events([routed("asked-1")], now=after(9), idempotency=WEB))[0].event_id == "asked-1"
        await settled(store, "purchase", routed("sale-2", order("2")), now=after(7300))
        woken = await claim_rows(store, now=after(7300))
        assert [one.id for one in woken if one.id in {"refund", "poor"}] == ["refund"]
        await settled(store, "found-sale", routed("sale-4", order("4")), now=after(7400))
        assert "lost-sale" in {one.id for one in await claim_rows(store, now=after(7400))}

    in_postgres(empty_database, story)


def _moved_before_a_kill(path: Path, url: str, *, steps: int) -> bool:
    left = [None] * steps

    def tell(_: MoveProgress) -> None:
        if not left:
            raise KilledError
        left.pop()

    try:
        return move(path, url, tell=tell).differences == ()
    except KilledError:
        with pytest.raises(StoreUnusable, match=r"is being moved (to|into)"):
            SqliteStore(str(path))
        return False


def test_without_history_what_is_done_stays_and_duplicates_are_known(filled: Path, empty_database: str) -> None:
    assert move(filled, empty_database, history="none").differences == ()

    async def story(store: Store) -> None:
        assert {row.id for row in await store.events(RowFilter())} == {"dead-1", "tried-1", "asked-1"}
        counted = await store.state_counts()
        assert counted.webhooks == {("shopify", "ignored"): 1, ("shopify", "received"): 5, ("shopify", "set_aside"): 1}
        assert (await store.accept_events([routed("sale-3", order("1"))], now=after(9)))[0].duplicate_of is not None
        assert (await keep(store, webhook("sale")))[0].is_known
        assert await deliver_all(store) == ["asked-1", "tried-1"]

    in_postgres(empty_database, story)


def test_what_was_moved_is_purged_when_it_was_kept_long_enough_and_not_before(
    filled: Path, empty_database: str
) -> None:
    move(filled, empty_database)
    keeping = RetentionPolicy(bodies=10 * HOUR, events=FAR, ledger=FAR)

    async def story(store: PostgresStore, *, keeping: RetentionPolicy) -> set[str]:
        while (await store.purge(keeping, now=NOW, limit=5)).more:
            pass
        rows = await cast("Store", store).webhooks(RowFilter())
        found = [one for row in rows for one in await cast("Store", store).show_detail(row.id)]
        return {one.webhook.id for one in found if isinstance(one, WebhookDetail) and not one.body_gone}

    def purged(keeping: RetentionPolicy) -> set[str]:
        store = PostgresStore(empty_database, durable=False)  # by the server's clock, years after the webhooks came
        return cast(
            "set[str]", _run(cast("Store", store), lambda one: story(cast("PostgresStore", one), keeping=keeping))
        )

    needed = {"aside", "refund", "poor", "lost-sale", "waits-1", "waits-2", "only-in-the-log"}
    assert purged(replace(keeping, bodies=FAR)) == needed | {"ignored", "sale", "sale-again", "told"}
    assert purged(keeping) == needed


def test_no_serve_starts_on_a_store_that_moved_and_none_moves_while_one_runs(
    filled: Path, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{filled}"
    monkeypatch.setattr(serve_lock, "_INSTANT", 0.0)
    with serve_lock.locked_for_restore(str(filled)), pytest.raises(StoreUnavailable, match="stop it first"):
        move(filled, empty_database)

    def serve_meanwhile(_: MoveProgress) -> None:
        with pytest.raises(StoreUnusable, match="is being moved to postgresql://bridge@/postgres"):
            engines.reserve_store(url, ())

    move(filled, empty_database, tell=serve_meanwhile)
    for use in (engines.open_store, engines.check_store):
        with pytest.raises(StoreUnusable, match=r"was moved to postgresql://bridge@/postgres.* set BRIDGE_STORE"):
            use(url)


def test_a_move_that_is_given_up_leaves_the_source_as_it_was(filled: Path, empty_database: str) -> None:
    before = cast("dict[str, object]", in_sqlite(filled, all_answers))
    assert not _moved_before_a_kill(filled, empty_database, steps=9)
    with pytest.raises(StoreUnusable, match="a part of it is not there yet"):
        PostgresStore(empty_database, durable=False)
    assert engines.cancel_move(f"sqlite:///{filled}") == "postgresql://bridge@/postgres?host=" + _folder(empty_database)
    assert in_sqlite(filled, all_answers) == before
    with pytest.raises(StoreUnusable, match="name an empty database"):
        move(filled, empty_database)


def _folder(url: str) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(url)["host"])


@pytest.fixture
def not_durable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the command take the server of these tests, which flushes nothing."""
    migrate = schema.migrate_database
    monkeypatch.setattr(schema, "migrate_database", lambda db, *, where, **_: migrate(db, where=where, durable=False))


@pytest.mark.usefixtures("not_durable")
def test_the_command_says_what_came_and_that_both_sides_agree(
    filled: Path, empty_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["move", f"sqlite:///{filled}", empty_database]) == 0
    said = capsys.readouterr().out
    assert "moved 11 webhooks; " in said
    assert "webhooks: 11 in SQLite, 11 in PostgreSQL (ignored 3/3, received 5/5, set_aside 1/1, translated 2/2)" in said
    assert "both sides agree. " in said
    assert "BRIDGE_SEAL_KEY" in said
    assert main(["move", f"sqlite:///{filled}", empty_database]) == 0
    assert "nothing is left to do" in capsys.readouterr().out


@pytest.mark.usefixtures("not_durable")
def test_a_difference_is_named_and_the_move_is_not_finished(
    filled: Path, empty_database: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = MovingTarget.prepare_reading

    def lose_one(target: MovingTarget) -> None:
        with psycopg.connect(empty_database) as db:
            db.execute("DELETE FROM webhooks WHERE state = 'set_aside'")
        index(target)

    monkeypatch.setattr(MovingTarget, "prepare_reading", lose_one)
    assert main(["move", f"sqlite:///{filled}", empty_database]) == 1
    assert "they differ: webhooks, set_aside: 1 in SQLite, 0 in PostgreSQL" in capsys.readouterr().err
    with pytest.raises(StoreUnusable, match="is being moved to"):
        SqliteStore(str(filled))
    with pytest.raises(StoreUnusable, match="a part of it is not there yet"):
        PostgresStore(empty_database, durable=False)


def test_a_database_in_use_and_the_way_back_are_refused_and_no_password_is_said(
    filled: Path, empty_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    in_postgres(empty_database, lambda store: store.record_heartbeat(heartbeat(is_stopped=False)))
    with pytest.raises(StoreUnavailable, match=r"`trackbridge serve` runs on the store .* on the node one; stop it"):
        move(filled, empty_database)
    in_postgres(empty_database, lambda store: accepted(store, "mine"))
    with pytest.raises(StoreUnusable, match="is in use already"):
        move(filled, empty_database)
    here = f"sqlite:///{filled}"
    for typed in (
        ["postgresql://me:secret@db/track", here],
        [here, here],
        [here, "postgresql://me:secret@127.0.0.1:1/t"],
    ):
        assert main(["move", *typed]) == 1
    said = capsys.readouterr()
    assert "from SQLite to PostgreSQL only" in said.err
    assert "a store is moved to a PostgreSQL server" in said.err
    assert "secret" not in said.err + said.out
    in_sqlite(filled, lambda store: store.state_counts())  # it is marked only once the target is known to do


def test_no_batch_reads_again_what_those_before_it_have_read(filled: Path) -> None:
    large = [copy for copy in table_copies.COPIES if copy.name not in {"claims", "earlier_versions"}]
    again: dict[str, list[str]] = {}
    with closing(open_file.connect_to(str(filled), reading=False, busy=SECOND)) as db:
        source.prepare_lookups(db, since=0)
        for copy in large:
            query = f"EXPLAIN QUERY PLAN {source.batch_query(copy, is_first=False)}"
            steps = [row[3] for row in db.execute(query, {"since": 0, "k0": 0, "k1": 0, "k2": 0})]
            again[copy.name] = [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step]
    assert again == {copy.name: [] for copy in large}


def test_every_table_and_column_of_sqlite_is_moved_or_stays_for_a_reason(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as db:
        named = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        tables = {name for (name,) in named}
        columns = {(one, row[1]) for one in tables for row in db.execute(f"PRAGMA table_info({one})")}
    copied = {copy.name for copy in table_copies.COPIES} - {"outbox"}
    assert tables == copied | set(table_copies.COUNTED) | table_copies.STAYING.keys()
    by_table = {copy.name: set(re.findall(r"\w+", copy.select)) for copy in table_copies.COPIES}
    by_table["deliveries"] |= by_table["outbox"]  # which has those that are pending
    left = {(one, name) for one, name in columns if one in copied and name not in by_table[one]}
    assert left == set(table_copies.STAYING_COLUMNS)


def test_a_store_of_an_older_version_is_moved_as_it_is(tmp_path: Path, empty_database: str) -> None:
    newest = max(NAMES, key=version_of)
    path = put_back(newest, tmp_path / "store.db")
    assert move(path, empty_database).differences == ()
    with psycopg.connect(empty_database) as db:  # as where a later version has one more table with days
        db.execute("DROP TABLE parcels_moved")
    in_postgres(empty_database, lambda store: store.state_counts())
    with psycopg.connect(empty_database) as db:
        assert db.execute("SELECT to_regclass('parcels_moved') IS NOT NULL").fetchone() == (True,)
