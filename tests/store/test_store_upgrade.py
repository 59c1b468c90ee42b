"""A store that any earlier commit made opens today: nothing of it is lost, and what it knew is known."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from old_stores import NAMES, event, put_back, put_back_empty, tables, version_of, webhook
from store_made import FREELY, LEASE, applied, apply_log, claim_rows, complete, delivery, keep, sent

from bridge.core import dedupe_keys
from bridge.core.errors import IdempotencyConflict
from bridge.core.model import SetAside, Webhook
from bridge.store.in_steps import replay_all, retry_all
from bridge.store.protocol import Idempotency, Outcome, RowFilter, Store, WebhookDetail
from bridge.store.sqlite.db import open_file
from bridge.store.sqlite.schema import STEPS
from bridge.store.sqlite.store import SqliteStore

LATER = datetime(2025, 3, 2, 12, tzinfo=UTC)
"""A day after the stores were made: what was put off or claimed then is due."""
BATCH = b'[{"id": "w-item-0"}, {"id": "w-item-1"}]'
DONE = (webhook("w-translated"), webhook("w-ignored"), webhook("w-aside"))


def undone(name: str) -> dict[str, Webhook]:
    """The webhooks that were answered and have not become anything yet, by id."""
    version, commits = version_of(name), name.split("_")[1:]
    found = [
        webhook("w-claimed"), webhook("w-received"), webhook("w-received-too"),
        *(webhook(f"w-item-{n}", body=BATCH, item=f"/{n}") for n in range(2)),
    ]  # fmt: skip
    if commits[0] != "4fc58f6":
        found.append(webhook("w-waiting", topic="refunds/create"))
    for stem in ("w-kept", *(f"w-kept-{commit}" for commit in commits[1:])):
        found += [webhook(f"{stem}-{end}") for end in ("1", "22", "333")]
    unhashed = {
        "3b4a02d",
        "5ccc84f",
        "f1671d0",
        "4f1048d",
        "f1bc662",
        "ad7f427",
        "5355535",
        "c9b23ee",
        "4381f10",
        "79e5329",
        "2f19ef1",
        "f7ecfbb",
        "11eabdf",
        "3ebb245",
        "3eabfe3",
        "c70c18d",
        "3af1736",
        "6efe133",
        "02cb0da",
        "edcfaf0",
        "6e083d8",
        "f474991",
        "3ceed61",
        "1366d2d",
        "ffdfe25",
        "8c4daa7",
        "9244f0a",
        "664c9fe",
    }
    found += [webhook("w-kept-unhashed")] if commits[0] in unhashed else []
    found += [webhook(f"w-kept-{one}-unhashed") for one in commits[1:] if one in unhashed]
    assert version >= 1
    return {one.id: one for one in found}


def told(path: Path, story: Callable[[Store], Awaitable[None]]) -> None:
    async def whole() -> None:
        store = SqliteStore(str(path))
        try:
            await story(store)
        finally:
            await store.close()

    asyncio.run(whole())


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def old(name: str, tmp_path: Path) -> Path:
    return put_back(name, tmp_path / "x.db")


def test_every_webhook_of_an_old_store_that_became_nothing_yet_is_claimed_once_as_it_came(old: Path, name: str) -> None:
    async def story(store: Store) -> None:
        while await apply_log(store, limit=3):
            pass
        claimed: list[Webhook] = []
        while batch := await claim_rows(store, now=LATER, limit=100, lease=LEASE):
            claimed += batch  # one that waits for an event comes after those that may be it
            await complete(store, [Outcome(one, SetAside("x")) for one in batch], now=LATER)
        expected = undone(name)
        assert sorted(one.id for one in claimed) == sorted(expected)
        for one in claimed:
            came = expected[one.id]
            assert (one.body, one.topic, one.item) == (came.body, came.topic, came.item)
            assert came.identity[-1] in one.identity  # by topic and bytes, or by a signed id
            assert (one.headers, one.query, one.received_at) == (came.headers, came.query, came.received_at)
        assert (await store.status_summary(now=LATER)).unreadable == 0

    told(old, story)


def test_every_webhook_of_an_old_store_is_known_when_it_comes_again(old: Path, name: str) -> None:
    async def story(store: Store) -> None:
        known = [*DONE, *undone(name).values()]
        await keep(store)
        assert [one.is_known for one in await keep(store, *known)] == [True] * len(known)
        assert not (await keep(store, webhook("w-new")))[0].is_known

    told(old, story)


def test_every_delivery_of_an_old_store_that_was_pending_is_sent_once_and_no_other(old: Path) -> None:
    async def story(store: Store) -> None:
        assert sorted(await sent(store, now=LATER)) == ["e-due", "e-later", "e-new"]
        assert await sent(store, now=LATER) == []
        states = {row.event: str(row.state) for row in await store.deliveries(RowFilter())}
        assert sorted(states.values()) == ["dead", *["delivered"] * 5, "pending", "skipped"]
        assert (await delivery(store, "e-dead")).reason == "400 the upstream's words"
        assert await retry_all(store, RowFilter(state="dead"), now=LATER) == 1
        assert await sent(store, now=LATER) == ["e-dead"]

    told(old, story)


def test_a_pause_of_an_old_store_goes_on_until_its_probe(old: Path) -> None:
    async def story(store: Store) -> None:
        destination_state = await store.destination_state("ads", now=datetime.now(UTC))
        assert (destination_state.paused, destination_state.probes, destination_state.failures) == (
            "401 no such key",
            1,
            2,
        )
        assert destination_state.paused_for == timedelta(minutes=1)
        probe = await store.claim_deliveries("ads", now=LATER, pacing=FREELY)
        assert probe is not None
        assert [one.event_id for one in probe.deliveries] == ["e-paused"]

    told(old, story)


def test_every_event_of_an_old_store_is_known_when_it_is_told_again(old: Path) -> None:
    key = dedupe_keys.idempotency_key("key:web", "/v1/track", "order-e-new")

    async def story(store: Store) -> None:
        names = ("e-done", "e-dead", "e-later", "e-new", "e-due", "e-skipped", "e-paused")
        again = await store.accept_events([event(one) for one in names], now=LATER)
        assert [(one.event_id, one.duplicate_of) for one in again] == [(one, None) for one in names]
        (double,) = await store.accept_events([event("e-another", order="order-e-due")], now=LATER)
        assert double.duplicate_of == "e-due"
        same = Idempotency(key, hashlib.sha256(b"e-new").digest())
        (answer,) = await store.accept_events([event("e-whatever")], now=LATER, idempotency=same)
        assert answer.event_id == "e-new"
        other = Idempotency(key, hashlib.sha256(b"other").digest())
        with pytest.raises(IdempotencyConflict):
            await store.accept_events([event("e-whatever")], now=LATER, idempotency=other)
        conversion = dedupe_keys.conversion_key("track", "purchase", "order-e-new", test=False)
        assert b"e-new" in (await store.recall_events([conversion]))[conversion][0].text

    told(old, story)


def test_everything_of_an_old_store_can_be_listed_shown_counted_and_replayed(old: Path, name: str) -> None:
    async def story(store: Store) -> None:
        rows = await (await applied(store)).webhooks(RowFilter(limit=500))
        assert len(rows) == len(undone(name)) + 3
        events, deliveries = await store.events(RowFilter()), await store.deliveries(RowFilter())
        names = [*(one.id for one in rows), *(one.id for one in events), *(one.id for one in deliveries)]
        for one in names:
            assert await (await applied(store)).show_detail(one)
        (aside,) = [one for one in rows if str(one.state) == "set_aside"]
        (shown,) = await (await applied(store)).show_detail(aside.id)
        assert isinstance(shown, WebhookDetail)
        assert shown.webhook.body == webhook("w-aside").body
        counts = await store.state_counts()
        assert (counts.unapplied, sum(counts.webhooks.values())) == (0, len(rows))
        assert (await store.status_summary(now=LATER)).lasts["shopify"] == webhook("w").received_at
        assert await replay_all(store, RowFilter(ids=(aside.id,)), now=LATER) == 1

    told(old, story)


def test_what_waits_in_an_old_store_is_woken_by_the_event_it_waits_for(tmp_path: Path) -> None:
    soon = webhook("w").received_at + timedelta(seconds=90)

    async def story(store: Store) -> None:
        due = await claim_rows(store, now=soon, limit=100, lease=timedelta(days=1))
        assert "w-waiting" not in {one.id for one in due}
        await complete(store, [Outcome(one, SetAside("x")) for one in due], now=soon)
        await store.accept_events([event("e-it", order="order-that-has-not-come")], now=soon)
        assert [one.id for one in await claim_rows(store, now=soon, limit=9, lease=LEASE)] == ["w-waiting"]

    told(put_back("v2_3b25d48", tmp_path / "x.db"), story)


# ------------------------------------------------------------------------------------------------------- the tables


def test_an_old_store_comes_to_have_the_very_tables_of_a_new_one(old: Path, tmp_path: Path) -> None:
    open_file.prepare_file(str(old))
    open_file.prepare_file(str(tmp_path / "new.db"))
    found, expected = tables(old), tables(tmp_path / "new.db")
    assert found == expected
    for _, table in expected:
        with closing(sqlite3.connect(old)) as one, closing(sqlite3.connect(tmp_path / "new.db")) as other:
            about = f"PRAGMA table_xinfo({table})"
            assert one.execute(about).fetchall() == other.execute(about).fetchall()


def test_an_old_store_that_holds_nothing_opens(name: str, tmp_path: Path) -> None:
    open_file.prepare_file(str(put_back_empty(name, tmp_path / "x.db")))


def test_every_version_before_this_one_has_a_store_here() -> None:
    assert {version_of(one) for one in NAMES} >= set(range(1, len(STEPS))), (
        "make one with the last commit that wrote the version: tests/store/old/make.py"
    )


def test_each_step_can_be_the_last_for_now(old: Path, name: str) -> None:
    steps = STEPS
    for version in range(version_of(name), len(steps) + 1):
        open_file.prepare_file(str(old), steps=steps[:version])
        with closing(sqlite3.connect(old)) as db:
            assert db.execute("PRAGMA user_version").fetchone() == (version,)
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
