"""An event is found by its e-mail and its order at any age, by keyed hashes, which go with the event."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from msgspec.structs import replace
from store_made import NOW, Tell, event, order, routed, settled

from bridge.core.model import Event, Routed
from bridge.status.search_words import search_words
from bridge.store.postgres.admin import find_rows as in_postgres
from bridge.store.protocol import RetentionPolicy, Store
from bridge.store.sqlite.admin import find_rows as in_sqlite

DAY = timedelta(days=1)
ADDRESS = "ada.byron@example.com"
HASHED = hashlib.sha256(ADDRESS.encode()).hexdigest()

NameRows = Callable[[], list[tuple[object, ...]]]


@pytest.fixture
def name_rows(request: pytest.FixtureRequest, tmp_path: Path) -> NameRows:
    """Reads the rows of the hashes: event and name."""

    def read() -> list[tuple[object, ...]]:
        query = "SELECT event, name FROM event_names"
        if request.node.callspec.params["opener"] == "sqlite":
            with closing(sqlite3.connect(tmp_path / "store.db")) as db:
                return db.execute(query).fetchall()
        with psycopg.connect(request.getfixturevalue("postgres_url")) as server:
            return server.execute(query).fetchall()

    return read


@pytest.fixture(autouse=True)
def newest_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What find reads without an index is the newest event and body."""
    for engine in (in_sqlite, in_postgres):
        monkeypatch.setattr(engine, "NEWEST", 1)
        monkeypatch.setattr(engine, "NEWEST_BODIES", 1)


def of_person(name: str, email: str | None, *, origin: str = "key:web") -> Event:
    text = b"{}" if email is None else b'{"user_data":{"email":"%s"}}' % email.encode()
    return replace(event(name, origin=origin), text=text)


async def accept(store: Store, *emails: str | None) -> None:
    """An event for each e-mail: `evt_0`, `evt_1` …"""
    for place, email in enumerate(emails):
        await store.accept_events([Routed(of_person(f"evt_{place}", email), ())], now=NOW)


async def sweep(store: Store, *, now: int = 0, limit: int = 3) -> None:
    while (await store.purge(RetentionPolicy(), now=NOW + now * DAY, limit=limit)).more:
        pass


def test_events_of_a_person_are_found_at_any_age_in_clear_and_hashed(tell: Tell, name_rows: NameRows) -> None:
    async def story(store: Store) -> None:
        await accept(store, ADDRESS, "bob@example.com", HASHED.upper(), f" {ADDRESS.upper()}", None, *["x@y.test"] * 9)
        words = search_words(f" {ADDRESS.title()} ")
        found = await store.find_rows(words)
        assert (set(found.event_ids), found.unread) == (set(), 13), "no sweep has looked at them, which is said"
        assert found.since == NOW, "not all events were read, though there is no webhook"
        await sweep(store)
        for typed in (words, search_words(HASHED)):
            found = await store.find_rows(typed)
            assert (set(found.event_ids), found.unread) == ({"evt_0", "evt_2", "evt_3"}, 0)
        assert (await store.find_rows(search_words("ada@example.com"))).event_ids == ()
        rows = name_rows()
        assert len(rows) == 13 + 14, "and the order of each"
        assert all(isinstance(name, int) for _, name in rows), "no address is kept for it"

    tell(story)


def test_the_hash_is_that_of_the_text_and_goes_with_the_event(tell: Tell, name_rows: NameRows) -> None:
    async def story(store: Store) -> None:
        origin = "source:shopify"
        number = await settled(store, "a", Routed(of_person("evt_0", ADDRESS, origin=origin), ()))
        await accept(store, None, None)
        await sweep(store)
        for email, found in (("bob@example.com", ()), (None, ()), (ADDRESS, ("evt_0",))):
            again = Routed(of_person("evt_0", email, origin=origin), ())
            await store.rewrite_events(number, [again], now=NOW)
            assert (await store.find_rows(search_words(ADDRESS))).event_ids == found
        await sweep(store, now=91)
        assert (await store.state_counts()).events == {}
        assert name_rows() == []

    tell(story)


def test_an_event_that_is_written_over_before_a_sweep_is_found_by_what_it_says_then(
    tell: Tell, name_rows: NameRows
) -> None:
    async def story(store: Store) -> None:
        origin = "source:shopify"
        number = await settled(store, "a", Routed(of_person("evt_0", ADDRESS, origin=origin), ()))
        await store.rewrite_events(number, [Routed(of_person("evt_0", None, origin=origin), ())], now=NOW)
        await accept(store, None)
        assert name_rows() == []
        await sweep(store)
        assert (await store.find_rows(search_words(ADDRESS))).event_ids == ()
        assert len(name_rows()) == 2, "the orders of both"

    tell(story)


def test_events_of_an_order_are_found_at_any_age_by_its_id_and_by_its_name(tell: Tell) -> None:
    async def story(store: Store) -> None:
        for number in range(4):
            text = b'{"properties":{"order_id":"%d","order_name":"#A-%d"}}' % (5000 + number, number)
            one = replace(event(f"evt_{number}"), text=text, order_id=str(5000 + number))
            await store.accept_events([replace(routed(one.id), event=one)], now=NOW)
        await sweep(store)
        for what in ("5001", " 5001 ", "#A-1", "A-1"):
            words = search_words(what)
            assert (await store.find_rows(words)).event_ids == (("evt_1",) if what != "A-1" else ()), what

    tell(story)


def test_a_webhook_named_by_the_bridges_own_id_is_found_with_its_events_alone(tell: Tell) -> None:
    async def story(store: Store) -> None:
        number = await settled(store, "a", routed("evt_1", order("1"), origin="source:shopify"))
        await accept(store, None, None)
        found = await store.find_rows([f"wh_{number}"])
        assert (found.webhook_ids, found.event_ids, found.unread) == ((f"wh_{number}",), ("evt_1",), 0)
        assert found.since is None

    tell(story)
