"""Payments of which several webhooks come, sent to a bridge that is killed; and what must have been told of each.

The model knows of each payment whether it is to be told, what is remembered of it without being told, what links its
webhooks, and whose sale its refund names. Not concerned with when anybody is killed.
"""

from __future__ import annotations

import random
import sqlite3
import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from crash_run import STORE, the_counts_agree
from crash_run import settings_for as settings_of_the_crash_suite
from signed_requests import STRIPE_SECRET, stripe

WAITS = {"STRIPE_WAIT_FOR_RICHER": "1s", "STRIPE_WAIT_FOR_SALE": "3s"}
MONEY = {"session", "intent", "charge", "invoice"}
"""The webhooks that tell a payment."""
LEAST = 1000
"""The cents of the first payment: an amount is LEAST and the payment's number."""
WORKERS = 3
BEFORE = {"amount_refunded": 0}


def settings_for(url: str) -> dict[str, str]:
    return settings_of_the_crash_suite(url) | {"STRIPE_WEBHOOK_SECRET": STRIPE_SECRET} | WAITS


@dataclass
class Payment:
    """A payment, the names of its webhooks in the order in which they are sent, and which of them were answered 200."""

    number: int
    webhooks: tuple[str, ...]
    answered: list[str] = field(default_factory=list)

    @property
    def amount(self) -> int:
        return LEAST + self.number

    @property
    def is_told(self) -> bool:
        return not MONEY.isdisjoint(self.answered)

    @property
    def is_remembered_only(self) -> bool:
        """Whether it is known and must not be told: nothing that comes of it moves money."""
        return "hold" in self.webhooks

    @property
    def is_refunded(self) -> bool:
        return not self.is_remembered_only and any(name.startswith("refund") for name in self.answered)

    @property
    def is_refunded_after_its_sale(self) -> bool:
        """Whether the refund finds its sale, since that was answered before the first webhook of the refund was sent."""
        refunds = [at for at, name in enumerate(self.webhooks) if name.startswith("refund")]
        return bool(refunds) and not MONEY.isdisjoint(self.webhooks[: refunds[0]])

    def body(self, name: str) -> dict[str, Any]:
        """The webhook of that name."""
        topic, fields = self._topic_and_object(name)
        return {
            "id": f"evt_{topic}_{self.number}", "object": "event", "type": topic, "created": self._second,
            "livemode": True, "request": {"id": f"req_{'refund' if 'refund' in topic else topic}_{self.number}"},
            "data": {"object": fields} | ({"previous_attributes": BEFORE} if topic == "charge.refunded" else {}),
        }  # fmt: skip

    def _topic_and_object(self, name: str) -> tuple[str, dict[str, Any]]:
        intent, invoice = f"pi_{self.number}", f"in_{self.number}"
        charge = {
            "id": f"ch_{self.number}", "object": "charge", "status": "succeeded", "paid": True, "captured": True,
            "currency": "eur", "amount": self.amount, "amount_captured": self.amount, "amount_refunded": 0,
            "payment_intent": intent,
        }  # fmt: skip
        session = {
            "id": f"cs_{self.number}", "object": "checkout.session", "mode": "payment", "payment_status": "paid",
            "amount_total": self.amount, "currency": "eur", "payment_intent": intent,
            "customer_details": {"email": self.email}, "metadata": {"order_id": f"A-{self.number}"},
        }  # fmt: skip
        webhooks: dict[str, tuple[str, dict[str, Any]]] = {
            "session": ("checkout.session.completed", session),
            "unpaid session": ("checkout.session.completed", session | {"payment_status": "unpaid"}),
            "intent": ("payment_intent.succeeded", {
                "id": intent, "object": "payment_intent", "status": "succeeded", "currency": "eur",
                "amount": self.amount, "amount_received": self.amount,
            }),
            "charge": ("charge.succeeded", charge),
            "hold": ("charge.succeeded", charge | {"captured": False, "amount_captured": 0}),
            "invoice": ("invoice.paid", {
                "id": invoice, "object": "invoice", "status": "paid", "currency": "eur", "amount_paid": self.amount,
                "billing_reason": "manual",
            }),
            "alias": ("invoice_payment.paid", {
                "id": f"inpay_{self.number}", "object": "invoice_payment", "invoice": invoice,
                "payment": {"type": "payment_intent", "payment_intent": intent},
            }),
            "refund": ("refund.created", {
                "id": f"re_{self.number}", "object": "refund", "status": "succeeded", "amount": self.amount,
                "charge": charge["id"], "payment_intent": intent, "currency": "eur", "created": self._second,
            }),
            "refund step": ("charge.refunded", charge | {"amount_refunded": self.amount, "refunded": True}),
        }  # fmt: skip
        return webhooks[name]

    @property
    def email(self) -> str:
        return f"buyer{self.number}@example.com"

    @property
    def _second(self) -> int:
        return 1760000000 + self.number


def drawn_payment(number: int, rng: random.Random) -> Payment:
    """A payment, whose webhooks come in random order as far as the order decides nothing; some of them twice."""
    refunds = rng.choice([[], ["refund"], ["refund step"], ["refund", "refund step"]])
    rng.shuffle(refunds)
    match rng.randrange(5):
        case 0:  # authorised, given back: remembered, and nothing is told
            sent = ["hold", "refund"]
        case 1:  # what an unpaid session says of the buyer is lent to the intent that is paid later
            sent = ["unpaid session", "intent", *refunds]
        case 2:  # the intent belongs to the invoice, which only an alias says
            sent = ["alias", *_shuffled(["intent", "invoice"], rng), *refunds]
        case 3:  # refunded before its sale is known here
            sent = [*refunds, *_some_of(["session", "intent", "charge"], rng)]
        case _:
            sent = [*_some_of(["session", "intent", "charge"], rng), *refunds]
    again = rng.sample(sent, rng.randrange(len(sent) + 1)) if rng.random() < 1 / 3 else []
    return Payment(number, (*sent, *again))


def _shuffled(names: list[str], rng: random.Random) -> list[str]:
    return rng.sample(names, len(names))


def _some_of(names: list[str], rng: random.Random) -> list[str]:
    return rng.sample(names, rng.randrange(1, len(names) + 1))


@dataclass
class PaymentLoad:
    """Workers that send payments' webhooks, each until it is answered 200, also by a bridge that was started later."""

    seed: int
    payments: list[Payment] = field(default_factory=list)
    _unfinished: deque[Payment] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def on(self, url: str) -> Iterator[None]:
        """Load on a bridge until the end of the block, whoever of it dies meanwhile."""
        stop = threading.Event()
        threads = [threading.Thread(target=self._work, args=(url, stop)) for _ in range(WORKERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def finish(self, url: str) -> None:
        """Send what is left of each payment that was begun."""
        with httpx.Client(trust_env=False, timeout=10) as client:
            while self._unfinished:
                payment = self._unfinished.popleft()
                while len(payment.answered) < len(payment.webhooks):
                    _send_next(client, url, payment)

    def _work(self, url: str, stop: threading.Event) -> None:
        with httpx.Client(trust_env=False, timeout=10) as client:
            while not stop.is_set():
                payment = self._next_payment()
                try:
                    while len(payment.answered) < len(payment.webhooks) and not stop.is_set():
                        _send_next(client, url, payment)
                except httpx.HTTPError:
                    stop.wait(0.01)
                if len(payment.answered) < len(payment.webhooks):
                    self._unfinished.append(payment)

    def _next_payment(self) -> Payment:
        with self._lock:
            if self._unfinished:
                return self._unfinished.popleft()
            number = len(self.payments)
            payment = drawn_payment(number, random.Random(f"{self.seed} {number}"))
            self.payments.append(payment)
            return payment


def _send_next(client: httpx.Client, url: str, payment: Payment) -> None:
    name = payment.webhooks[len(payment.answered)]
    headers, raw = stripe(payment.body(name))
    answer = client.post(f"{url}/webhooks/stripe", headers=headers, content=raw)
    assert answer.status_code in (200, 503), f"answered {answer.status_code}: {answer.text}"
    if answer.status_code == 200:
        payment.answered.append(name)


# -------------------------------------------------------------------------------------------------- what must hold


def hold_payments(folder: Path, payments: Sequence[Payment], taken: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Every payment and every refund is told once, under one name, and nothing else is; some figures."""
    events = {event["event_id"]: event for event in taken}
    told: defaultdict[tuple[str, int], list[Mapping[str, Any]]] = defaultdict(list)
    for event in events.values():
        number = round(event["properties"]["value"] * 100) - LEAST
        told[event["event_type"], number].append(event)
    expected = {("purchase", one.number) for one in payments if one.is_told}
    expected |= {("refund", one.number) for one in payments if one.is_refunded}
    assert expected <= told.keys(), f"lost: {sorted(expected - told.keys())[:5]}"
    assert told.keys() <= expected, f"told, and must not be: {sorted(told.keys() - expected)[:5]}"
    doubled = [key for key, each in told.items() if len(each) > 1]
    assert not doubled, f"told twice: {doubled[:5]}, {[told[key] for key in doubled[:2]]}"
    lent = named = 0
    for one in payments:
        if one.webhooks[0] in ("session", "unpaid session"):
            [purchase] = told["purchase", one.number]
            assert purchase["user_data"]["email"] == one.email, f"payment {one.number} lacks what was remembered of it"
            lent += one.webhooks[0] == "unpaid session"
        if one.is_refunded_after_its_sale and not one.is_remembered_only:
            [purchase], [refund] = told["purchase", one.number], told["refund", one.number]
            assert refund["properties"]["order_id"] == purchase["properties"]["order_id"], f"of payment {one.number}"
            named += 1
    _the_store_agrees(folder, set(events))
    return {
        "payments": len(payments),
        "payments_told": sum(one.is_told for one in payments),
        "refunds_told": sum(one.is_refunded for one in payments),
        "remembered_and_not_told": sum(one.is_remembered_only for one in payments),
        "told_with_what_was_remembered": lent,
        "told_by_an_alias": sum("alias" in one.webhooks for one in payments),
        "refunds_that_name_their_sale": named,
        "payments_delivered_again": len(taken) - len(events),
    }


def _the_store_agrees(folder: Path, delivered: set[str]) -> None:
    with closing(sqlite3.connect(folder / STORE)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert db.execute("SELECT count(*) FROM deliveries WHERE state <> 'delivered'").fetchone() == (0,)
        left = "SELECT count(*) FROM webhooks WHERE state NOT IN ('translated', 'ignored')"
        assert db.execute(left).fetchone() == (0,)
        made = {name for (name,) in db.execute("SELECT id FROM events WHERE duplicate_of IS NULL")}
        assert made == delivered, "the store and the upstream know different events"
        the_counts_agree(db)
