"""How fast a destination file is: a purchase of two lines becomes an item of Meta, GA4 and Google Ads in two ways.

As `DeclaredDestination` makes it at every attempt, and the same written by hand in Python: both from the event's bytes,
with its consent and age looked at, and both with the functions of `bridge/mapping/functions/`. Each round times every
way in turn, in the process's own time; what is printed are medians over the rounds of one run, of times and of ratios.
No phone number is parsed: that one call would cost more than all else together, and so flatter the ratios. Measured on
two cores of a Xeon server: Meta 74 µs and 1.27 times by hand, GA4 49 µs and 0.96, Google Ads 50 µs and 1.01.

    python tests/bench/items.py [ROUNDS]

Ends with 1 where a file takes over 1.5 times as long as by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from statistics import median

from translate import measure_ways, ratio_of

from bridge.core import json_text
from bridge.core.instants import parse_instant
from bridge.core.json_text import Json
from bridge.destinations.engine.declared import DeclaredDestination
from bridge.destinations.engine.event_view import clean_address, read_consent
from bridge.destinations.engine.requests import Item
from bridge.destinations.language.files import load_kind
from bridge.mapping.functions.for_destinations import DESTINATION_FUNCTIONS

SLOWER_THAN_BY_HAND = 1.5
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
EVENT: Json = {
    "event_type": "purchase",
    "event_id": "evt_1",
    "timestamp": "2026-06-01T11:00:00Z",
    "user_id": "customer-7",
    "session_id": "sess_made_up",
    "properties": {
        "order_id": "1001", "value": 404.9, "currency": "EUR", "tax": 64.65, "coupon": "SPRING",
        "items": [
            {"sku": "S-1", "name": "Shoe 1", "price": 134.97, "quantity": 1},
            {"sku": "S-2", "name": "Shoe 2", "price": 134.97, "quantity": 2},
        ],
    },
    "user_data": {
        "email": "Ada@Example.com", "first_name": "Ada", "last_name": "Byron", "city": "London", "state": "ENG",
        "postal_code": "SW1Y 4JU", "country": "GB",
    },
    "context": {
        "ip": "203.0.113.9", "user_agent": "Mozilla/5.0 (made up)", "page_url": "https://shop.example/thanks?gclid=G&key=1",
        "referrer": "https://search.example/", "fbp": "fb.1.1.2", "fbclid": "F1", "gclid": "G", "ga_client_id": "12.34",
    },
    "consent": {"ads": True, "analytics": True},
}  # fmt: skip
OPTIONS: dict[str, dict[str, object]] = {
    "meta": {"pixel_id": "1", "access_token": "a-made-up-token"},
    "ga4": {"measurement_id": "G-1", "api_secret": "a-made-up-secret"},
    "google_ads": {
        "customer": "123", "events": {"purchase": "5"},
        "oauth": '{"client_id": "c", "client_secret": "made-up-1", "refresh_token": "made-up-2"}',
    },
}  # fmt: skip
_call = {name: one.call for name, one in DESTINATION_FUNCTIONS.items()}
_hashed, _normal, _unix, _whole, _decimal = (_call[name] for name in ("hashed", "normal", "unix", "whole", "decimal"))
_text, _iso8601 = _call["text"], _call["iso8601"]


# -------------------------------------------------------------------------------------------------------- by hand


def read_event(text: bytes, word: str, *, oldest: timedelta) -> Json | None:
    """The event, where its person agreed and it is young enough."""
    event = json_text.parse_json(text, strict=False)
    event["consent"] = read_consent(event.get("consent") or {})
    seen = event["context"]
    for name in ("page_url", "referrer"):
        if seen.get(name):
            seen[name] = clean_address(seen[name])
    at = parse_instant(event["timestamp"])
    if event["consent"].get(word) is not True or at is None or NOW - at > oldest:
        return None
    return event


def _hash(value: Json, rule: str, country: Json = None) -> Json:
    return _hashed(value, rule, country) if value else None


def meta(text: bytes) -> Json:
    """An item of Meta's Conversions API."""
    event = read_event(text, "ads", oldest=timedelta(days=7))
    if event is None:
        return None
    who, seen, order = event.get("user_data") or {}, event.get("context") or {}, event.get("properties") or {}
    if not order.get("value") or not order.get("currency"):
        return None
    page, country, fbclid = seen.get("page_url"), who.get("country"), seen.get("fbclid")
    goods = []
    for it in order.get("items") or []:
        price, quantity = it.get("price"), it.get("quantity")
        number = it.get("sku") or it.get("id") or it.get("item_id") or it.get("product_id")
        goods.append({
            "id": _text(number) if number is not None else None,
            "quantity": _whole(quantity) if quantity is not None else None,
            "item_price": _decimal(price) if price is not None else None,
            "title": _text(it["name"]) if it.get("name") is not None else None,
        })  # fmt: skip
    limited = (event.get("consent") or {}).get("sale_opt_out")
    item = {
        "event_name": "Purchase",
        "event_time": _unix(event["timestamp"]),
        "event_id": order.get("order_id") or event["event_id"],
        "action_source": "website" if seen.get("user_agent") and page else "system_generated",
        "event_source_url": page,
        "referrer_url": seen.get("referrer"),
        "user_data": {
            "em": _hash(who.get("email"), "email"),
            "ph": _hash(who.get("phone"), "phone_digits", country),
            "fn": _hash(who.get("first_name"), "name"),
            "ln": _hash(who.get("last_name"), "name"),
            "ct": _hash(who.get("city"), "place"),
            "st": _hash(who.get("state"), "state", country),
            "zp": _hash(who.get("postal_code"), "zip", country),
            "country": _hash(country, "country"),
            "external_id": _hash(event.get("user_id"), "id"),
            "client_ip_address": seen.get("ip"),
            "client_user_agent": seen.get("user_agent"),
            "fbc": seen.get("fbc")
            or (f"fb.1.{_unix(seen.get('fbclid_at') or event['timestamp'], 'ms')}.{fbclid}" if fbclid else None),
            "fbp": seen.get("fbp"),
        },
        "custom_data": {
            "value": order.get("value"),
            "currency": order.get("currency"),
            "order_id": order.get("order_id"),
            "content_type": "product" if goods else None,
            "content_ids": [one["id"] for one in goods if one["id"]],
            "contents": goods,
            "num_items": sum(one["quantity"] or 0 for one in goods) if goods else None,
        },
        "data_processing_options": ["LDU"] if limited else None,
    }
    kept = without_nothing(item)
    known = kept.get("user_data", {})
    if not any(known.get(name) for name in ("em", "ph", "external_id", "fbc", "fbp")):
        return None
    return kept


def ga4(text: bytes) -> Json:
    """A hit of GA4's Measurement Protocol."""
    event = read_event(text, "analytics", oldest=timedelta(hours=72))
    if event is None:
        return None
    given, seen, order = event.get("consent") or {}, event.get("context") or {}, event.get("properties") or {}
    who = {} if given.get("ads") is False else event.get("user_data") or {}
    words: dict[Json, str] = {True: "GRANTED", False: "DENIED"}
    country, coupon, page = who.get("country"), order.get("coupon"), seen.get("page_url")
    land = _normal(country, "country") if country else None
    items = []
    for it in order.get("items") or []:
        number = it.get("sku") or it.get("id") or it.get("item_id")
        if not number and not it.get("name"):
            continue
        price, quantity, name = it.get("price"), it.get("quantity"), it.get("name")
        items.append({
            "item_id": _text(number)[:100] if number else None,
            "item_name": name[:100] if name else None,
            "price": _decimal(price) if price is not None else None,
            "quantity": _whole(quantity) if quantity is not None else None,
        })  # fmt: skip
    tax, shipping = order.get("tax"), order.get("shipping")
    params = {
        "transaction_id": (order.get("order_id") or event["event_id"])[:100],
        "value": order.get("value") if order.get("currency") else None,
        "currency": order.get("currency"),
        "tax": _decimal(tax) if tax is not None else None,
        "shipping": _decimal(shipping) if shipping is not None else None,
        "coupon": coupon[:100] if coupon else None,
        "session_id": seen.get("ga_session_id"),
        "engagement_time_msec": 1,
        "page_location": page[:1000] if page else None,
        "items": items,
    }
    city, state, postal_code = who.get("city"), who.get("state"), who.get("postal_code")
    kept = without_nothing({
        "client_id": seen.get("ga_client_id"),
        "user_id": event["user_id"][:256] if event.get("user_id") else None,
        "timestamp_micros": _unix(event["timestamp"], "us"),
        "ip_override": seen.get("ip"),
        "user_agent": seen.get("user_agent"),
        "consent": {
            "ad_user_data": words.get(given.get("ads")),
            "ad_personalization": words.get(given.get("personalization")),
        },
        "user_data": {
            "sha256_email_address": _listed(_hash(who.get("email"), "email_google")),
            "sha256_phone_number": _listed(_hash(who.get("phone"), "phone", country)),
            "address": [
                {
                    "sha256_first_name": _hash(who.get("first_name"), "name"),
                    "sha256_last_name": _hash(who.get("last_name"), "name"),
                    "city": city.strip().lower() if city else None,
                    "region": state.strip().lower() if state else None,
                    "postal_code": postal_code.strip() if postal_code else None,
                    "country": land.upper() if land else None,
                }
            ],
        },
        "events": [{"name": "purchase", "params": params}],
    })  # fmt: skip
    return kept if kept.get("client_id") else None


def google_ads(text: bytes) -> Json:
    """An event of Google's Data Manager."""
    event = read_event(text, "ads", oldest=timedelta(days=63))
    if event is None:
        return None
    given, seen, order = event.get("consent") or {}, event.get("context") or {}, event.get("properties") or {}
    who = event.get("user_data") or {}
    words: dict[Json, str] = {True: "CONSENT_GRANTED", False: "CONSENT_DENIED"}
    country, postal_code = who.get("country"), who.get("postal_code")
    normal = _normal(country, "country") if country else None
    land = normal.upper() if normal else None
    first, last = _hash(who.get("first_name"), "name_google"), _hash(who.get("last_name"), "name_google")
    identifiers = [
        {"emailAddress": _hash(who.get("email"), "email_google")},
        {"phoneNumber": _hash(who.get("phone"), "phone", land)},
    ]
    if first and last and land and postal_code:
        address = {"givenName": first, "familyName": last, "regionCode": land, "postalCode": _normal(postal_code, "id")}
        identifiers.append({"address": address})
    gclid, gbraid = seen.get("gclid"), seen.get("gbraid")
    items = []
    for it in order.get("items") or []:
        price, quantity = it.get("price"), it.get("quantity")
        items.append({
            "itemId": it.get("sku") or it.get("id") or it.get("item_id"),
            "quantity": _whole(quantity) if quantity is not None else None,
            "unitPrice": _decimal(price) if price is not None else None,
        })  # fmt: skip
    kept = without_nothing({
        "destinationReferences": ["5"],
        "eventTimestamp": _iso8601(event["timestamp"]),
        "transactionId": (order.get("order_id") or event["event_id"])[:512],
        "eventSource": "WEB",
        "currency": order.get("currency"),
        "conversionValue": order.get("value") if order.get("currency") else None,
        "adIdentifiers": {
            "gclid": gclid,
            "gbraid": None if gclid else gbraid,
            "wbraid": None if gclid or gbraid else seen.get("wbraid"),
        },
        "userData": {"userIdentifiers": identifiers},
        "eventDeviceInfo": {"userAgent": seen.get("user_agent")},
        "consent": {
            "adUserData": words.get(given.get("ads")),
            "adPersonalization": words.get(given.get("personalization")),
        },
        "cartData": {"items": items},
    })  # fmt: skip
    return kept if "adIdentifiers" in kept or "userData" in kept else None


def _listed(value: Json) -> list[Json]:
    return [value] if value is not None else []


def without_nothing(value: Json) -> Json:
    """An object or list without what is nothing in it, at any depth."""
    if value.__class__ is dict:
        pairs = (
            (key, without_nothing(each) if each.__class__ in (dict, list) else each) for key, each in value.items()
        )
        return {key: each for key, each in pairs if each is not None and each not in ("", {}, [])}
    each_kept = (without_nothing(each) if each.__class__ in (dict, list) else each for each in value)
    return [each for each in each_kept if each is not None and each not in ("", {}, [])]


# ------------------------------------------------------------------------------------------------------ measuring

BY_HAND: dict[str, Callable[[bytes], Json]] = {"meta": meta, "ga4": ga4, "google_ads": google_ads}


def make_way(kind: str, text: bytes) -> Callable[[], Json]:
    """How the engine makes the item."""
    platform = load_kind(kind, None)
    assert platform is not None
    one = DeclaredDestination.from_options(platform, kind, {**OPTIONS[kind], "without_consent": "skip"})

    def run() -> Json:
        made = one.decide_item(text, now=NOW)
        return made.content if isinstance(made, Item) else None

    return run


def main(rounds: int) -> int:
    """Time all ways, print the table; the exit status."""
    text = json_text.write_json(EVENT)
    worst = 0.0
    print(f"a purchase of two lines, medians of {rounds} interleaved rounds\n")
    for kind, by_hand in BY_HAND.items():
        made = make_way(kind, text)
        assert made() == by_hand(text), f"both ways must agree for {kind}:\n{made()}\n{by_hand(text)}"
        times = measure_ways({"file": made, "hand": lambda by_hand=by_hand: by_hand(text)}, rounds)  # type: ignore[misc]
        slower = ratio_of(times["file"], times["hand"])
        worst = max(worst, slower)
        took, hand = (median(times[way]) * 1e6 for way in ("file", "hand"))
        print(
            f"  {kind:<12} {took:8.1f} µs, by hand {hand:8.1f} µs: {slower:5.2f} times (at most {SLOWER_THAN_BY_HAND})"
        )
    return 0 if worst <= SLOWER_THAN_BY_HAND else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 300))
