"""A bridge with the shipped mappings, a real store and the real loop, and a clock that stands until it is set.

What was told is read from the store. Not concerned with HTTP and signatures.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from bridge import mapping, signature
from bridge.core import json_text
from bridge.core.json_text import Json
from bridge.core.model import Request, Route
from bridge.core.source import Source
from bridge.pipeline.second_translator import SecondTranslator
from bridge.pipeline.translate import TranslateLoop
from bridge.store.engines import open_store
from bridge.store.protocol import EventDetail, RowFilter, Store, WebhookRow

MAPPINGS = Path(__file__).parents[2] / "mappings"
NOW = datetime(2026, 3, 5, 10, tzinfo=UTC)
T = TypeVar("T")


class Uncounted:
    """Nobody counts."""

    def count_translated(self, source: str, outcome: str) -> None:
        """Nothing."""


class Bridge:
    """A store, the loop, and sources by name: `settings` has the vars of each."""

    def __init__(
        self,
        store: Store,
        settings: Mapping[str, Mapping[str, str]],
        *,
        scope: str | None = None,
        second: SecondTranslator | None = None,
    ) -> None:
        self.store = store
        self.now = NOW
        self._mappings = {name: mapping.load_mapping(MAPPINGS / f"{name.split('-')[0]}.yaml") for name in settings}
        self.sources: dict[str, Source] = {
            name: one.bind_source(name, secrets=["a secret of sixteen letters"], vars=settings[name], scope=scope)
            for name, one in self._mappings.items()
        }
        self.loop = TranslateLoop(
            store=store,
            sources=lambda: self.sources,
            route=lambda _event, _to: (Route("up"),),
            clock=lambda: self.now,
            notify=lambda: None,
            metrics=Uncounted(),
            second=second,
        )

    async def keep(self, body: Json, *, topic: str = "", source: str = "stripe") -> None:
        """Keep a webhook as it would be received now."""
        headers = (("x-shopify-topic", topic),) if topic else ()
        request = Request(method="POST", headers=headers, body=json_text.write_json(body))
        recipe = self._mappings[source].recipe
        await self.store.keep(signature.identify_webhooks(recipe, request, source=source, now=self.now))

    async def take(self, body: Json, *, topic: str = "", source: str = "stripe") -> None:
        """Keep a webhook, and translate all that is due."""
        await self.keep(body, topic=topic, source=source)
        await self.settle()

    async def settle(self, *, most: int = 200) -> None:
        """Translate all that is due; a loop that does not end is a fault."""
        for _ in range(most):
            if not await self.loop.translate_batch():
                return
        raise AssertionError("it never comes to rest")

    async def wait(self, **length: float) -> None:
        """Time passes."""
        self.now += timedelta(**length)
        await self.settle()

    async def told(self) -> list[Json]:
        """The events that are no duplicates, oldest first, each with its notes."""
        found = []
        for row in reversed(await self.store.events(RowFilter())):
            shown = await self.store.show_detail(row.id)
            events = [one for one in shown if isinstance(one, EventDetail) and row.duplicate_of is None]
            found += [json_text.parse_json(one.text) | {"notes": list(one.notes)} for one in events]
        return found

    async def duplicates(self) -> int:
        """How many events repeat another."""
        return sum(row.duplicate_of is not None for row in await self.store.events(RowFilter()))

    async def webhooks(self) -> list[WebhookRow]:
        """The webhooks, oldest first."""
        return list(reversed(await self.store.webhooks(RowFilter())))


def run_story(
    story: Callable[[Bridge], Awaitable[T]],
    *,
    settings: Mapping[str, Mapping[str, str]] | None = None,
    scope: str | None = None,
) -> T:
    """Run a story with a fresh store."""

    async def whole(folder: str) -> T:
        store = open_store(f"sqlite:///{Path(folder) / 'a.db'}")
        try:
            return await story(Bridge(store, settings or {"stripe": {}, "shopify": {}}, scope=scope))
        finally:
            await store.close()

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(whole(folder))


def brief(event: Any) -> tuple[str, str | None, float | None]:
    """What kind of event it is, of which order, and how much."""
    properties = event["properties"]
    value = properties.get("value")
    return event["event_type"], properties.get("order_id"), None if value is None else float(value)
