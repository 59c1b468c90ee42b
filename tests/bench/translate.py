"""How fast a mapping is: a Shopify order of 25 fields and its line items becomes a track event in three ways.

The compiled mapping, the same written by hand in Python, and the same expressions through the jmespath package, all
with the functions of `bridge/mapping/functions/builtin.py` and all from the body as it was parsed. Each round times
every way in turn, in the process's own time; what is printed are medians over the rounds of one run, of times and of
ratios, so that what else the machine does touches both sides of a ratio alike. No phone number is parsed: that one call
would cost more than all else together, and so flatter the ratios.

    python tests/bench/translate.py [ROUNDS]

Ends with 1 where the mapping takes over 1.5 times as long as by hand, or is not 10 times as fast as the package.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median
from time import process_time

import jmespath
from jmespath.functions import Functions, signature

from bridge import mapping
from bridge.core import dedupe_keys, json_text
from bridge.core.json_text import Json
from bridge.core.model import Webhook
from bridge.mapping.definition import MappingDefinition
from bridge.mapping.engine.context import FailureNotes, MappingFrame
from bridge.mapping.functions.builtin import FUNCTIONS
from bridge.yaml.document import plain_value

SLOWER_THAN_BY_HAND = 1.5
FASTER_THAN_JMESPATH = 10.0

MAPPING = """\
mapping: 1
provider: shop
webhook:
  signature: {kind: hmac, algorithm: sha256, encoding: hex, from: "header:X-Sig", signed: "{body}"}
  id: [header:X-Id]
  topic: [header:X-Topic]
let:
  landing: =parse_url(body.landing_site)
  attributes: =pairs(body.note_attributes)
  address: =body.billing_address || body.shipping_address
events:
  - topic: orders/paid
    when: =body.source_name != 'pos'
    dedupe: =body.id
    event:
      event_type: purchase
      timestamp: =body.processed_at || body.created_at
      session_id: =attributes.session_id
      user_id: =body.customer.id
      properties:
        order_id: =body.id
        order_name: =body.name
        value: =decimal(body.total_price)
        tax: =decimal(body.total_tax)
        currency: =body.currency
        coupon: =body.discount_codes[0].code
        items:
          for_each: line
          in: =body.line_items
          map:
            sku: =line.sku
            name: =line.title
            price: =decimal(line.price)
            quantity: =line.quantity
      user_data:
        email: =lower(body.email || body.contact_email || body.customer.email)
        phone: =body.phone || address.phone
        first_name: =address.first_name || body.customer.first_name
        last_name: =address.last_name || body.customer.last_name
        city: =address.city
        state: =address.province_code
        postal_code: =address.zip
        country: =address.country_code
      context:
        ip: =body.browser_ip || body.client_details.browser_ip
        user_agent: =body.client_details.user_agent
        page_url: =body.landing_site
        referrer: =body.referring_site
        gclid: =attributes.gclid || landing.query.gclid
        fbclid: =attributes.fbclid || landing.query.fbclid
"""
LINES = 3
ORDER: Json = {
    "id": 820982911946154508,
    "name": "#1001",
    "created_at": "2026-03-01T10:00:00+01:00",
    "processed_at": "2026-03-01T10:00:01+01:00",
    "source_name": "web",
    "currency": "EUR",
    "total_price": "404.90",
    "total_tax": "64.65",
    "email": "Ada@Example.com",
    "phone": None,
    "browser_ip": "203.0.113.9",
    "landing_site": "/shoes?utm_source=x&gclid=Cj0made-up",
    "referring_site": "https://search.example.com/",
    "discount_codes": [{"code": "SPRING", "amount": "5.00", "type": "fixed_amount"}],
    "note_attributes": [{"name": "session_id", "value": "sess_made_up"}, {"name": "gift", "value": "no"}],
    "client_details": {"browser_ip": "203.0.113.9", "user_agent": "Mozilla/5.0 (made up)"},
    "customer": {"id": 115310627314723954, "email": "ada@example.com", "first_name": "Ada", "last_name": "Byron"},
    "billing_address": None,
    "shipping_address": {
        "first_name": "Ada",
        "last_name": "Byron",
        "phone": "+44 20 7946 0000",
        "city": "London",
        "province_code": "ENG",
        "zip": "SW1Y 4JU",
        "country_code": "GB",
    },
    "line_items": [
        {"sku": f"S-{number}", "title": f"Shoe {number}", "price": "134.97", "quantity": number}
        for number in range(1, LINES + 1)
    ],
}

_decimal = FUNCTIONS["decimal"].call
_lower = FUNCTIONS["lower"].call
_pairs = FUNCTIONS["pairs"].call
_parse_url = FUNCTIONS["parse_url"].call


# -------------------------------------------------------------------------------------------------------- by hand


def by_hand(body: Json) -> tuple[Json, tuple[str, ...]] | None:
    """The event and its dedupe keys, as somebody would write it who knows the fields."""
    if body.get("source_name") == "pos":
        return None
    attributes = _pairs(body.get("note_attributes") or [])
    landing = _parse_url(body["landing_site"]) if body.get("landing_site") else {}
    query = landing.get("query") or {}
    address = body.get("billing_address") or body.get("shipping_address") or {}
    customer = body.get("customer") or {}
    client = body.get("client_details") or {}
    codes = body.get("discount_codes") or []
    items = []
    for line in body.get("line_items") or []:
        price = line.get("price")
        item = {
            "sku": line.get("sku"),
            "name": line.get("title"),
            "price": _decimal(price) if price is not None else None,
            "quantity": line.get("quantity"),
        }
        item = {key: value for key, value in item.items() if value is not None and value != ""}
        if item:
            items.append(item)
    email = body.get("email") or body.get("contact_email") or customer.get("email")
    value, tax = body.get("total_price"), body.get("total_tax")
    event = {
        "event_type": "purchase",
        "timestamp": body.get("processed_at") or body.get("created_at"),
        "session_id": attributes.get("session_id"),
        "user_id": str(customer["id"]) if customer.get("id") else None,
        "properties": {
            "order_id": str(body["id"]),
            "order_name": body.get("name"),
            "value": _decimal(value) if value is not None else None,
            "tax": _decimal(tax) if tax is not None else None,
            "currency": body.get("currency"),
            "coupon": codes[0].get("code") if codes else None,
            "items": items,
        },
        "user_data": {
            "email": _lower(email) if email else None,
            "phone": body.get("phone") or address.get("phone"),
            "first_name": address.get("first_name") or customer.get("first_name"),
            "last_name": address.get("last_name") or customer.get("last_name"),
            "city": address.get("city"),
            "state": address.get("province_code"),
            "postal_code": address.get("zip"),
            "country": address.get("country_code"),
        },
        "context": {
            "ip": body.get("browser_ip") or client.get("browser_ip"),
            "user_agent": client.get("user_agent"),
            "page_url": body.get("landing_site"),
            "referrer": body.get("referring_site"),
            "gclid": attributes.get("gclid") or query.get("gclid"),
            "fbclid": attributes.get("fbclid") or query.get("fbclid"),
        },
    }
    kept = _without_nothing(event)
    given = kept.get("properties", {})
    if "order_id" not in given or "value" not in given or "currency" not in given:
        raise ValueError("a purchase needs them")
    return kept, (str(body["id"]),)


def _without_nothing(document: Json) -> Json:
    kept = {}
    for key, value in document.items():
        found = _without_nothing(value) if value.__class__ is dict else value
        if found is not None and found not in ("", {}, []):
            kept[key] = found
    return kept


# ------------------------------------------------------------------------------------------- the jmespath package


class OurFunctions(Functions):
    """The mapping language's functions, as the package wants them."""

    @signature({"types": ["string", "number", "null"]})
    def _func_decimal(self, value: Json) -> Json:
        return None if value is None else _decimal(value)

    @signature({"types": ["string", "null"]})
    def _func_lower(self, value: Json) -> Json:
        return None if value is None else _lower(value)

    @signature({"types": ["array", "null"]})
    def _func_pairs(self, value: Json) -> Json:
        return None if value is None else _pairs(value)

    @signature({"types": ["string", "null"]})
    def _func_parse_url(self, value: Json) -> Json:
        return None if value is None else _parse_url(value)


OPTIONS = jmespath.Options(custom_functions=OurFunctions())


def through_jmespath(parts: MappingDefinition) -> Callable[[Json], tuple[Json, tuple[str, ...]] | None]:
    """The same expressions, each by `jmespath.search`, which parses it once; every name of `let` is searched once."""
    [rule] = parts.rules
    lets = {name: str(plain_value(node))[1:] for name, (_, node) in parts.lets.items()}
    fields = _expressions(rule.event)
    lines = rule.event.entries["properties"].value.entries["items"].value.entries  # type: ignore[union-attr]
    each = _expressions(lines["map"].value)
    conditions = (rule.when[0].test, rule.dedupe, lines["in"].value)
    when, dedupe, source = (str(plain_value(node))[1:] for node in conditions)  # type: ignore[arg-type]

    def run(body: Json) -> tuple[Json, tuple[str, ...]] | None:
        names: dict[str, Json] = {"body": body}
        for name, text in lets.items():
            names[name] = jmespath.search(text, names, OPTIONS)
        if not jmespath.search(when, names, OPTIONS):
            return None
        event: Json = {"event_type": "purchase", "properties": {}, "user_data": {}, "context": {}}
        _fill(event, fields, names)
        event["properties"]["items"] = [
            _fill({}, each, {"line": line}) for line in jmespath.search(source, names, OPTIONS)
        ]
        return event, (str(jmespath.search(dedupe, names, OPTIONS)),)

    return run


def _fill(event: Json, fields: list[tuple[tuple[str, ...], str]], names: Json) -> Json:
    for path, text in fields:
        value = jmespath.search(text, names, OPTIONS)
        if value is not None and value != "":
            target = event[path[0]] if len(path) > 1 else event
            target[path[-1]] = str(value) if path[-1] in {"order_id", "user_id"} else value
    return event


def _expressions(node: Json, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], str]]:
    """Every expression below a node that stands in no for_each, under its path."""
    found: list[tuple[tuple[str, ...], str]] = []
    for key, entry in node.entries.items():
        if hasattr(entry.value, "entries"):
            found += [] if "for_each" in entry.value.entries else _expressions(entry.value, (*path, key))
        elif entry.value.is_expression:
            found.append(((*path, key), entry.value.expression))
    return found


# ------------------------------------------------------------------------------------------------------ measuring


class Silent(FailureNotes):
    """Nothing is left out of this order, so nobody tells of it."""

    def note_text(self, field: str, error: Exception) -> str:
        return field


def main(rounds: int) -> int:
    """Time all ways, print the table; the exit status."""
    found = mapping.read_mapping(MAPPING, name="shop.yaml")
    assert found.mapping is not None, found.problems.all_problems
    source = found.mapping.bind_source("shop", secrets=(), vars={})
    webhook = _webhook(json_text.write_json(ORDER))
    body = json_text.parse_json(webhook.body)
    program = found.mapping.program
    [rule] = program.rules
    searched = through_jmespath(found.parts)

    silent = Silent()

    def compiled() -> Json:
        """As a webhook is translated once its body is parsed: with a frame of its own."""
        frame = MappingFrame(
            body=body,
            request=body,
            headers=dict(webhook.headers),
            query=dict(webhook.query),
            webhook={"id": webhook.id, "topic": webhook.topic, "received_at": "2026-03-01T00:00:00Z"},
            source={"name": "shop", "vars": {}},
            names=program.names,
            teller=silent,
        )
        return rule.run(frame)

    ways: dict[str, Callable[[], object]] = {
        "the compiled mapping": compiled,
        "by hand": lambda: by_hand(body),
        "the jmespath package": lambda: searched(body),
        "from bytes to a checked event": lambda: source.translate(webhook),
    }
    assert compiled() == by_hand(body) == searched(body), "the three ways must agree"
    times = measure_ways(ways, rounds)
    print(f"a Shopify order of 25 fields and {LINES} line items, medians of {rounds} interleaved rounds\n")
    for name, seconds in times.items():
        by_hands = ratio_of(seconds, times["by hand"])
        print(f"  {name:<30} {median(seconds) * 1e6:8.1f} µs  {by_hands:6.2f} times by hand")
    slower = ratio_of(times["the compiled mapping"], times["by hand"])
    faster = ratio_of(times["the jmespath package"], times["the compiled mapping"])
    print(f"\n  {slower:.2f} times by hand (at most {SLOWER_THAN_BY_HAND})")
    print(f"  {faster:.1f} times as fast as the jmespath package (at least {FASTER_THAN_JMESPATH:.0f})")
    return 0 if slower <= SLOWER_THAN_BY_HAND and faster >= FASTER_THAN_JMESPATH else 1


def _webhook(body: bytes) -> Webhook:
    return Webhook(
        source="shop",
        id="w",
        topic="orders/paid",
        received_at=datetime(2026, 3, 1, tzinfo=UTC),
        body=body,
        identity=(dedupe_keys.signed_webhook_key("shop", "w"),),
        headers={"content-type": "application/json", "x-topic": "orders/paid"},
    )


def measure_ways(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """The seconds of one call of each, round by round."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    gc.collect()
    gc.disable()
    for number in range(rounds):
        begin = number % len(ways)  # each way comes first in turn: after a collection the allocator starts cold
        for name, way in (*list(ways.items())[begin:], *list(ways.items())[:begin]):
            began = process_time()
            for _ in range(CALLS):
                way()
            took[name].append((process_time() - began) / CALLS)
        gc.collect()
    gc.enable()
    return took


def ratio_of(some: list[float], others: list[float]) -> float:
    return median(one / other for one, other in zip(some, others, strict=True))


CALLS = 20
"""Calls a round: the clock's own grain does not show, and a round is over before the machine has changed its pace."""

if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 500))
