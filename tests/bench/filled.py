"""Stores that were filled through their own verbs, as traffic would fill them, only in larger groups.

Not concerned with what they are filled for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic

import made_up
from ground import FIRST_NUMBER, tell

from bridge.core import dedupe_keys
from bridge.core.delivery import Attempt, DeliveryState, DeliveryUpdate
from bridge.core.model import Event, Route, Routed, SetAside, Webhook
from bridge.store.protocol import Outcome, Pacing, Store

SOURCE = "shopify"
DESTINATION = "track"
ASIDE = SetAside("shopify.yaml:1:1: made up for the bench")
LEASE = timedelta(minutes=5)
GROUP = 3000
"""Webhooks that are kept at once."""
TELLING = 10.0
"""Seconds between two words of progress."""
_TOPIC = "orders/paid"


def webhook(number: int, body: bytes, *, at: datetime) -> Webhook:
    """An order as the receiver keeps it."""
    name = f"w-{number}"
    identity = (dedupe_keys.unsigned_webhook_key(SOURCE, _TOPIC, body),)
    headers = {"content-type": "application/json", "x-shopify-topic": _TOPIC, "x-shopify-webhook-id": name}
    return Webhook(SOURCE, name, _TOPIC, at, body, identity, headers)


def purchase(number: int, *, at: datetime) -> Routed:
    """A purchase on its way to the one destination."""
    claim = dedupe_keys.conversion_key(SOURCE, "purchase", str(number), test=False)
    text = made_up.numbered(made_up.event(), number)
    made = Event(
        f"e-{number}", f"source:{SOURCE}", "purchase", test=False, text=text, occurred_at=at, conversion_keys=(claim,)
    )
    return Routed(made, (Route(DESTINATION),))


def webhooks(numbers: Sequence[int], template: bytes, *, at: datetime) -> list[Webhook]:
    """Orders of these numbers."""
    return [webhook(number, made_up.numbered(template, number), at=at) for number in numbers]


def outcomes(webhooks: Sequence[Webhook], *, aside_every: int) -> list[Outcome]:
    """What claimed webhooks come to: each a purchase, one in so many (0: none) set aside."""
    made = []
    for one in webhooks:
        number = int(one.id.removeprefix("w-"))
        aside = aside_every and number % aside_every == 0
        made.append(Outcome(one, ASIDE if aside else (purchase(number, at=one.received_at),)))
    return made


async def claim(store: Store, limit: int, *, now: datetime) -> tuple[Webhook, ...]:
    """Claim received webhooks."""
    return (await store.claim_batch(now=now, limit=limit, lease=LEASE)).webhooks


async def deliver(store: Store, limit: int, *, now: datetime) -> int:
    """Claim due deliveries and record that all were taken; how many."""
    pacing = Pacing(limit=limit, concurrency=1, spacing=timedelta(), lease=LEASE)
    claimed = await store.claim_deliveries(DESTINATION, now=now, pacing=pacing)
    if claimed is None:
        return 0
    attempt = Attempt(DESTINATION, now, timedelta(milliseconds=20), 200, "delivered", '{"success": true}')
    settled = [DeliveryUpdate(one.number, DeliveryState.DELIVERED) for one in claimed.deliveries]
    await store.record_attempt(claimed, attempt, settled, claimed.destination_state, now=now)
    return len(settled)


class Filler:
    """Fills a store with webhooks that came over twenty days, their events delivered, a few of them set aside."""

    def __init__(self, store: Store, *, aside_every: int) -> None:
        self.store = store
        self.count = 0
        """How many webhooks were made."""
        self._aside_every = aside_every
        self._body = made_up.event()

    async def fill(self, count: int, *, seconds: float, what: str) -> int:
        """Keep so many, or what can be kept in that time; how many are kept then."""
        began = told = monotonic()
        start = datetime.now(UTC) - timedelta(days=20)
        while self.count < count and monotonic() - began < seconds:
            at = start + timedelta(days=20) * (self.count / count)
            group = min(GROUP, count - self.count)
            await self.store.keep(self.next_webhooks(group, at))
            fresh = await self.store.claim_batch(now=at, limit=group, lease=LEASE)
            made = outcomes(fresh.webhooks, aside_every=self._aside_every)
            await self.store.complete_batch(fresh, made, now=at)
            await deliver(self.store, group, now=at)
            if monotonic() - told > TELLING:
                told = monotonic()
                tell(f"{what}: {self.count:,} of {count:,} webhooks, after {told - began:.0f} s")
        return self.count

    def next_webhooks(self, count: int, at: datetime) -> list[Webhook]:
        """The next ones."""
        first = FIRST_NUMBER + self.count
        self.count += count
        return webhooks(range(first, first + count), self._body, at=at)
