"""Webhooks that wait for a richer one of their payment: what that costs, and whether a backlog of them delays others.

Four topics of each payment (intent, charge, invoice, a refund's step) come mixed; all of them defer, and are decided on
when their wait is over. Against the same webhooks where the first of a payment tells at once (the shipped rules without
their `defer_to`), and against as many of the simplest topic. In one process, on a real store, by a clock that is
set; what is measured is the loop that translates. Not concerned with HTTP and delivery.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, cast

from figures import Figure, Rounds
from ground import Ground, tell
from wrong import hold

from bridge import mapping, signature
from bridge.core import json_text
from bridge.core.model import Request, Route, Webhook
from bridge.core.source import Source
from bridge.pipeline.translate import TranslateLoop
from bridge.store.engines import open_store
from bridge.store.protocol import RowFilter, Store

MAPPING = Path(__file__).parents[2] / "mappings" / "stripe.yaml"
PAYMENTS = 2_000
TOPICS = 4
DUE_AT_ONCE = 100_000
GROUP = 100
LENGTHS = (timedelta(minutes=10, seconds=30), timedelta(seconds=30), timedelta(hours=1))
"""How the clock is set on: to when richer webhooks decide, a little later, and to when a sale is waited for no more."""
NOW = datetime(2026, 3, 5, 10, tzinfo=UTC)
AT_ONCE = {"purchase": "payment_intent.succeeded", "refund": "charge.refunded"}
DEFERS: Mapping[str, str] = {}
SECRET = "a secret of sixteen letters"
_PERSON = {
    "email": "lena.brandt@example.com", "name": "Lena Brandt", "phone": "+4930123456",
    "address": {"city": "Berlin", "country": "DE", "line1": "Made-up Street 1", "postal_code": "10115", "state": None},
}  # fmt: skip


def measured(ground: Ground) -> list[Figure]:
    """All loads in turn, round after round, each on a fresh store."""
    rounds = Rounds()
    for number in range(ground.plan.rounds):
        tell(f"deferral: round {number + 1}")
        intents = list(_intents(PAYMENTS * TOPICS))
        plain = asyncio.run(_drain(ground, MAPPING, intents, AT_ONCE, told=PAYMENTS * TOPICS))
        without = _without_deferral(ground.place())
        at_once = asyncio.run(_drain(ground, without, list(_mixed(PAYMENTS)), DEFERS, told=2 * PAYMENTS))
        mixed = asyncio.run(_drain(ground, MAPPING, list(_mixed(PAYMENTS)), DEFERS, told=2 * PAYMENTS))
        rounds.add("deferral: intents alone, which tell at once", "1/s", plain)
        rounds.add("deferral: four topics a payment, without deferral", "1/s", at_once)
        rounds.add("deferral: four topics a payment", "1/s", mixed)
        rounds.add("deferral: four topics a payment, ratio to without deferral", "", mixed / at_once)
        rounds.add("deferral: four topics a payment, ratio to intents alone", "", mixed / plain)
    return rounds.figures()


def due_at_once(ground: Ground) -> list[Figure]:
    """How long a fresh webhook takes while 100,000 that have waited are due at the same moment."""
    rounds = Rounds()
    tell(f"due-at-once: {DUE_AT_ONCE:,} webhooks")
    for seconds in asyncio.run(_delays(ground)):
        rounds.add("due-at-once: a fresh webhook is translated after", "s", seconds)
    return rounds.figures()


class _Bench:
    """A store, the loop and the shipped mapping, by a clock that stands until it is set."""

    def __init__(self, store: Store, path: Path, choices: Mapping[str, str]) -> None:
        self.store, self.now = store, NOW
        loaded = mapping.load_mapping(path)
        source = loaded.bind_source("stripe", secrets=[SECRET], vars=dict(choices))
        self._recipe = loaded.recipe
        self.loop = TranslateLoop(
            store=store,
            sources=lambda: cast("dict[str, Source]", {"stripe": source}),
            route=lambda _event, _to: (Route("track"),),
            clock=lambda: self.now,
            notify=lambda: None,
            metrics=_Uncounted(),
        )

    def webhooks(self, body: bytes) -> Sequence[Webhook]:
        return signature.identify_webhooks(self._recipe, Request("POST", (), body), source="stripe", now=self.now)

    async def keep_all(self, bodies: Sequence[bytes]) -> None:
        for first in range(0, len(bodies), GROUP):
            await self.store.keep([one for body in bodies[first : first + GROUP] for one in self.webhooks(body)])

    async def settle(self) -> None:
        while await self.loop.translate_batch():
            pass


class _Uncounted:
    def count_translated(self, source: str, outcome: str) -> None:
        """Nobody counts."""


def _without_deferral(folder: Path) -> Path:
    """The shipped mapping whose rules defer to nothing, and so find nothing `earlier` by that."""
    text = re.sub(r"^    defer_to:.*\n(?:     .*\n)*", "", MAPPING.read_text(), flags=re.MULTILINE)
    path = folder / MAPPING.name
    path.write_text(text.replace("object.metadata.order_id || earlier.properties.order_id", "object.metadata.order_id"))
    return path


async def _drain(ground: Ground, path: Path, bodies: list[bytes], choices: Mapping[str, str], *, told: int) -> float:
    """Webhooks a second, until each is translated or ignored; both passes of those that wait."""
    bench = _Bench(open_store(f"sqlite:///{ground.place() / 'store.db'}"), path, choices)
    random.Random(1).shuffle(bodies)
    await bench.keep_all(bodies)
    began = perf_counter()
    await bench.settle()
    for length in LENGTHS:
        bench.now += length
        await bench.settle()
    took = perf_counter() - began
    counts = await bench.store.state_counts()
    waiting = sum(count for (_, state), count in counts.webhooks.items() if state == "received")
    events = len([row for row in await bench.store.events(RowFilter()) if row.duplicate_of is None])
    await bench.store.close()
    hold(not waiting and events == told, f"{waiting} still wait, and {events} events were told instead of {told}")
    return len(bodies) / took


async def _delays(ground: Ground) -> list[float]:
    bench = _Bench(open_store(f"sqlite:///{ground.place() / 'store.db'}"), MAPPING, DEFERS)
    await bench.keep_all(list(_intents(DUE_AT_ONCE)))
    await bench.settle()
    bench.now += timedelta(hours=2)
    found = []
    for number in range(5):
        await bench.loop.translate_batch()
        [fresh] = bench.webhooks(_session(number))
        await bench.store.keep([fresh])
        began = perf_counter()
        while not await _is_told(bench.store, f"cs_{number}"):
            await bench.loop.translate_batch()
        found.append(perf_counter() - began)
    await bench.store.close()
    return found


async def _is_told(store: Store, order: str) -> bool:
    return any(row.order_id == order for row in await store.events(RowFilter(limit=2 * GROUP)))


def _stripe(topic: str, name: str, obj: dict[str, Any], *, before: dict[str, Any] | None = None) -> bytes:
    data: dict[str, Any] = {"object": {"currency": "eur", "metadata": {}, "livemode": True} | obj}
    data |= {"previous_attributes": before} if before else {}
    created = int(NOW.timestamp())
    return json_text.write_json(
        {"id": f"evt_{name}", "object": "event", "api_version": "2025-03-31.basil", "created": created, "type": topic,
         "livemode": True, "pending_webhooks": 1, "request": {"id": None, "idempotency_key": None}, "data": data}
    )  # fmt: skip


def _intent(number: int) -> bytes:
    paid = {
        "id": f"pi_{number}",
        "amount_received": 3000 + number,
        "status": "succeeded",
        "receipt_email": "a@b.example",
    }
    return _stripe("payment_intent.succeeded", f"pi_{number}", paid)


def _session(number: int) -> bytes:
    paid = {
        "id": f"cs_{number}", "mode": "payment", "payment_status": "paid", "amount_total": 4000,
        "payment_intent": f"pi_of_{number}", "customer_details": _PERSON,
    }  # fmt: skip
    return _stripe("checkout.session.completed", f"cs_{number}", paid)


def _intents(count: int) -> Iterator[bytes]:
    return (_intent(number) for number in range(count))


def _mixed(payments: int) -> Iterator[bytes]:
    """An intent, a charge, an invoice and a refund's step of each payment, with the links that Stripe gives them."""
    for number in range(payments):
        amount = 3000 + number
        yield _intent(number)
        charge = {
            "id": f"ch_{number}", "amount": amount, "amount_captured": amount, "captured": True, "status": "succeeded",
            "payment_intent": f"pi_{number}", "billing_details": _PERSON,
        }  # fmt: skip
        yield _stripe("charge.succeeded", f"ch_{number}", charge)
        paid = {
            "id": f"in_{number}", "amount_paid": amount, "billing_reason": "manual", "customer_email": _PERSON["email"],
            "payments": {"data": [{"payment": {"payment_intent": f"pi_{number}"}}]},
        }  # fmt: skip
        yield _stripe("invoice.paid", f"in_{number}", paid)
        yield _stripe(
            "charge.refunded", f"re_{number}", charge | {"amount_refunded": 500}, before={"amount_refunded": 0}
        )
