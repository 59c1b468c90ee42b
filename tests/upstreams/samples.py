"""Requests written by hand from the platforms' pages: one good item of each, and how a request carries items."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from standardwebhooks import Webhook

from upstreams.webhook import SECRET

NOW = int(time.time())
ISO = datetime.fromtimestamp(NOW, UTC).isoformat().replace("+00:00", "Z")
AT_NOON = {"em": "b4c9a289323b21a01c3e940f150eb9b8c542587f1abfd8f0e1cc1ffc5e475514"}  # user@example.com
SHA = AT_NOON["em"]
BROWSER = "Mozilla/5.0 (X11; Linux x86_64)"


@dataclass(frozen=True)
class Sample:
    """A good item, the changes that spoil it, and the request around items.

    A change is a dotted path and its new value; None takes the field out. `body` holds `...` where the items go.
    """

    item: Any
    spoils: tuple[tuple[str, Any], ...]
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = ...

    def request_body(self, items: list[Any]) -> bytes:
        """The body with these items."""
        return json.dumps(_filled(self.body, items)).encode()

    def request_headers(self, path: str, body: bytes) -> Mapping[str, str]:
        """The headers; signed ones depend on the body or the address."""
        if self.headers.get("sign") == "standardwebhooks":
            at = datetime.now(UTC)
            signature = Webhook(SECRET).sign("msg_1", at, body.decode())
            return {
                "webhook-id": "msg_1",
                "webhook-timestamp": str(int(at.timestamp())),
                "webhook-signature": signature,
            }
        return sign_oauth1(path) if self.headers.get("sign") == "oauth1" else self.headers


def _filled(shape: Any, items: list[Any]) -> Any:
    if shape is ...:
        return items
    if shape == "one":
        return items[0]
    return {name: _filled(each, items) for name, each in shape.items()} if isinstance(shape, dict) else shape


def spoilt(item: Any, path: str, value: Any) -> Any:
    """A copy of the item with one change."""
    copy = json.loads(json.dumps(item))
    if not isinstance(copy, dict):
        return value
    *above, last = path.split(".")
    here: Any = copy
    for name in above:
        here = here[int(name)] if isinstance(here, list) else here[name]
    if value is None:
        del here[last]
    else:
        here[last] = value
    return copy


def sign_oauth1(path: str) -> dict[str, str]:
    """A header that signs a POST to X, worked out as RFC 5849's section 3.4 writes it."""
    said = {
        "oauth_consumer_key": "consumer-1", "oauth_nonce": "n1", "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": str(NOW), "oauth_token": "token-1", "oauth_version": "1.0",
    }  # fmt: skip
    base = f"POST&{quote(f'https://ads-api.x.com{path}', safe='')}&{quote(urlencode(said), safe='')}"
    digest = hmac.new(b"consumer-secret-1&token-secret-1", base.encode(), hashlib.sha1).digest()
    said["oauth_signature"] = base64.b64encode(digest).decode()
    return {"authorization": "OAuth " + ", ".join(f'{name}="{quote(value, safe="")}"' for name, value in said.items())}


def basic(user: str) -> dict[str, str]:
    """HTTP Basic with a user and no password."""
    return {"authorization": f"Basic {base64.b64encode(f'{user}:'.encode()).decode()}"}


def bearer(token: str) -> dict[str, str]:
    """A bearer token."""
    return {"authorization": f"Bearer {token}"}


PRODUCT = {"id": "SKU1", "quantity": 1, "item_price": 99.5}
LISTS = {"em": [SHA], "ph": [SHA]}
LINKEDIN = {"linkedin-version": "202603", "x-restli-protocol-version": "2.0.0", "x-restli-method": "BATCH_CREATE"}
OLD = NOW - 400 * 86_400

SAMPLES: dict[str, Sample] = {
    "meta": Sample(
        {
            "event_name": "Purchase", "event_time": NOW, "event_id": "ord-1001", "action_source": "website",
            "event_source_url": "https://shop.example/thanks",
            "user_data": {**LISTS, "client_user_agent": BROWSER, "fbc": "fb.1.1699990000000.AbC"},
            "custom_data": {"value": 99.5, "currency": "USD", "contents": [PRODUCT]},
        },
        (
            ("event_time", NOW - 8 * 86_400), ("event_name", None), ("user_data.em", ["jane@example.com"]),
            ("user_data.client_user_agent", None), ("custom_data.currency", None), ("custom_data.contents.0.item_price", "x"),
            ("user_data", {"country": SHA, "client_user_agent": BROWSER}), ("action_source", "web"), ("user_data.fbc", "AbC"),
        ),
        "/v25.0/1234567890/events", body={"data": ..., "access_token": "EAAB-meta-token-1"},
    ),
    "ga4": Sample(
        {
            "client_id": "1.2", "timestamp_micros": NOW * 1_000_000, "consent": {"ad_user_data": "GRANTED"},
            "user_data": {"sha256_email_address": [SHA]},
            "events": [{"name": "purchase", "params": {"transaction_id": "1", "value": 9.5, "currency": "USD", "items": [{"item_id": "A"}]}}],
        },
        (
            ("client_id", None), ("client_id", "abc"), ("events.0.name", "_badEventName"), ("events.0.name", "session_start"),
            ("events.0.params.currency", "usd"), ("events.0.params.transaction_id", None), ("events.0.params.ga_x", 1),
            ("events.0.params.items", [{"price": 1}]), ("events.0.params.coupon", "x" * 101), ("timestamp_micros", OLD * 1_000_000),
            ("consent.ad_user_data", "yes"), ("user_data.sha256_email_address", ["jane@example.com"]),
        ),
        "/debug/mp/collect?measurement_id=G-ABC123&api_secret=ga4-secret-1", body="one",
    ),
    "tiktok": Sample(
        {
            "event": "Purchase", "event_time": NOW, "event_id": "1", "user": {"email": SHA, "city": "berlin"},
            "properties": {"value": 9.5, "currency": "USD", "contents": [{"content_id": "A", "price": 9.5, "quantity": 1}]},
        },
        (
            ("user.email", "jane@example.com"), ("event", None), ("user", {"city": "berlin"}), ("properties.currency", "usd"),
            ("event_time", OLD), ("properties.contents.0.quantity", "1"), ("user.street", "High Street 1"),
        ),
        "/open_api/v1.3/event/track/", {"access-token": "tiktok-token-1"},
        {"event_source": "web", "event_source_id": "C3QABC", "data": ...},
    ),
    "pinterest": Sample(
        {
            "event_name": "checkout", "action_source": "web", "event_time": NOW, "event_id": "1", "user_data": {"em": [SHA]},
            "custom_data": {"currency": "USD", "value": "9.50", "contents": [{"id": "A", "item_price": "9.50", "quantity": 1}]},
        },
        (
            ("custom_data.value", 9.5), ("event_id", None), ("extra", 1), ("user_data", {"ph": [SHA]}), ("user_data.em", [" "]),
            ("action_source", "website"), ("event_time", OLD),
        ),
        "/v5/ad_accounts/549755885175/events", bearer("pina-token-1"), {"data": ...},
    ),
    "snapchat": Sample(
        {
            "event_name": "PURCHASE", "event_time": NOW, "action_source": "WEB", "user_data": LISTS,
            "custom_data": {"value": 9.5, "currency": "USD", "contents": [PRODUCT]},
        },
        (
            ("action_source", "website"), ("user_data", {"client_ip_address": "203.0.113.9"}), ("user_data.em", SHA),
            ("user_data.em", ["jane@example.com"]), ("event_time", OLD), ("custom_data.currency", None),
        ),
        "/v3/snap-pixel-1/events?access_token=snap-token-1", body={"data": ...},
    ),
    "reddit": Sample(
        {
            "event_at": NOW * 1000, "action_source": "WEBSITE", "type": {"tracking_type": "PURCHASE"}, "user": {"email": SHA},
            "metadata": {"conversion_id": "1", "value": 9.5, "currency": "USD"},
        },
        (
            ("type.tracking_type", "Purchase"), ("type.tracking_type", "CUSTOM"), ("user", {"ip_address": "203.0.113.9"}),
            ("user.email", "jane@example.com"), ("event_at", NOW), ("metadata.value", "9.5"),
        ),
        "/api/v3/pixels/a2_pixel/conversion_events", bearer("reddit-token-1"), {"data": {"partner": "X", "events": ...}},
    ),
    "linkedin": Sample(
        {
            "conversion": "urn:lla:llaPartnerConversion:123", "conversionHappenedAt": NOW * 1000, "eventId": "1",
            "conversionValue": {"currencyCode": "USD", "amount": "99.5"},
            "user": {"userIds": [{"idType": "SHA256_EMAIL", "idValue": SHA}]},
        },
        (
            ("conversion", "123"), ("conversionValue.amount", 99.5), ("user.userIds", []), ("user.userIds.0.idType", "EMAIL"),
            ("user.userIds.0.idValue", "jane@example.com"), ("conversionHappenedAt", OLD * 1000),
        ),
        "/rest/conversionEvents", bearer("linkedin-token-1") | LINKEDIN, {"elements": ...},
    ),
    "microsoft": Sample(
        {
            "eventType": "custom", "eventName": "purchase", "eventId": "1", "eventTime": NOW, "adStorageConsent": "G",
            "userData": {"em": SHA, "externalId": "u1"}, "customData": {"value": 9.5, "currency": "USD"},
        },
        (
            ("eventType", "pageLoad"), ("eventType", "page"), ("userData", {"clientIpAddress": "203.0.113.9"}),
            ("userData.em", "jane@example.com"), ("adStorageConsent", "granted"), ("eventTime", OLD), ("customData.currency", "usd"),
        ),
        "/v1/187012345/events", bearer("uet-token-1"), {"data": ..., "continueOnValidationError": True, "dataProvider": "x"},
    ),
    "google_ads": Sample(
        {
            "destinationReferences": ["555111"], "eventTimestamp": ISO, "transactionId": "1001", "eventSource": "WEB",
            "currency": "USD", "conversionValue": 99.5, "adIdentifiers": {"gclid": "abc"},
            "userData": {"userIdentifiers": [{"emailAddress": SHA}, {"address": {"givenName": SHA, "familyName": SHA, "regionCode": "US", "postalCode": "94035"}}]},
        },
        (
            ("userData.userIdentifiers.0.emailAddress", "jane@example.com"), ("transactionId", "x" * 513),
            ("eventTimestamp", None), ("currency", "usd"), ("destinationReferences", ["other"]),
        ),
        "/v1/events:ingest", bearer("ya29.x"),
        {
            "destinations": [{"reference": "555111", "operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": "1234567890"}, "productDestinationId": "555111"}],
            "encoding": "HEX", "events": ...,
        },
    ),
    "x": Sample(
        {
            "conversion_time": ISO, "event_id": "tw-o1abc-o2def", "conversion_id": "1",
            "identifiers": [{"hashed_email": SHA}], "value": "99.50", "price_currency": "USD", "number_items": 1,
        },
        (
            ("identifiers", [{"ip_address": "203.0.113.9"}]), ("identifiers.0.hashed_email", "jane@example.com"),
            ("event_id", "purchase"), ("value", 99.5), ("conversion_time", str(NOW)),
        ),
        "/12/measurement/conversions/o1abc", {"sign": "oauth1"}, {"conversions": ...},
    ),
    "openai_ads": Sample(
        {
            "id": "1", "type": "order_created", "timestamp_ms": NOW * 1000, "action_source": "web",
            "source_url": "https://shop.example/", "user": {"email_sha256": SHA},
            "data": {"type": "contents", "amount": 9950, "currency": "USD", "contents": [{"id": "A", "amount": 9950, "content_type": "product"}]},
        },
        (
            ("type", "purchase"), ("source_url", None), ("data.amount", 99.5), ("data.type", "custom"), ("timestamp_ms", OLD * 1000),
            ("user.email_sha256", "jane@example.com"), ("data.contents", [{"id": "A"}]),
        ),
        "/v1/events?pid=px_1", bearer("openai-key-1"), {"events": ...},
    ),
    "klaviyo": Sample(
        {
            "type": "event",
            "attributes": {
                "metric": {"data": {"type": "metric", "attributes": {"name": "Placed Order"}}}, "properties": {}, "value": 9.5,
                "profile": {"data": {"type": "profile", "attributes": {"email": "jane@example.com", "phone_number": "+12015550123"}}},
            },
        },
        (
            ("attributes.profile.data.attributes", {"first_name": "Jane"}), ("attributes.metric", None),
            ("attributes.profile.data.attributes.phone_number", "201 555 0123"), ("attributes.value", "9.5"),
        ),
        "/api/events", {"authorization": "Klaviyo-API-Key pk_klaviyo_1", "revision": "2026-10-15"}, {"data": "one"},
    ),
    "segment": Sample(
        {"type": "track", "event": "Order Completed", "messageId": "m1", "timestamp": ISO, "userId": "u1", "properties": {}},
        (("userId", None), ("event", None), ("messageId", None), ("type", "purchase"), ("properties", {"x": "y" * 33_000})),
        "/v1/batch", basic("segment-key-1"), {"batch": ...},
    ),
    "posthog": Sample(
        {"event": "purchase", "distinct_id": "u1", "timestamp": ISO, "uuid": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "properties": {}},
        (("uuid", "evt_1"), ("distinct_id", None), ("event", ""), ("properties", [])),
        "/batch/", body={"api_key": "phc_posthog1", "batch": ...},
    ),
    "mixpanel": Sample(
        {"event": "purchase", "properties": {"time": NOW * 1000, "distinct_id": "u1", "$insert_id": "evt-1"}},
        (("properties.time", "x"), ("properties.$insert_id", "evt_1"), ("properties.distinct_id", None), ("event", None)),
        "/import?strict=1", basic("mixpanel-token-1"),
    ),
    "amplitude": Sample(
        {"event_type": "purchase", "user_id": "user-1", "time": NOW * 1000, "insert_id": "evt_1", "revenue": 9.5},
        (("user_id", None), ("user_id", "u1"), ("event_type", None), ("revenue", "9.5"), ("time", "x")),
        "/2/httpapi", body={"api_key": "amplitude-key-1", "events": ...},
    ),
    "plausible": Sample(
        {"name": "Purchase", "domain": "shop.example", "url": "https://shop.example/", "revenue": {"currency": "USD", "amount": 9.5}},
        (("domain", "other.example"), ("name", None), ("revenue", {"amount": 9.5}), ("agent", "x")),
        "/api/event", {"user-agent": BROWSER, "x-forwarded-for": "203.0.113.9"}, "one",
    ),
    "matomo": Sample(
        f"?idsite=3&rec=1&cdt={NOW}&idgoal=0&ec_id=1&revenue=9.50&url=https%3A%2F%2Fshop.example",
        (
            ("", "idsite=3&rec=1"), ("", "?idsite=4&rec=1&url=x"), ("", f"?idsite=3&rec=1&url=x&cdt={OLD}"), ("", "?idsite=3&rec=1&ec_id=1&url=x"),
            ("", "?idsite=3&rec=1"),
        ),
        "/matomo.php", body={"requests": ..., "token_auth": "matomo-token-0123456789abcdef012"},
    ),
    "webhook": Sample(
        {"type": "purchase", "timestamp": ISO, "data": {"event_id": "evt_1"}},
        (("type", None), ("data", {})), "/hook", {"sign": "standardwebhooks"}, "one",
    ),
}  # fmt: skip
