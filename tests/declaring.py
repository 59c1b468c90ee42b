"""What the tests of destination files share: a small made-up platform, its events, and a destination of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from bridge.core.delivery import Delivery, Outgoing, Unsent
from bridge.core.json_text import Json
from bridge.core.model import Event
from bridge.destinations.engine.declared import DeclaredDestination
from bridge.destinations.language import Platform, parse_platform, read_platform

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECRET = "a-made-up-token"
ACME = """\
destination: 1
kind: acme
title: Acme Ads
purpose: ads
vars:
  pixel: {needed: true, help: "The pixel's number."}
  site: {default: "", help: "The shop's address."}
secrets:
  token: {needed: true, help: "Made in Acme's settings."}
events: {purchase: Bought, lead: Lead}
limits: {events: 3, oldest: 7d, ahead: 5m}
let:
  who: =event.user_data
send:
  - identify: [em, [ip, ua]]
    require: [name, at]
    item:
      name: =event_name
      at: =unix(event.timestamp)
      id: =event.event_id
      em: =hashed(who.email, 'email')
      ip: =event.context.ip
      ua: =event.context.user_agent
      page: =event.context.page_url || destination.vars.site
      value: =choose(event.properties.currency, event.properties.value, `null`)
      currency: =event.properties.currency
request:
  url: =format('https://acme.example/{}/events', destination.vars.pixel)
  auth: {kind: bearer, token: =secrets.token}
  body: {data: =items}
answers:
  - when: =response.body.failed
    each: {for_each: bad, in: =response.body.failed, at: =bad.index, is: rejected, reason: =bad.message}
    rest: delivered
  - {when: =response.body.code == 'expired', is: pause, reason: =response.body.message}
  - {when: =response.body.code == 'busy', is: retry, after: 30, reason: busy}
"""
SET = {"pixel": "p1", "token": SECRET, "without_consent": "send"}


def acme(text: str = ACME, **options: Any) -> DeclaredDestination:
    return DeclaredDestination.from_options(platform(text), "mine", SET | options)


def platform(text: str = ACME) -> Platform:
    return parse_platform(text, name="acme.yaml")


def problems(text: str, severity: str | None = None) -> list[str]:
    found = read_platform(text, name="acme.yaml").all_problems
    return [str(one) for one in found if severity in {None, one.severity}]


def document(**more: Json) -> dict[str, Json]:
    return {
        "event_type": "purchase",
        "event_id": "evt_1",
        "timestamp": "2026-06-01T11:00:00Z",
        "properties": {"order_id": "7", "value": 19.5, "currency": "EUR"},
        "user_data": {"email": " Jane@Mail.example "},
    } | more


def event(*, test: bool = False, **more: Json) -> Event:
    made = document(**more)
    return Event(str(made["event_id"]), "key:one", str(made["event_type"]), test, json.dumps(made).encode(), NOW)


def deliveries(*documents: dict[str, Json]) -> list[Delivery]:
    return [
        Delivery(number, "mine", f"evt_{number}", json.dumps(one).encode(), 0)
        for number, one in enumerate(documents, start=1)
    ]


def outgoing(one: DeclaredDestination, *documents: dict[str, Json], now: datetime = NOW) -> Outgoing:
    """The one request that carries these events."""
    [made] = one.make_requests(deliveries(*documents), now=now)
    assert isinstance(made, Outgoing)
    return made


def reasons(one: DeclaredDestination, *documents: dict[str, Json], now: datetime = NOW) -> list[str | None]:
    """Why each of these events is not sent."""
    [made] = one.make_requests(deliveries(*documents), now=now)
    assert isinstance(made, Unsent)
    return [update.reason for update in made.updates]


def body(made: Outgoing) -> Json:
    return json.loads(made.body)
