"""The translate loop: nothing that one webhook does holds up the others, and every end is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bridge.core import dedupe_keys
from bridge.core.errors import StoreUnavailable
from bridge.core.model import Event, Ignored, Route, SetAside, Translated, Translation, Webhook
from bridge.core.source import Source
from bridge.pipeline.translate import TranslateLoop
from bridge.store.engines import open_store
from bridge.store.protocol import Batch, RowFilter, Store
from bridge.store.sqlite.store import SqliteStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def webhook(name: str, source: str = "shop") -> Webhook:
    identity = (dedupe_keys.signed_webhook_key(source, name),)
    return Webhook(source=source, id=name, topic=name, received_at=NOW, body=b"{}", identity=identity)


def event(name: str, *, event_type: str = "lead", text: Any = b'{"event_type":"lead"}') -> Event:
    return Event(id=f"evt_{name}", origin="source:shop", event_type=event_type, test=False, text=text, occurred_at=NOW)


def translated(
    webhooks: list[Webhook], become: Callable[[Webhook], Translation], tmp_path: Path
) -> list[tuple[str, str, str | None]]:
    """What stands in the store after the loop has gone round: topic, state, reason."""

    async def passed(store: Store) -> None:
        source = cast(
            "Source",
            SimpleNamespace(
                name="shop",
                to=None,
                defect=None,
                mapping_text=None,
                translate_with_earlier=lambda one, *_: become(one),
            ),
        )
        told: list[tuple[str, str]] = []
        translator = TranslateLoop(
            store=store,
            sources=lambda: {"shop": source},
            route=lambda _event, _to: (Route("up"),),
            clock=lambda: NOW,
            notify=lambda: None,
            metrics=cast("Any", SimpleNamespace(count_translated=lambda *words: told.append(words))),
        )
        await store.keep(webhooks)
        while await translator.translate_batch():
            pass
        assert len(told) == len(webhooks)

    async def listed(store: Store) -> list[tuple[str, str, str | None]]:
        return [(row.topic or "", row.state.value, row.reason) for row in reversed(await store.webhooks(RowFilter()))]

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


def test_webhooks_that_are_set_aside_are_warned_of_with_the_remedy_and_counted_where_many_are_alike(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def become(one: Webhook) -> Translation:
        return SetAside("shop.yaml:9:3: no currency" if one.id != "odd" else "shop.yaml:4:1: no order")

    with caplog.at_level(logging.INFO):
        translated([webhook(name) for name in ("first", "second", "odd", "third")], become, tmp_path)
    mend = "once it is mended, trackbridge replay --set-aside"
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        (
            'webhook.set_aside id=wh_1 source=shop topic=first reason="shop.yaml:9:3: no currency" '
            f'mend="see trackbridge show wh_1; {mend}"'
        ),
        (
            'webhook.set_aside id=wh_3 source=shop topic=odd reason="shop.yaml:4:1: no order" '
            f'mend="see trackbridge show wh_3; {mend}"'
        ),
    ]
    assert "webhook.translated" not in caplog.text


def test_the_log_tells_of_one_webhook_after_another_also_where_one_is_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def become(one: Webhook) -> Translation:
        return SetAside("no currency") if one.id == "b" else Translated((event(one.id),))

    with caplog.at_level(logging.INFO):
        translated([webhook(name) for name in "abc"], become, tmp_path)
    told = [record.getMessage().split(" ")[0] for record in caplog.records]
    made = ["webhook.kept", "webhook.translated", "event.made"]
    assert told == [*made, "webhook.kept", "webhook.set_aside", *made]


def test_an_event_type_that_is_no_plain_name_does_not_stand_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = {"a": "lead", "b": "ada@example.com"}
    with caplog.at_level(logging.INFO):
        translated(
            [webhook(name) for name in made],
            lambda one: Translated((event(one.id, event_type=made[one.id]),)),
            tmp_path,
        )
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("event.made")]
    assert [line.partition(" type=")[2] for line in lines] == ["lead", "other"]


def test_an_event_that_the_store_cannot_write_is_set_aside_alone(tmp_path: Path) -> None:
    def become(one: Webhook) -> Translation:
        return Translated((event(one.id, text=object() if one.id == "bad" else b"{}"),))

    found = translated([webhook("good"), webhook("bad"), webhook("fine")], become, tmp_path)
    assert [state for _, state, _ in found] == ["translated", "set_aside", "translated"]


def test_a_webhook_whose_source_is_gone_is_set_aside_with_the_remedy(tmp_path: Path) -> None:
    found = translated([webhook("orphan", source="old-shop")], lambda _one: Ignored(""), tmp_path)
    reason = "no source is called old-shop any more; set it again, then replay this webhook"
    assert found == [("orphan", "set_aside", reason)]


def test_the_loop_wakes_for_what_is_kept_and_stops_when_told(tmp_path: Path) -> None:
    async def story() -> str:
        store = open_store(f"sqlite:////{str(tmp_path / 'a.db').lstrip('/')}")
        source = cast(
            "Source", SimpleNamespace(name="shop", to=None, defect=None, translate=lambda _one: Ignored("seen"))
        )
        seen = asyncio.Event()
        translator = TranslateLoop(
            store=store,
            sources=lambda: {"shop": source},
            route=lambda _event, _to: (),
            clock=lambda: datetime.now(UTC),
            notify=lambda: None,
            metrics=cast("Any", SimpleNamespace(count_translated=lambda *_words: seen.set())),
        )
        running: Awaitable[None] = asyncio.ensure_future(translator.run())
        await store.keep([webhook("one")])
        translator.notify()
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
            async def claim_batch(self, *, now: datetime, limit: int, lease: timedelta) -> Batch:
                looked.put_nowait(len(script))
                if script and (error := script.pop(0)):
                    raise error
                return await super().claim_batch(now=now, limit=limit, lease=lease)

        store = Troubled(str(tmp_path / "a.db"))
        translator = TranslateLoop(
            store=store,
            sources=dict,
            route=lambda _event, _to: (),
            clock=lambda: datetime.now(UTC),
            notify=lambda: None,
            metrics=cast("Any", SimpleNamespace()),
        )
        running = asyncio.ensure_future(translator.run())
        beats: list[float | None] = []
        for _ in range(5):
            await looked.get()
            beats.append(translator.heartbeat.succeeded_at)
            translator.notify()
        translator.stop()
        await running
        await store.close()
        assert beats[:3] == [None, None, None]
        assert None not in beats[3:]

    asyncio.run(story())
