"""An event is found by its e-mail and its order at any age, by keyed hashes, which go with the event."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from engines import sqlite_in
from msgspec.structs import replace
from store_made import NOW, event, routed

from bridge.status.search_words import search_words
from bridge.store.protocol import RetentionPolicy, Store
from bridge.store.sqlite.admin import find_rows, rewrite

DAY = timedelta(days=1)
ADDRESS = "ada.byron@example.com"
HASHED = hashlib.sha256(ADDRESS.encode()).hexdigest()


def with_store(folder: Path, story: Callable[[Store, sqlite3.Connection], Awaitable[None]]) -> None:
    async def whole() -> None:
        store = sqlite_in(folder)()
        with closing(sqlite3.connect(folder / "store.db", isolation_level=None)) as db:
            db.execute("PRAGMA foreign_keys = ON")
            await story(store, db)
        await store.close()

    asyncio.run(whole())


async def accept(store: Store, *emails: str | None) -> None:
    """An event for each e-mail: `evt_0`, `evt_1` …"""
    for place, email in enumerate(emails):
        text = b"{}" if email is None else b'{"user_data":{"email":"%s"}}' % email.encode()
        one = replace(event(f"evt_{place}"), text=text)
        await store.accept_events([replace(routed(one.id), event=one)], now=NOW)


async def sweep(store: Store, *, now: int = 0) -> None:
    while (await store.purge(RetentionPolicy(), now=NOW + now * DAY, limit=1)).more:
        pass


def newest_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What find reads without an index is the newest event and no body."""
    monkeypatch.setattr(find_rows, "NEWEST", 1)
    monkeypatch.setattr(find_rows, "NEWEST_BODIES", 0)


def test_events_of_a_person_are_found_at_any_age_in_clear_and_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(store: Store, db: sqlite3.Connection) -> None:
        await accept(store, ADDRESS, "bob@example.com", HASHED.upper(), f" {ADDRESS.upper()}", None, *["x@y.test"] * 9)
        words = search_words(f" {ADDRESS.title()} ")
        found = await store.find_rows(words)
        assert (set(found.event_ids), found.unread) == (set(), 13), "no sweep has looked at them, which is said"
        await sweep(store)
        for typed in (words, search_words(HASHED)):
            found = await store.find_rows(typed)
            assert (set(found.event_ids), found.unread) == ({"evt_0", "evt_2", "evt_3"}, 0)
        assert (await store.find_rows(search_words("ada@example.com"))).event_ids == ()
        rows = db.execute("SELECT event, name FROM event_names").fetchall()
        assert len(rows) == 13 + 14, "and the order of each"
        assert all(isinstance(name, int) for _, name in rows), "no address is kept for it"

    newest_only(monkeypatch)
    with_store(tmp_path, story)


def test_the_hash_is_that_of_the_text_and_goes_with_the_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(store: Store, db: sqlite3.Connection) -> None:
        await accept(store, ADDRESS, None, None)
        await sweep(store)
        for text, found in ((b'{"user_data":{"email":"bob@example.com"}}', ()), (b"{}", ()), (None, ("evt_0",))):
            changed = replace(event("evt_0"), text=text or b'{"user_data":{"email":"%s"}}' % ADDRESS.encode())
            rewrite.overwrite_event(db, 1, changed, called="evt_0")
            assert (await store.find_rows(search_words(ADDRESS))).event_ids == found
        db.execute("UPDATE deliveries SET state = 'delivered'")
        await sweep(store, now=91)
        assert db.execute("SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM event_names)").fetchone() == (
            0, 0,
        )  # fmt: skip

    newest_only(monkeypatch)
    with_store(tmp_path, story)


def test_events_of_an_order_are_found_at_any_age_by_its_id_and_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(store: Store, _db: sqlite3.Connection) -> None:
        for number in range(4):
            text = b'{"properties":{"order_id":"%d","order_name":"#A-%d"}}' % (5000 + number, number)
            one = replace(event(f"evt_{number}"), text=text, order_id=str(5000 + number))
            await store.accept_events([replace(routed(one.id), event=one)], now=NOW)
        await sweep(store)
        for what in ("5001", " 5001 ", "#A-1", "A-1"):
            words = search_words(what)
            assert (await store.find_rows(words)).event_ids == (("evt_1",) if what != "A-1" else ()), what

    newest_only(monkeypatch)
    with_store(tmp_path, story)
