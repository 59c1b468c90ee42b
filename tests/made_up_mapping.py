"""A small mapping of a made-up provider, its webhooks, and how they are kept. Not concerned with tests."""

from __future__ import annotations

import json
from typing import Any

from store_made import LEASE, NOW

from bridge.core.model import Routed, Translated, Webhook
from bridge.core.source import Source
from bridge.store.protocol import Outcome, Store

CLUB = """\
mapping: 1
provider: club
title: Club

webhook:
  signature: {kind: hmac, algorithm: sha256, encoding: hex, from: header:X-Club, signed: "{body}"}
  topic: [json:/type]

let:
  person: =body.member

events:
  - topic: order.paid
    dedupe: =body.order
    event:
      event_type: purchase
      timestamp: =body.at
      properties:
        order_id: =body.order
        value: =decimal(body.total)
        currency: =body.currency
      user_data:
        email: =person.email
"""
"""Orders of a made-up club."""


def club_webhook(number: int, **more: Any) -> Webhook:
    """A webhook of an order; `more` are other fields of its body."""
    body = {
        "type": "order.paid", "order": f"C-{number}", "at": "2026-06-01T12:00:00Z", "total": "19.90", "currency": "EUR",
        "member": {"email": f"zoe{number}@example.com"},
    } | more  # fmt: skip
    return Webhook("club", f"c{number}", str(body["type"]), NOW, json.dumps(body).encode(), ())


async def keep_translated(store: Store, source: Source, webhooks: list[Webhook]) -> None:
    """Keep webhooks, and translate them as serve does; their events go nowhere."""
    await store.keep(webhooks)
    batch = await store.claim_batch(now=NOW, limit=1000, lease=LEASE)
    made = [(one, source.translate(one)) for one in batch.webhooks]
    outcomes = [
        Outcome(
            one,
            tuple(Routed(event, ()) for event in result.events) if isinstance(result, Translated) else result,
            mapping=source.mapping_text,
        )
        for one, result in made
    ]
    await store.complete_batch(batch, outcomes, now=NOW)
