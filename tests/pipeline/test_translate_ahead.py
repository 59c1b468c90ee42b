"""In a backlog the next batch is decided on while one is written: what is told is the same, once, and in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from telling import Bridge

from bridge.core import dedupe_keys
from bridge.core.errors import StoreUnavailable
from bridge.core.json_text import Json
from bridge.core.model import Ignored, Webhook
from bridge.core.source import Source
from bridge.pipeline import translate
from bridge.pipeline.translate import TranslateLoop
from bridge.store.engines import open_store
from bridge.store.protocol import Batch, Completed, Outcome, RowFilter
from bridge.store.sqlite.ingest import log_writer
from bridge.store.sqlite.store import SqliteStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)
COUNT = 12


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate, "BATCH", 3)


class Watched(SqliteStore):
    """A store that tells what is read ahead, and does something before it writes a batch."""

    def __init__(self, folder: Path, before: Callable[[int], None] = lambda _count: None) -> None:
        super().__init__(str(folder / "a.db"))
        self.ahead: list[str] = []
        self._before = before
        self._writes = 0

    async def read_ahead(self, batch: Batch, *, now: datetime, limit: int, lease: timedelta) -> Batch:
        """What is read ahead."""
        following = await super().read_ahead(batch, now=now, limit=limit, lease=lease)
        self.ahead += [one.id for one in following.webhooks]
        return following

    async def complete_batch(
        self, batch: Batch, outcomes: Sequence[Outcome], *, now: datetime
    ) -> tuple[Completed, ...] | None:
        """Write it."""
        self._writes += 1
        self._before(self._writes)
        return await super().complete_batch(batch, outcomes, now=now)


def source(reason: str, decided: Callable[[str], None] = lambda _name: None) -> Source:
    def decide(webhook: Webhook, *_: object) -> Ignored:
        decided(webhook.id)
        return Ignored(reason)

    made = SimpleNamespace(name="shop", to=None, defect=None, mapping_text=None, translate_with_earlier=decide)
    return cast("Source", made)


def loop_over(store: Watched, sources: Callable[[], dict[str, Source]]) -> TranslateLoop:
    return TranslateLoop(
        store=store,
        sources=sources,
        route=lambda _event, _to: (),
        clock=lambda: NOW,
        notify=lambda: None,
        metrics=cast("Any", SimpleNamespace(count_translated=lambda *_: None)),
    )


async def keep_backlog(store: Watched) -> None:
    await store.probe(now=NOW)
    for number in range(COUNT):
        identity = (dedupe_keys.signed_webhook_key("shop", str(number)),)
        await store.keep([Webhook("shop", str(number), str(number), NOW, b"{}", identity)])


def run_backlog(store: Watched, sources: Callable[[], dict[str, Source]]) -> list[tuple[str, str | None]]:
    """The topic of each webhook and why it became no event, oldest first, once a backlog is worked off."""
    loop = loop_over(store, sources)

    async def story() -> list[tuple[str, str | None]]:
        await keep_backlog(store)
        for _ in range(3 * COUNT):
            try:
                if not await loop.translate_batch():
                    break
            except StoreUnavailable:
                continue
        found = [(row.topic or "", row.reason) for row in reversed(await store.webhooks(RowFilter()))]
        await store.close()
        return found

    return asyncio.run(story())


def test_each_webhook_of_a_backlog_has_its_outcome_once_and_in_order(tmp_path: Path) -> None:
    store = Watched(tmp_path)
    same = {"shop": source("seen")}
    assert run_backlog(store, lambda: same) == [(str(number), "seen") for number in range(COUNT)]
    assert store.ahead == [str(number) for number in range(3, COUNT)]


def test_a_batch_that_could_not_be_written_is_written_before_those_that_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "LARGE", 1)  # a file for each request

    def fail(count: int) -> None:
        if count == 2:
            raise StoreUnavailable("the disk is full")

    store = Watched(tmp_path, fail)
    same = {"shop": source("seen")}
    assert run_backlog(store, lambda: same) == [(str(number), "seen") for number in range(COUNT)]
    assert store.ahead.count("6") == 2, "what followed the one that failed was read again"


def test_a_fault_in_one_batch_leaves_the_others_in_order(tmp_path: Path) -> None:
    def fail(count: int) -> None:
        if count == 2:
            raise ZeroDivisionError

    store = Watched(tmp_path, fail)
    same = {"shop": source("seen")}
    assert sorted(run_backlog(store, lambda: same), key=lambda one: int(one[0])) == [
        (str(number), "seen") for number in range(COUNT)
    ]


def test_mappings_that_are_loaded_meanwhile_decide_on_what_was_decided_ahead(tmp_path: Path) -> None:
    loaded: list[dict[str, Source]] = []

    def reload(name: str) -> None:
        if name == "8":
            loaded.append({"shop": source("new")})

    loaded.append({"shop": source("old", reload)})
    found = run_backlog(Watched(tmp_path), lambda: loaded[-1])
    assert [reason for _, reason in found] == ["old"] * 6 + ["new"] * 6


def test_what_was_read_ahead_is_written_before_a_loop_that_stops_has_ended(tmp_path: Path) -> None:
    stops: list[Callable[[], None]] = []

    class Stopped(Watched):
        async def complete_batch(
            self, batch: Batch, outcomes: Sequence[Outcome], *, now: datetime
        ) -> tuple[Completed, ...] | None:
            stops[0]()
            return await super().complete_batch(batch, outcomes, now=now)

    async def story() -> None:
        same = {"shop": source("seen")}
        store = Stopped(tmp_path)
        await keep_backlog(store)
        loop = loop_over(store, lambda: same)
        stops.append(loop.stop)
        await loop.run()
        assert store.ahead == ["3", "4", "5"]
        assert [row.topic for row in reversed(await store.webhooks(RowFilter()))] == ["0", "1", "2", "3", "4", "5"]
        await store.close()

    asyncio.run(story())


def test_a_refund_finds_its_sale_in_the_batch_that_was_written_meanwhile(tmp_path: Path) -> None:
    def paid(number: int) -> Json:
        return {
            "id": number, "name": f"#{number}", "created_at": "2026-03-05T09:00:00Z", "currency": "EUR",
            "financial_status": "paid", "email": f"{number}@example.com", "total_price": "20.00",
            "current_total_price": "20.00", "line_items": [],
        }  # fmt: skip

    def refunded(number: int) -> Json:
        paid_back = {"id": 1, "kind": "refund", "status": "success", "amount": "5.00", "currency": "EUR"}
        return {
            "id": 1000 + number, "order_id": number, "created_at": "2026-03-05T09:30:00Z",
            "refund_line_items": [], "transactions": [paid_back],
        }  # fmt: skip

    async def story(folder: Path) -> list[Json]:
        store = open_store(f"sqlite:///{folder / 'a.db'}")
        bridge = Bridge(store, {"shopify": {}})
        await store.probe(now=bridge.now)
        for topic, made in (("orders/paid", paid), ("refunds/create", refunded)):
            for number in range(1, 6):
                await bridge.keep(made(number), topic=topic, source="shopify")
        await bridge.settle()
        told = await bridge.told()
        await store.close()
        return told

    told = asyncio.run(story(tmp_path))
    assert [one["event_type"] for one in told] == ["purchase"] * 5 + ["refund"] * 5
    assert {one["user_data"]["email"] for one in told} == {f"{number}@example.com" for number in range(1, 6)}
