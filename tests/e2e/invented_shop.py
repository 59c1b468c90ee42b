"""Orders and refunds of a shop that does not exist, as Shopify would send them, and a store that has a day of them.

The history is put into a store by its own verbs and the shipped mapping, at times of the past. Not concerned with pages.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from signed_requests import SHOPIFY_SECRET, shopify

from bridge.core.delivery import Attempt, DeliveryState, DeliveryUpdate
from bridge.core.model import Ignored, Request, Route, Routed, Translated
from bridge.core.source import Source
from bridge.settings.sources import load_mappings
from bridge.store.engines import open_store
from bridge.store.protocol import Outcome, Pacing, Store

PEOPLE = (
    ("Ada", "Byron", "Berlin", "10115", "DE"), ("Jonas", "Keller", "Graz", "8010", "AT"),
    ("Marta", "Vidal", "Girona", "17001", "ES"), ("Elif", "Aydin", "Köln", "50667", "DE"),
    ("Pieter", "Maes", "Gent", "9000", "BE"), ("Nora", "Lindqvist", "Malmö", "21120", "SE"),
)  # fmt: skip
THINGS = (("LAMP-BLUE", "Blue lamp", "199.95"), ("MUG-2", "Two mugs", "24.50"), ("RUG-S", "Small rug", "89.00"))
LEASE = timedelta(minutes=5)


def order(number: int, *, at: datetime, currency: str = "EUR", items: int = 1) -> dict[str, Any]:
    """A paid order."""
    first, last, city, postal, country = PEOPLE[number % len(PEOPLE)]
    bought = [THINGS[(number + each) % len(THINGS)] for each in range(items)]
    total = f"{sum(float(price) for _, _, price in bought):.2f}"
    email = f"{first}.{last}@example.com".lower()
    return {
        "id": 5678201931000 + number, "name": f"#{1000 + number}", "created_at": at.isoformat(timespec="seconds"),
        "processed_at": at.isoformat(timespec="seconds"), "currency": currency, "total_price": total,
        "total_tax": f"{float(total) * 19 / 119:.2f}", "total_discounts": "0.00", "financial_status": "paid",
        "source_name": "web", "test": False, "contact_email": email, "customer_locale": "en-DE",
        "landing_site": f"/collections/light?utm_source=ad&gclid=Cj0invented{number}",
        "note_attributes": [{"name": "session_id", "value": f"sess_{number:04}"}],
        "customer": {"id": 7000 + number % len(PEOPLE), "email": email, "first_name": first, "last_name": last},
        "shipping_address": {
            "first_name": first, "last_name": last, "address1": "1 Example Street", "city": city, "zip": postal,
            "country_code": country, "phone": None,
        },
        "line_items": [
            {"sku": sku, "title": title, "price": price, "quantity": 1, "variant_id": 100 + place}
            for place, (sku, title, price) in enumerate(bought)
        ],
    }  # fmt: skip


def refund(number: int, *, at: datetime, amount: str) -> dict[str, Any]:
    """A refund of the order of that number."""
    return {
        "id": 9007199254000 + number, "order_id": 5678201931000 + number, "refund_line_items": [],
        "created_at": at.isoformat(timespec="seconds"), "processed_at": at.isoformat(timespec="seconds"),
        "transactions": [{"id": number, "kind": "refund", "status": "success", "amount": amount, "currency": "EUR"}],
    }  # fmt: skip


def ignored_webhook(number: int) -> tuple[dict[str, Any], str]:
    """A webhook that makes no event on purpose: its body and topic."""
    return {"id": number, "order_id": 5678201931000 + number, "kind": "sale"}, "order_transactions/create"


async def keep_history(path: Path, *, now: datetime) -> int:
    """Make a store that has a day of orders, all of them delivered, and of what is ignored; how many webhooks it has."""
    source = load_mappings(None)["shopify"].bind_source("shopify", secrets=(SHOPIFY_SECRET,), vars={})
    store = open_store(f"sqlite:///{path}")
    try:
        count = 0
        for count, at in enumerate(_instants(now), 1):
            body, topic = (
                ignored_webhook(count) if count % 6 == 0 else (order(count, at=at, items=1 + count % 2), "orders/paid")
            )
            headers, raw = shopify(body, topic, f"history-{count}")
            request = Request("POST", tuple((name.lower(), value) for name, value in headers.items()), raw)
            await store.keep(source.read_webhooks(request, now=at))
            await _decide(store, source, now=at)
        return count
    finally:
        await store.close()


def _instants(now: datetime) -> Iterator[datetime]:
    """Times of the last day, oldest first: few at night, many in the evening."""
    chance = random.Random(7)  # the same pictures each time
    at = now - timedelta(hours=24)
    while (at := at + timedelta(minutes=chance.uniform(2, 9 if 9 <= at.hour <= 22 else 40))) < now - timedelta(
        minutes=4
    ):
        yield at


async def _decide(store: Store, source: Source, *, now: datetime) -> None:
    """Translate what was kept, and deliver it, as serve does; all is taken."""
    batch = await store.claim_batch(now=now, limit=10, lease=LEASE)
    outcomes = []
    for one in batch.webhooks:
        made = source.translate(one)
        assert isinstance(made, Translated | Ignored), made
        told = (
            tuple(Routed(event, (Route("track"),)) for event in made.events) if isinstance(made, Translated) else made
        )
        outcomes.append(Outcome(one, told, mapping=source.mapping_text))
    await store.complete_batch(batch, outcomes, now=now)
    pacing = Pacing(limit=10, concurrency=1, spacing=timedelta(), lease=LEASE)
    if claimed := await store.claim_deliveries("track", now=now, pacing=pacing):
        attempt = Attempt("track", now, timedelta(milliseconds=38), 200, "delivered", '{"success": true}')
        updates = [DeliveryUpdate(one.number, DeliveryState.DELIVERED) for one in claimed.deliveries]
        await store.record_attempt(claimed, attempt, updates, claimed.destination_state, now=now)
