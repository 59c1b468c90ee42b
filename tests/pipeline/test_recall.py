"""A refund and its purchase come to the same events in whatever order their webhooks arrive."""

from __future__ import annotations

import asyncio
import tempfile
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st
from store_made import apply_log, claim_rows, complete

from bridge import mapping
from bridge.core import dedupe_keys, json_text
from bridge.core.json_text import Json
from bridge.core.model import EventNeeded, Route, Webhook
from bridge.pipeline.translate import TranslateLoop
from bridge.store.engines import open_store
from bridge.store.protocol import Outcome, RowFilter, Store

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MAPPING = """\
mapping: 1
provider: shop
webhook:
  signature: {kind: hmac, algorithm: sha256, encoding: hex, from: "header:X-Sig", signed: "{body}"}
  topic: [header:X-Topic]
  test: =body.test
events:
  - topic: paid
    dedupe: =body.order
    event:
      event_type: purchase
      session_id: =body.session
      user_data: {email: =body.email, city: =body.city}
      properties: {order_id: =body.order, value: 10, currency: EUR}
  - topic: refunded
    dedupe: =body.id
    recall:
      event_type: purchase
      dedupe: =body.order
      take: [user_data, session_id, properties.currency]
      wait: 1h
    event:
      event_type: refund
      user_data: {city: =body.city}
      properties: {order_id: =body.order, value: 4, currency: =body.currency}
  - topic: returned
    dedupe: =body.id
    recall:
      event_type: [subscription, purchase]
      dedupe: [=body.payment, =body.order]
      take: session_id
    event:
      event_type: refund
      properties: {order_id: =earlier.properties.order_id || body.payment, value: 4, currency: EUR}
"""
PAID: Json = {"order": "A", "email": "ada@example.com", "city": "Ulm", "session": "s1"}
REFUNDED: Json = {"id": "r1", "order": "A", "city": "Bonn"}
AGAIN: Json = {"id": "r2", "order": "A"}
RETURNED: Json = {"id": "r3", "payment": "pi_3", "order": "A"}


class Counted:
    """Nobody counts."""

    def count_translated(self, source: str, outcome: str) -> None:
        """Nothing."""


class Shop:
    """A store, the loop, and a clock that stands until it is set."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = NOW
        source = mapping.parse_mapping(MAPPING, name="shop.yaml").bind_source("shop", secrets=["s"], vars={})
        self.translator = TranslateLoop(
            store=store,
            sources=lambda: {"shop": cast("Any", source)},
            route=lambda _event, _to: (Route("up"),),
            clock=lambda: self.now,
            notify=lambda: None,
            metrics=Counted(),
        )

    async def take(self, topic: str, body: Json) -> None:
        """Keep a webhook, and translate all that is due."""
        content = json_text.write_json(body)
        identity = (dedupe_keys.unsigned_webhook_key("shop", topic, content),)
        kept = Webhook("shop", identity[0].hex(), topic, self.now, content, identity)
        await self.store.keep([kept])
        await self.settle()

    async def settle(self) -> None:
        """Translate all that is due."""
        while await self.translator.translate_batch():
            pass

    async def told(self) -> list[Json]:
        """The events, without what names and dates them, in the order of their text."""
        documents = []
        for row in await self.store.events(RowFilter()):
            for one in await self.store.show_detail(row.id):
                found = json_text.parse_json(cast("Any", one).text)
                del found["event_id"], found["timestamp"]
                documents.append(found)
        return sorted(documents, key=json_text.write_json)


def story(tell: Any) -> Any:
    """Tell a story of a shop with a fresh store."""

    async def told(folder: str) -> Any:
        store = open_store(f"sqlite:///{Path(folder) / 'a.db'}")
        try:
            return await tell(Shop(store))
        finally:
            await store.close()

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(told(folder))


def after(webhooks: Sequence[tuple[str, Json]]) -> list[Json]:
    """The events after webhooks came in that order."""

    async def tell(shop: Shop) -> list[Json]:
        for topic, body in webhooks:
            await shop.take(topic, body)
        return await shop.told()

    return cast("list[Json]", story(tell))


IN_ORDER = [
    ("paid", PAID),
    ("refunded", REFUNDED),
    ("refunded", AGAIN),
    ("returned", RETURNED),
    ("paid", PAID | {"order": "B"}),
]


@settings(max_examples=24, deadline=None)
@given(st.permutations(IN_ORDER))
def test_webhooks_in_any_order_end_in_the_same_events(webhooks: list[tuple[str, Json]]) -> None:
    assert after(webhooks) == after(IN_ORDER)


def test_a_refund_takes_leaf_by_leaf_and_never_writes_over_its_own() -> None:
    refund = next(one for one in after(IN_ORDER[:2]) if one["event_type"] == "refund")
    assert refund["user_data"] == {"city": "Bonn", "email": "ada@example.com"}
    assert (refund["session_id"], refund["properties"]["currency"]) == ("s1", "EUR")


def test_a_refund_waits_visibly_and_then_goes_without() -> None:
    async def tell(shop: Shop) -> None:
        await shop.take("refunded", REFUNDED | {"currency": "USD"})
        [row] = await shop.store.webhooks(RowFilter())
        assert (row.state, row.reason) == ("received", "waits for purchase until 2026-03-01T01:00:00+00:00")
        shop.now = NOW + timedelta(minutes=59)
        await shop.settle()
        assert await shop.told() == []
        shop.now = NOW + timedelta(hours=1)
        await shop.settle()
        [refund] = await shop.told()
        assert refund["user_data"] == {"city": "Bonn"}
        assert "session_id" not in refund

    story(tell)


def test_several_keys_and_types_are_waited_for_together_and_the_first_that_comes_counts() -> None:
    async def tell(shop: Shop) -> None:
        await shop.take("returned", RETURNED)
        [row] = await shop.store.webhooks(RowFilter())
        assert row.reason == "waits for subscription or purchase until 2026-03-01T01:00:00+00:00"
        shop.now = NOW + timedelta(minutes=50)
        await shop.take("paid", PAID)
        refund = next(one for one in await shop.told() if one["event_type"] == "refund")
        assert (refund["session_id"], refund["properties"]["order_id"]) == ("s1", "A")

    story(tell)


def test_a_refund_whose_purchase_never_comes_goes_by_its_own_name_after_one_wait() -> None:
    async def tell(shop: Shop) -> None:
        await shop.take("returned", RETURNED)
        shop.now = NOW + timedelta(hours=1)
        await shop.settle()
        [refund] = await shop.told()
        assert refund["properties"]["order_id"] == "pi_3"

    story(tell)


def test_a_test_purchase_lends_nothing_to_a_live_refund() -> None:
    assert [one["event_type"] for one in after([("paid", PAID | {"test": True}), ("refunded", REFUNDED)])] == [
        "purchase"
    ]


def test_a_purchase_that_was_kept_before_the_refund_was_put_off_makes_it_due_at_once() -> None:
    async def tell(shop: Shop) -> None:
        waits = await _wanted(shop)
        await shop.take("paid", PAID)
        await complete(shop.store, waits, now=shop.now)
        await shop.settle()
        assert {one["event_type"] for one in await shop.told()} == {"purchase", "refund"}

    story(tell)


async def _wanted(shop: Shop) -> list[Outcome]:
    """A refund that another process claimed and is about to put off."""
    source = mapping.parse_mapping(MAPPING, name="shop.yaml").bind_source("shop", secrets=["s"], vars={})
    content = json_text.write_json(REFUNDED)
    await shop.store.keep(
        [
            Webhook(
                "shop", "r", "refunded", NOW, content, (dedupe_keys.unsigned_webhook_key("shop", "refunded", content),)
            )
        ]
    )
    await apply_log(shop.store, limit=1)
    claimed = await claim_rows(shop.store, now=NOW, limit=1, lease=timedelta(minutes=1))
    wanting = [source.translate_with_earlier(one, {}) for one in claimed]
    return [Outcome(one, wants) for one, wants in zip(claimed, wanting, strict=True) if isinstance(wants, EventNeeded)]


def test_a_recall_of_one_and_the_same_order_compiles_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        constant = MAPPING.replace("      dedupe: =body.order\n      take", "      dedupe: ='A'\n      take")
        assert constant != MAPPING
        assert mapping.parse_mapping(constant, name="shop.yaml").provider == "shop"
