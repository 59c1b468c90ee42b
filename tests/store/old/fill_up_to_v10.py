"""Fills a store with everything that its version knows. Runs with the code of an earlier commit, not with today's.

    PYTHONPATH=<a checkout of that commit> python fill_up_to_v10.py STORE fill|pass COMMIT

`fill` makes the store and fills it; `pass` opens a store that an earlier commit left, as an upgrade does, and lets it
take and apply more. Only what all commits share is called, or what is asked for first. Not concerned with dumping.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from bridge.model import Attempt, DeliveryState, Event, Ignored, Route, Routed, SetAside, Settled, Webhook
from bridge.stores.sqlite import SqliteStore

from bridge import ledger, model
from bridge.store import Idempotency, Outcome, Pacing, Standing

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FREELY = Pacing(limit=100, lanes=9, spacing=timedelta(), lease=MINUTE)


def webhook(name: str, *, topic: str = "orders/paid", body: bytes | None = None, item: str | None = None) -> Webhook:
    """As Shopify's come: known by id and bytes, or by topic and bytes. One body in three is worth packing."""
    text = f'{{"id": "{name}", "note": "{"made up " * (60 if len(name) % 3 == 0 else 1)}"}}'
    content = text.encode() if body is None else body
    return Webhook(
        source="shopify",
        id=name,
        topic=topic,
        received_at=NOW,
        body=content,
        identity=(
            (ledger.signed_webhook("shopify", name),)
            if item
            else ledger.unsigned_webhook("shopify", topic, name, content)
        ),
        headers={"content-type": "application/json", "x-shopify-webhook-id": name},
        query={"shop": "a b"},
        item=item,
    )


def event(name: str, *, destination: str = "track", skip: str | None = None, order: str | None = None) -> Routed:
    """An event that a backend told with its own key."""
    order_id = order or f"order-{name}"
    return Routed(
        Event(
            id=name,
            door="key:web",
            event_type="purchase",
            test=False,
            text=b'{"event_id":"%s","event_type":"purchase"}' % name.encode(),
            occurred_at=NOW,
            claims=(ledger.conversion("track", "purchase", order_id, test=False),),
            order_id=order_id,
            value="19.90",
            currency="EUR",
            notes=("shopify.yaml:3: left out",),
            hashed=("email",),
        ),
        (Route(destination, skip),),
    )


async def fill(store: Any) -> None:
    """Webhooks, events and deliveries in every state that this version has."""
    await _webhooks(store)
    await _events(store)
    await _paused(store)
    await _unapplied(store, "w-kept")


async def upgrade(store: Any) -> None:
    """What an upgraded bridge does first: it applies what came in before, and takes more."""
    if hasattr(store, "sort_in"):
        await store.sort_in(limit=100)
    await _unapplied(store, f"w-kept-{sys.argv[3]}")


async def _webhooks(store: Any) -> None:
    batch = b'[{"id": "w-item-0"}, {"id": "w-item-1"}]'
    await _placed(store, webhook("w-translated"), webhook("w-ignored"), webhook("w-aside"))
    found = {one.id: one for one in await store.claim_webhooks(now=NOW, limit=100, lease=MINUTE)}
    await store.settle(
        [
            Outcome(found["w-translated"], (_of_a_webhook(),)),
            Outcome(found["w-ignored"], Ignored("no rule for this topic")),
            Outcome(found["w-aside"], SetAside("shopify.yaml:12:5: the field 'id' is missing")),
        ],
        now=NOW,
    )
    if _knows_waiting():
        await _placed(store, webhook("w-waiting", topic="refunds/create"))
        (waits,) = await store.claim_webhooks(now=NOW, limit=100, lease=MINUTE)
        await _postponed(store, waits)
    await _placed(store, webhook("w-claimed"))
    await store.claim_webhooks(now=NOW, limit=100, lease=MINUTE)
    await _placed(store, *(webhook(f"w-item-{n}", body=batch, item=f"/{n}") for n in range(2)))
    await _placed(store, webhook("w-received"), webhook("w-received-too"))


def _of_a_webhook() -> Routed:
    one = event("e-translated")
    return Routed(_replaced(one.event, door="source:shopify"), one.routes)


def _replaced(one: Any, **how: Any) -> Any:
    return type(one)(**({name: getattr(one, name) for name in type(one).__annotations__} | how))


def _knows_waiting() -> bool:
    return hasattr(SqliteStore, "recall")


async def _postponed(store: Any, waits: Webhook) -> None:
    kind: Any = getattr(model, "Wanting", SimpleNamespace)
    key = ledger.conversion("track", "purchase", "order-that-has-not-come", test=False)
    wanting = kind(key=key, event_type="purchase", until=NOW + 60 * MINUTE)
    if hasattr(store, "postpone"):
        await store.postpone(waits.number, wanting, now=NOW)
    else:
        await store.settle([Outcome(waits, wanting)], now=NOW)


async def _placed(store: Any, *webhooks: Webhook) -> None:
    await store.keep(webhooks)
    if hasattr(store, "sort_in"):
        await store.sort_in(limit=100)


async def _unapplied(store: Any, name: str) -> None:
    """Three requests that were answered, one of them a second time, and have no row yet where the version does that so."""
    for one in (f"{name}-1", f"{name}-22", f"{name}-333", f"{name}-1"):
        await store.keep([webhook(one)])
    if hasattr(ledger, "identity"):  # works out what a webhook is known by when it gets its row
        await store.keep([_replaced(webhook(f"{name}-unhashed"), identity=())])


async def _events(store: Any) -> None:
    for name, status in (("e-done", 200), ("e-dead", 400), ("e-later", 503)):
        await store.accept([event(name)], now=NOW)
        await _sent(store, status)
    key = ledger.idempotency("key:web", "/v1/track", "order-e-new")
    await store.accept([event("e-new")], now=NOW, idempotency=Idempotency(key, hashlib.sha256(b"e-new").digest()))
    await store.claim_deliveries("track", now=NOW, pacing=Pacing(1, 9, timedelta(), MINUTE))  # and killed
    await store.accept(
        [event("e-due"), event("e-double", order="order-e-new"), event("e-skipped", skip="a test")], now=NOW
    )


async def _sent(store: Any, status: int) -> None:
    """One request with all that is due, and what it came to."""
    claimed = await store.claim_deliveries("track", now=NOW, pacing=FREELY)
    state, word = {
        200: (DeliveryState.DELIVERED, "delivered"),
        400: (DeliveryState.DEAD, "refused"),
        503: (DeliveryState.PENDING, "later"),
    }[status]
    attempt = Attempt("track", NOW, timedelta(milliseconds=120), status, word, "the upstream's words")
    again = NOW + MINUTE if status == 503 else None
    reason = None if status == 200 else f"{status} the upstream's words"
    settled = [Settled(one.number, state, reason, again) for one in claimed.deliveries]
    await store.record(claimed.token, attempt, settled, claimed.standing, now=NOW)


async def _paused(store: Any) -> None:
    await store.accept([event("e-paused", destination="ads")], now=NOW)
    claimed = await store.claim_deliveries("ads", now=NOW, pacing=FREELY)
    attempt = Attempt("ads", NOW, timedelta(milliseconds=90), 401, "paused", "no such key", counted=False)
    standing = Standing("ads", "401 no such key", NOW, NOW + MINUTE, probes=1, failures=2, paused_for=MINUTE)
    (one,) = claimed.deliveries
    settled = [Settled(one.number, DeliveryState.PENDING, "401 no such key", NOW + MINUTE)]
    await store.record(claimed.token, attempt, settled, standing, now=NOW)


async def main() -> None:
    """Open it with this commit's code, and close it again."""
    store = SqliteStore(sys.argv[1])
    await store.probe(now=NOW)
    await (fill if sys.argv[2] == "fill" else upgrade)(store)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main())
