"""Fills a store with Stripe's webhooks by the code and the mapping of the last commit before telling once.

It told a sale by its session and a refund by `refund.created`; the other webhooks of the same payments were ignored.
Run by `make.py`, with that commit's code.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bridge.model import Route, Webhook
from bridge.stores import open_store
from bridge.translate import Translator

from bridge import ledger, mapping

START = datetime(2026, 3, 5, 10, tzinfo=UTC)


class Uncounted:
    def translated(self, source: str, outcome: str) -> None:
        """Nothing."""


def webhooks() -> list[tuple[datetime, dict[str, Any]]]:
    """Each with the time at which it came, in that order."""
    found: list[tuple[datetime, dict[str, Any]]] = []

    def add(topic: str, obj: dict[str, Any], minutes: float, before: Any = None) -> None:
        at = START + timedelta(minutes=minutes)
        data = {"object": {"currency": "eur", "metadata": {}} | obj}
        data |= {"previous_attributes": before} if before else {}
        found.append((at, {
            "id": f"evt_{len(found)}", "object": "event", "created": int(at.timestamp()), "livemode": True,
            "type": topic, "data": data,
        }))  # fmt: skip

    def payment(number: int, cents: int, minutes: float) -> None:
        intent = {"id": f"pi_{number}", "amount_received": cents, "status": "succeeded"}
        add("payment_intent.succeeded", intent, minutes)
        charge = {
            "id": f"ch_{number}", "amount": cents, "amount_captured": cents, "captured": True, "status": "succeeded",
            "payment_intent": f"pi_{number}",
        }  # fmt: skip
        add("charge.succeeded", charge, minutes)

    payment(1, 9000, 0)
    session = {
        "id": "cs_1", "mode": "payment", "payment_status": "paid", "amount_total": 9000, "payment_intent": "pi_1",
    }  # fmt: skip
    add("checkout.session.completed", session, 0.1)
    for each in range(2):  # two equal refunds
        refund = {
            "id": f"re_{each}", "amount": 1000, "charge": "ch_1", "payment_intent": "pi_1", "status": "succeeded",
        }  # fmt: skip
        add("refund.created", refund, 30 + 30 * each)
        charge = {
            "id": "ch_1", "amount": 9000, "amount_captured": 9000, "amount_refunded": 1000 * (each + 1),
            "payment_intent": "pi_1",
        }  # fmt: skip
        add("charge.refunded", charge, 30 + 30 * each, {"amount_refunded": 1000 * each})
    payment(2, 2500, 120)  # by Elements: nothing was told of it
    invoice = {
        "id": "in_3", "amount_paid": 4000, "billing_reason": "manual",
        "payments": {"data": [{"payment": {"payment_intent": "pi_3"}}]},
    }  # fmt: skip
    payment(3, 4000, 180)
    add("invoice.paid", invoice, 180)
    return found


async def fill(path: str, mappings: Path) -> None:
    source = mapping.load(mappings / "stripe.yaml").bind("stripe", secrets=["a secret of sixteen letters"], vars={})
    store = open_store(f"sqlite:///{path}")
    now = START
    loop = Translator(
        store=store,
        sources=lambda: {"stripe": source},
        route=lambda _event, _to: (Route("up"),),
        clock=lambda: now,
        woke=lambda: None,
        watching=Uncounted(),
    )
    for at, body in webhooks():
        now, content = at, json.dumps(body).encode()
        identity = (ledger.signed_webhook("stripe", body["id"]),)
        await store.keep([Webhook("stripe", body["id"], body["type"], now, content, identity)])
        while await loop.once():
            pass
    now += timedelta(hours=3)
    while await loop.once():
        pass
    await store.close()


asyncio.run(fill(sys.argv[1], Path(sys.argv[2])))
