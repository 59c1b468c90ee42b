"""Counting refused requests costs a flood no more disk than a few requests, and a restart forgets none of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from bridge.core.errors import StoreUnavailable
from bridge.http import refusals
from bridge.http.refusals import MOST_KINDS, MOST_PATHS, RefusalCounter
from bridge.store.sqlite.store import SqliteStore
from bridge.store.status_views import RefusedRequests

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Writes(SqliteStore):
    """A store that only remembers what was added, and may be unavailable."""

    def __init__(self) -> None:
        self.added: list[list[RefusedRequests]] = []
        self.unavailable = False
        self.written = asyncio.Event()

    async def add_refused(self, refused: Sequence[RefusedRequests]) -> None:
        if self.unavailable:
            raise StoreUnavailable("the disk is full")
        self.added.append(list(refused))
        self.written.set()


def told(story: Callable[[Writes, RefusalCounter], Awaitable[None]], *, sources: Sequence[str] = ()) -> Writes:
    async def whole() -> Writes:
        store = Writes()
        counter = RefusalCounter(store, clock=lambda: NOW, sources=lambda: sources)
        await story(store, counter)
        return store

    return asyncio.run(whole())


def test_ten_thousand_refused_requests_are_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "SOON", 0.01)

    async def story(store: Writes, counter: RefusalCounter) -> None:
        for _ in range(10_000):
            counter.count_refused("stripe", "mismatch")
        await store.written.wait()
        counter.count_refused("stripe", "mismatch")
        await counter.finish_writing()

    [first], [second] = told(story).added
    assert (first.source, first.cause, first.count, first.first_at) == ("stripe", "mismatch", 10_000, NOW)
    assert second.count == 1


def test_what_cannot_be_written_is_written_with_the_next() -> None:
    async def story(store: Writes, counter: RefusalCounter) -> None:
        store.unavailable = True
        counter.count_refused("stripe", "mismatch")
        await counter.write_counts()
        store.unavailable = False
        counter.count_refused("stripe", "mismatch")
        await counter.finish_writing()

    [[one]] = told(story).added
    assert one.count == 2


def test_no_flood_of_kinds_takes_memory_without_end() -> None:
    async def story(_store: Writes, counter: RefusalCounter) -> None:
        for number in range(MOST_KINDS * 3):
            counter.count_refused(f"source-{number}", "mismatch")
        await counter.finish_writing()

    [rows] = told(story).added
    assert len(rows) == MOST_KINDS


def test_of_a_flood_of_unknown_paths_only_the_first_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    monkeypatch.setattr(refusals, "find_meant_source", lambda path, _names: compared.append(path))

    async def story(_store: Writes, counter: RefusalCounter) -> None:
        for number in range(MOST_PATHS * 10):
            counter.count_unknown_path({"method": "POST", "path": f"/wp-{number}"})

    assert told(story).added == []
    assert len(compared) == MOST_PATHS


def test_only_posts_to_a_path_that_resembles_a_source_are_counted() -> None:
    async def story(_store: Writes, counter: RefusalCounter) -> None:
        for method, path in (("GET", "/webhooks/strpe"), ("POST", "/favicon.ico"), ("POST", "/webhooks/strpe")):
            counter.count_unknown_path({"method": method, "path": path})
        await counter.finish_writing()

    [[one]] = told(story, sources=["stripe", "shopify"]).added
    assert (one.source, one.cause, one.detail, one.count) == ("stripe", "unknown_path", "/webhooks/strpe", 1)


def test_by_how_much_the_clock_is_off_is_written_with_stale_requests_alone() -> None:
    async def story(_store: Writes, counter: RefusalCounter) -> None:
        counter.note_skew("stripe", timedelta(hours=1))
        counter.count_refused("stripe", "stale")
        counter.count_refused("stripe", "mismatch")
        await counter.finish_writing()

    [rows] = told(story).added
    assert {one.cause: one.skew for one in rows} == {"stale": timedelta(hours=1), "mismatch": None}
