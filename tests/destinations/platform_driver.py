"""Delivers events to a fake platform as the pipeline would: the real client, halves of what is rejected, what goes again.

It has no store and no clock of its own: `fate` says what one round made of each event.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from upstreams.kinds import FAKES
from upstreams.platform import FakePlatform, Mood, serving_platform

from bridge.core.delivery import (
    Delivered,
    Delivery,
    Misconfigured,
    Mixed,
    Outcome,
    Outgoing,
    Rejected,
    Resend,
    Response,
    Retryable,
    Unsent,
)
from bridge.core.model import Event
from bridge.destinations.engine.declared import DeclaredDestination
from bridge.destinations.language import Platform
from bridge.destinations.language.files import load_kind
from bridge.pipeline.http_client import Send, load_trusted_certificates, open_client

TRUSTED = load_trusted_certificates()
"""Loaded once: it takes longer than everything else that a round does."""

PERSON = {
    "email": "Jane.Doe+shop@mail.example", "phone": "+1 201 555 0123", "first_name": "Jane", "last_name": "O'Doe",
    "city": "San Jose", "state": "California", "postal_code": "95113-1234", "country": "US",
}  # fmt: skip
BROWSER = {
    "ip": "203.0.113.9", "user_agent": "Mozilla/5.0 (X11; Linux x86_64)", "fbc": "fb.1.1699990000000.AbC", "fbp": "fb.1.1699990000000.12345", "gclid": "Cj0KCQ", "ga_client_id": "12.34",
    "li_fat_id": "li-1", "twclid": "tw-1", "ttclid": "tt-1", "msclkid": "ms-1",
}  # fmt: skip
CODES = {
    "meta": {"test_event_code": "TEST123"}, "tiktok": {"test_event_code": "TEST123"}, "reddit": {"test_id": "t2_test"},
}  # fmt: skip
"""Options of test destinations, where a platform has a code."""
GRANTED = {"ads": True, "analytics": True, "personalization": True}


def make_event(event_id: str, **changes: Any) -> dict[str, Any]:
    """A purchase of a minute ago with all that can be known, and these changes; None takes a field out."""
    event = {
        "event_type": "purchase",
        "event_id": event_id,
        "timestamp": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(timespec="seconds"),
        "user_id": "customer-7",
        "properties": {
            "order_id": f"order-{event_id}", "value": 99.5, "currency": "USD",
            "items": [{"sku": "SKU1", "name": "Mug", "price": 49.75, "quantity": 2}],
        },
        "user_data": PERSON, "context": BROWSER | {"page_url": f"https://shop.example/thanks?utm_campaign={event_id}&key=1"}, "consent": GRANTED,
    }  # fmt: skip
    return {name: value for name, value in (event | changes).items() if value is not None}


GOOGLE = json.dumps({"client_id": "c", "client_secret": "client-secret-1", "refresh_token": "refresh-token-1"})
"""What lets a destination of Google start; `tests/pipeline/test_access_tokens.py` fetches real tokens."""


def options_of(fake: FakePlatform, **more: Any) -> dict[str, Any]:
    """What an operator would set to reach the fake."""
    purposeful = {} if fake.kind == "webhook" else {"without_consent": "skip"}
    google = {"oauth": GOOGLE} if fake.kind == "google_ads" else {}
    return {**fake.settings, "url": fake.destination_url, **purposeful, **google, **more}


@cache
def platform_of(kind: str) -> Platform:
    """A shipped platform, compiled once."""
    platform = load_kind(kind, None)
    assert platform is not None
    return platform


def with_token(made: Outgoing) -> Outgoing:
    """The request with a token where it needs one, as the pipeline would put it in."""
    if made.token_source is None:
        return made
    return replace(made, headers={**made.headers, "authorization": "Bearer a-token"})


def declared(fake: FakePlatform, **more: Any) -> DeclaredDestination:
    return DeclaredDestination.from_options(platform_of(fake.kind), "it", options_of(fake, **more))


@contextmanager
def faked(kind: str, script: Sequence[Mood] = ()) -> Any:
    with serving_platform(FAKES[kind](script)) as fake:
        yield fake


@dataclass
class Round:
    """What became of each event, by its id, in one round; and everything that was sent and answered."""

    fate: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    waits: list[timedelta] = field(default_factory=list)
    outgoing: list[Outgoing] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)

    def note(self, delivery: Delivery, word: str, reason: str | None = None) -> None:
        self.fate[delivery.event_id] = word
        self.reasons[delivery.event_id] = reason or ""


def drive(
    destination: DeclaredDestination, events: Sequence[Mapping[str, Any]], *, now: datetime | None = None
) -> Round:
    """One round over these events."""

    async def run() -> Round:
        async with open_client(timedelta(seconds=20), TRUSTED) as send:
            return await _drive(destination, events, send, now or datetime.now(UTC))

    return asyncio.run(run())


async def _drive(
    destination: DeclaredDestination, events: Sequence[Mapping[str, Any]], send: Send, now: datetime
) -> Round:
    done = Round()
    groups = []
    kept = []
    for number, event in enumerate(events, 1):
        text = json.dumps(event).encode()
        delivery = Delivery(number, destination.name, str(event["event_id"]), text, 0)
        reason = destination.skip_reason(_as_event(event, text))
        if reason is None:
            kept.append(delivery)
        else:
            done.note(delivery, "skipped", reason)
    groups = [kept] if kept else []
    deadline = time.monotonic() + 60
    while groups and time.monotonic() < deadline:
        for made in destination.make_requests(groups.pop(0), now=now):
            if isinstance(made, Unsent):
                for delivery, update in zip(made.deliveries, made.updates, strict=True):
                    done.note(delivery, str(update.state), update.reason)
                continue
            sent = with_token(made)
            done.outgoing.append(sent)
            response = await send(sent)
            done.responses.append(response)
            outcome = destination.read_response(response, sent=len(made.deliveries), now=now)
            groups += _settle(made.deliveries, outcome, done)
    return done


def _settle(deliveries: Sequence[Delivery], outcome: Outcome, done: Round) -> list[list[Delivery]]:
    """Note what is settled; return what is sent again in this round."""
    match outcome:
        case Mixed(outcomes):
            again = [
                delivery
                for delivery, one in zip(deliveries, outcomes, strict=True)
                if isinstance(one, Resend) or _settle([delivery], one, done)
            ]
            return [again] if again else []
        case Rejected() if len(deliveries) > 1:
            half = (len(deliveries) + 1) // 2
            return [list(deliveries[:half]), list(deliveries[half:])]
        case Delivered():
            word, reason = "delivered", outcome.note
        case Rejected(reason):
            word = "rejected"
        case Retryable(reason, after):
            word = "retry"
            done.waits += [after] if after else []
        case Misconfigured(reason):
            word = "pause"
    for delivery in deliveries:
        done.note(delivery, word, reason)
    return []


def _as_event(event: Mapping[str, Any], text: bytes) -> Event:
    return Event(
        id=str(event["event_id"]), origin="key:one", event_type=str(event["event_type"]), test=event.get("test") is True,
        text=text, occurred_at=datetime.now(UTC),
    )  # fmt: skip
