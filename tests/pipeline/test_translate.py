"""The translate loop: nothing that one webhook does holds up the others, and every end is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bridge.core import dedupe_keys
from bridge.core.errors import StoreUnavailable
from bridge.core.model import Event, Ignored, Route, Translated, Translation, Webhook
from bridge.core.source import Source
from bridge.pipeline.translate import BATCH, LATE, Translator
from bridge.store.engines import open_store
from bridge.store.protocol import Filter, Fresh, Store
from bridge.store.sqlite.ingest import log_writer
from bridge.store.sqlite.store import SqliteStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def webhook(name: str, source: str = "shop") -> Webhook:
    identity = (dedupe_keys.signed_webhook(source, name),)
    return Webhook(source=source, id=name, topic=name, received_at=NOW, body=b"{}", identity=identity)


def event(name: str, *, text: Any = b'{"event_type":"lead"}') -> Event:
    return Event(id=f"evt_{name}", door="source:shop", event_type="lead", test=False, text=text, occurred_at=NOW)


def translated(
    webhooks: list[Webhook], become: Callable[[Webhook], Translation], tmp_path: Path
) -> list[tuple[str, str, str | None]]:
    """What stands in the store after the loop has gone round: topic, state, reason."""

    async def passed(store: Store) -> None:
        source = cast(
            "Source", SimpleNamespace(name="shop", to=None, translate_among=lambda one, _earlier: become(one))
        )
        told: list[tuple[str, str]] = []
        translator = Translator(
            store=store,
            sources=lambda: {"shop": source},
            route=lambda _event, _to: (Route("up"),),
            clock=lambda: NOW,
            woke=lambda: None,
            watching=cast("Any", SimpleNamespace(translated=lambda *words: told.append(words))),
        )
        await store.keep(webhooks)
        while await translator.once():
            pass
        assert len(told) == len(webhooks)

    async def listed(store: Store) -> list[tuple[str, str, str | None]]:
        return [(row.topic or "", row.state.value, row.reason) for row in reversed(await store.webhooks(Filter()))]

    async def both() -> list[tuple[str, str, str | None]]:
        store = open_store(f"sqlite:////{tmp_path / 'a.db'}".replace("/////", "////"))
        try:
            await passed(store)
            return await listed(store)
        finally:
            await store.close()

    return asyncio.run(both())


def test_a_source_that_breaks_on_one_webhook_sets_that_one_aside_and_goes_on(tmp_path: Path) -> None:
    def become(one: Webhook) -> Translation:
        if one.id == "bad":
            raise ZeroDivisionError
        return Ignored("as it should be")

    found = translated([webhook("good"), webhook("bad"), webhook("fine")], become, tmp_path)
    fault = "a fault of trackbridge itself (ZeroDivisionError); report it, then replay this webhook"
    assert found == [
        ("good", "ignored", "as it should be"),
        ("bad", "set_aside", fault),
        ("fine", "ignored", "as it should be"),
    ]


def test_an_event_that_the_store_cannot_write_is_set_aside_alone(tmp_path: Path) -> None:
    def become(one: Webhook) -> Translation:
        return Translated((event(one.id, text=object() if one.id == "bad" else b"{}"),))

    found = translated([webhook("good"), webhook("bad"), webhook("fine")], become, tmp_path)
    assert [state for _, state, _ in found] == ["translated", "set_aside", "translated"]


def test_a_webhook_whose_source_is_gone_is_set_aside_with_the_mend(tmp_path: Path) -> None:
    found = translated([webhook("orphan", source="old-shop")], lambda _one: Ignored(""), tmp_path)
    reason = "no source is called old-shop any more; set it again, then replay this webhook"
    assert found == [("orphan", "set_aside", reason)]


def test_the_loop_wakes_for_what_is_kept_and_stops_when_told(tmp_path: Path) -> None:
    async def story() -> str:
        store = open_store(f"sqlite:////{str(tmp_path / 'a.db').lstrip('/')}")
        source = cast("Source", SimpleNamespace(name="shop", to=None, translate=lambda _one: Ignored("seen")))
        seen = asyncio.Event()
        translator = Translator(
            store=store,
            sources=lambda: {"shop": source},
            route=lambda _event, _to: (),
            clock=lambda: datetime.now(UTC),
            woke=lambda: None,
            watching=cast("Any", SimpleNamespace(translated=lambda *_words: seen.set())),
        )
        running: Awaitable[None] = asyncio.ensure_future(translator.run())
        await store.keep([webhook("one")])
        translator.wake()
        async with asyncio.timeout(10):
            await seen.wait()
            translator.stop()
            await running
        succeeded = translator.heartbeat.succeeded_at is not None
        await store.close()
        return "alive" if succeeded else "hung"

    assert asyncio.run(story()) == "alive"


@pytest.mark.parametrize("trouble", [StoreUnavailable("the disk is full"), RuntimeError("a fault")])
def test_a_round_that_fails_is_no_heartbeat_and_an_idle_one_that_looked_is(tmp_path: Path, trouble: Exception) -> None:
    async def story() -> None:
        looked = asyncio.Queue[int]()
        script: list[Exception | None] = [trouble, trouble, None]

        class Troubled(SqliteStore):
            async def fresh(self, *, now: datetime, limit: int) -> Fresh:
                looked.put_nowait(len(script))
                if script and (error := script.pop(0)):
                    raise error
                return await super().fresh(now=now, limit=limit)

        store = Troubled(str(tmp_path / "a.db"))
        translator = Translator(
            store=store,
            sources=dict,
            route=lambda _event, _to: (),
            clock=lambda: datetime.now(UTC),
            woke=lambda: None,
            watching=cast("Any", SimpleNamespace()),
        )
        running = asyncio.ensure_future(translator.run())
        beats: list[float | None] = []
        for _ in range(5):
            await looked.get()
            beats.append(translator.heartbeat.succeeded_at)
            translator.wake()
        translator.stop()
        await running
        await store.close()
        assert beats[:3] == [None, None, None]
        assert None not in beats[3:]

    asyncio.run(story())


def helping(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, age: timedelta, seen: int, placed: int = 0
) -> tuple[int, int]:
    """How many webhooks of that age one that helps translates, after so many have been seen; how often it says: late."""
    monkeypatch.setattr("bridge.pipeline.translate.IDLE", 3600.0)

    async def story() -> tuple[int, int]:
        store = open_store(f"sqlite:////{str(tmp_path / 'a.db').lstrip('/')}")
        source = cast("Source", SimpleNamespace(name="shop", to=None, translate_among=lambda *_: Ignored("seen")))
        told: list[str] = []
        said: list[str] = []
        translator = Translator(
            store=store,
            sources=lambda: {"shop": source},
            route=lambda _event, _to: (),
            clock=lambda: NOW + age,
            woke=lambda: None,
            watching=cast("Any", SimpleNamespace(translated=lambda *_words: told.append("one"))),
            late=lambda: said.append("late"),
            helps=True,
        )
        await asyncio.gather(*[store.keep([webhook(str(number))]) for number in range(3 * BATCH)])
        while placed and (await store.sort_in(limit=placed)):
            pass
        running = asyncio.ensure_future(translator.run())
        async with asyncio.timeout(20):
            while len(told) < seen:  # noqa: ASYNC110  no event tells it
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        translator.stop()
        await running
        await store.close()
        return len(told), len(said)

    monkeypatch.setattr(log_writer, "MANY", 1)
    return asyncio.run(story())


def test_one_that_helps_goes_on_while_what_it_finds_is_late_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert helping(monkeypatch, tmp_path, age=2 * LATE, seen=3 * BATCH) == (3 * BATCH, 3)


def test_one_that_helps_leaves_to_another_what_that_one_keeps_up_with(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert helping(monkeypatch, tmp_path, age=LATE, seen=BATCH) == (BATCH, 0)


def test_one_that_helps_rests_where_the_store_has_gone_while_it_was_late(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    looks: list[int] = []
    usual = SqliteStore.fresh

    async def fresh(self: SqliteStore, *, now: datetime, limit: int) -> Fresh:
        looks.append(limit)
        if len(looks) > 1:
            raise StoreUnavailable("it has gone")
        return await usual(self, now=now, limit=limit)

    monkeypatch.setattr(SqliteStore, "fresh", fresh)
    helping(monkeypatch, tmp_path, age=2 * LATE, seen=BATCH)
    assert len(looks) == 2


def test_one_that_helps_goes_on_with_what_is_replayed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    count, _ = helping(monkeypatch, tmp_path, age=LATE, seen=3 * BATCH, placed=BATCH)
    assert count == 3 * BATCH
