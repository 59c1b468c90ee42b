"""Every payment is told once over real processes, whichever of Stripe's webhooks about it arrive, in whichever order.

Made-up payments on default settings; the only settings changed are the two waits, so that a test takes seconds.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from crash_run import wall_clock
from peers import Upstream, listed, serving, trackbridge, typed, until, upstream
from signed_requests import post, settings_for, stripe

FAMILIES = ("payment_intent.succeeded", "invoice", "charge.succeeded", "charge.refunded")
WAITS = {"STRIPE_WAIT_FOR_RICHER": "2s", "STRIPE_WAIT_FOR_SALE": "4s"}
PAYMENTS = 12


@dataclass(frozen=True)
class Payment:
    """One payment of an invoice: its amount in cents, how much of it is refunded, and the buyer."""

    number: int
    paid: int
    refunded: int

    @property
    def names(self) -> set[str]:
        """The order ids that a purchase of it may carry."""
        return {f"pi_{self.number}", f"in_{self.number}", f"ch_{self.number}"}

    def session(self) -> dict[str, Any]:
        """The checkout session that a shop with Stripe Checkout gets of it too: the richest webhook."""
        return self._event(
            "checkout.session.completed",
            id=f"cs_{self.number}", object="checkout.session", mode="payment", payment_status="paid", status="complete",
            amount_total=self.paid, currency="eur", payment_intent=f"pi_{self.number}", invoice=f"in_{self.number}",
            customer_details={"email": f"buyer{self.number}@example.com"}, metadata={"order_id": f"A-{self.number}"},
        )  # fmt: skip

    def webhooks(self, family: str) -> list[dict[str, Any]]:
        """What Stripe sends of it in one family of topics."""
        match family:
            case "payment_intent.succeeded":
                return [self._event(family, **self._intent())]
            case "invoice":
                topic = ("invoice.paid", "invoice.payment_succeeded")[self.number % 2]
                return [self._event(topic, **self._invoice())]
            case "charge.succeeded":
                return [self._event(family, **self._charge(refunded=0))]
            case _:
                return [self._event(family, before={"amount_refunded": 0}, **self._charge(refunded=self.refunded))]

    def _intent(self) -> dict[str, Any]:
        return {
            "id": f"pi_{self.number}", "object": "payment_intent", "status": "succeeded", "amount": self.paid,
            "amount_received": self.paid, "currency": "eur", "invoice": f"in_{self.number}",
            "latest_charge": f"ch_{self.number}", "metadata": {},
        }  # fmt: skip

    def _invoice(self) -> dict[str, Any]:
        return {
            "id": f"in_{self.number}", "object": "invoice", "status": "paid", "amount_paid": self.paid,
            "currency": "eur", "billing_reason": ("manual", "subscription_cycle")[self.number % 2],
            "subscription": (None, f"sub_{self.number}")[self.number % 2], "payment_intent": f"pi_{self.number}",
            "charge": f"ch_{self.number}", "customer_email": f"buyer{self.number}@example.com",
            "status_transitions": {"paid_at": 1760000000 + self.number},
        }  # fmt: skip

    def _charge(self, *, refunded: int) -> dict[str, Any]:
        return {
            "id": f"ch_{self.number}", "object": "charge", "status": "succeeded", "paid": True, "captured": True,
            "amount": self.paid, "amount_captured": self.paid, "amount_refunded": refunded, "currency": "eur",
            "payment_intent": f"pi_{self.number}", "invoice": f"in_{self.number}", "metadata": {},
            "billing_details": {"email": f"buyer{self.number}@example.com"},
            "payment_method_details": {"type": "card"},
        }  # fmt: skip

    def _event(self, topic: str, *, before: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
        data = {"object": fields} | ({"previous_attributes": before} if before else {})
        return {
            "id": f"evt_{topic}_{self.number}", "object": "event", "api_version": "2024-06-20", "type": topic,
            "created": 1760000000 + self.number, "livemode": True, "data": data,
        }  # fmt: skip


def made_up_payments(count: int) -> list[Payment]:
    """Payments of different amounts, each refunded in part."""
    return [Payment(number, 1000 + 37 * number, 100 + number) for number in range(count)]


def shuffled(payments: Sequence[Payment], families: Sequence[str], rng: random.Random) -> list[dict[str, Any]]:
    """All their webhooks in random order, a third of them twice, the second time anywhere later."""
    bodies = [body for one in payments for family in families for body in one.webhooks(family)]
    rng.shuffle(bodies)
    for body in rng.sample(bodies, len(bodies) // 3):
        bodies.insert(rng.randrange(bodies.index(body) + 1, len(bodies) + 1), body)
    return bodies


def told_of(peer: Upstream, event_type: str) -> list[dict[str, Any]]:
    """The events of a type that the upstream took, each id once: a kill may make one delivery arrive twice."""
    return [
        event for event in {one["event_id"]: one for one in peer.taken()}.values() if event["event_type"] == event_type
    ]


def amounts(events: Sequence[dict[str, Any]]) -> Counter[int]:
    return Counter(round(event["properties"]["value"] * 100) for event in events)


def nothing_waits(folder: Path) -> bool:
    """Whether every webhook was decided on and every delivery made."""
    return not listed(folder, "webhooks", state="received") and not listed(folder, "deliveries", state="pending")


def send_and_wait(folder: Path, peer: Upstream, bodies: Sequence[dict[str, Any]], *, count: int) -> None:
    with serving(folder, settings_for(peer) | WAITS) as bridge:
        for body in bodies:
            assert post(f"{bridge.url}/webhooks/stripe", stripe(body)).status_code == 200
        until(lambda: len(set(peer.ids())) >= count and nothing_waits(folder), what=f"{count} events")


@pytest.mark.parametrize("family", FAMILIES[:3])
def test_each_payment_is_told_once_where_a_shop_subscribed_to_one_family_only(tmp_path: Path, family: str) -> None:
    payments = made_up_payments(PAYMENTS)
    with upstream() as peer:
        send_and_wait(tmp_path, peer, shuffled(payments, [family], random.Random(1)), count=PAYMENTS)
        assert amounts(told_of(peer, "purchase")) == Counter(one.paid for one in payments)
        assert len(peer.taken()) == PAYMENTS


def test_each_refund_is_told_once_where_only_refunds_arrive_and_says_that_its_sale_is_unknown(tmp_path: Path) -> None:
    payments = made_up_payments(PAYMENTS)
    with upstream() as peer:
        send_and_wait(tmp_path, peer, shuffled(payments, ["charge.refunded"], random.Random(2)), count=PAYMENTS)
        assert amounts(told_of(peer, "refund")) == Counter(one.refunded for one in payments)
    for event in listed(tmp_path, "events"):
        assert "sale_unknown" in typed(tmp_path, {}, "show", event["id"]).stdout


@pytest.mark.parametrize("seed", [3, 4])
def test_four_families_in_random_order_tell_each_payment_and_each_refund_once_under_one_name(
    tmp_path: Path, seed: int
) -> None:
    payments, rng = made_up_payments(PAYMENTS), random.Random(seed)
    bodies = shuffled(payments, FAMILIES, rng)
    with upstream() as peer:
        settings = settings_for(peer) | WAITS
        for start in range(3):
            with serving(tmp_path, settings) as bridge:
                for body in bodies[start::3]:
                    assert post(f"{bridge.url}/webhooks/stripe", stripe(body)).status_code == 200
                bridge.kill()
        send_and_wait(tmp_path, peer, [], count=2 * PAYMENTS)
        holds_once(payments, peer)
    status = trackbridge(tmp_path, settings, "status").stdout
    counts = re.search(r"stripe .* UTC +(\d+) +(\d+) +0 +0 +0\s", status)
    assert counts, status
    assert int(counts[1]) + int(counts[2]) == len(FAMILIES) * PAYMENTS
    assert f"{2 * PAYMENTS} were delivered" in status


def until_more_is_taken(folder: Path, peer: Upstream) -> None:
    seen = len(peer.taken())
    until(lambda: len(peer.taken()) > seen or nothing_waits(folder), what="deliveries")


def holds_once(payments: Sequence[Payment], peer: Upstream) -> None:
    purchases, refunds = told_of(peer, "purchase"), told_of(peer, "refund")
    assert amounts(purchases) == Counter(one.paid for one in payments)
    assert amounts(refunds) == Counter(one.refunded for one in payments)
    name_of = {round(one["properties"]["value"] * 100): one["properties"]["order_id"] for one in purchases}
    refund_names = {round(one["properties"]["value"] * 100): one["properties"]["order_id"] for one in refunds}
    for one in payments:
        assert refund_names[one.refunded] == name_of[one.paid]


def test_after_twenty_minutes_without_a_worker_the_richest_webhook_of_each_payment_tells_it(tmp_path: Path) -> None:
    """Queued in random order, all of them older than the wait when the worker starts; killed again and again."""
    payments, rng = made_up_payments(100), random.Random(5)
    bodies = shuffled(payments, FAMILIES, rng) + [one.session() for one in payments]
    rng.shuffle(bodies)
    clock = wall_clock(tmp_path)
    with upstream() as peer:
        settings = settings_for(peer) | clock.settings
        with serving(tmp_path, settings, "--role", "web") as web:
            for body in bodies:
                assert post(f"{web.url}/webhooks/stripe", stripe(body)).status_code == 200
        clock.is_ahead(seconds=20 * 60)
        for _ in range(6):
            with serving(tmp_path, settings) as bridge:
                until_more_is_taken(tmp_path, peer)
                bridge.kill()
        with serving(tmp_path, settings):
            until(lambda: len(set(peer.ids())) >= 200, what="all payments and refunds")
        holds_once(payments, peer)
        by_order: defaultdict[str, int] = defaultdict(int)
        for event in told_of(peer, "purchase"):
            by_order[event["properties"]["order_id"]] += 1
        assert by_order == {f"A-{one.number}": 1 for one in payments}
