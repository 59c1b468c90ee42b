"""Requests and recipes for the tests of signatures: providers as a mapping's `webhook` section writes them."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from bridge import signature
from bridge.core.errors import NotGenuine
from bridge.core.model import Request, SourceLocation
from bridge.signature import Recipe, SignedRequest, SigningKeys
from bridge.yaml.document import MappingNode, Node, SequenceNode, read_document
from bridge.yaml.problems import Problems

NOW = datetime(2026, 4, 14, 3, 50, 12, tzinfo=UTC)
SENT = int(NOW.timestamp())
SECRET = "a-secret-of-some-length"
SHARED = Path(__file__).parents[3] / "shared"

SECTIONS: dict[str, dict[str, Any]] = yaml.safe_load("""
stripe:
  signature: {kind: hmac, algorithm: sha256, encoding: hex, from: "header:Stripe-Signature", split: ",", pair: "=",
    key: v1, signed: "{timestamp}.{body}", timestamp: {from: "signature:t", format: unix, tolerance: 300}}
  id: ["json:/id"]
  topic: ["json:/type"]
shopify:
  signature: {kind: hmac, algorithm: sha256, encoding: base64, from: "header:X-Shopify-Hmac-Sha256", signed: "{body}"}
  id: ["header:X-Shopify-Webhook-Id", body_sha256]
  topic: ["header:X-Shopify-Topic"]
standard:
  signature: {kind: hmac, algorithm: sha256, encoding: base64, from: "header:webhook-signature", split: " ", pair: ",",
    key: [v1], signed: "{id}.{timestamp}.{body}", secret: {encoding: base64, strip_prefix: whsec_},
    timestamp: {from: "header:webhook-timestamp", format: unix, tolerance: 300}}
  id: ["header:webhook-id"]
  topic: ["json:/type"]
square:
  signature: {kind: hmac, algorithm: sha256, encoding: base64, from: "header:x-square-hmacsha256-signature",
    signed: "{url}{body}"}
  id: ["json:/event_id", "query:event"]
  topic: ["json:/type"]
slack:
  signature: {kind: hmac, algorithm: sha256, encoding: hex, from: "header:X-Slack-Signature", prefix: "v0=",
    signed: "v0:{timestamp}:{body}",
    timestamp: {from: "header:X-Slack-Request-Timestamp", format: unix, tolerance: 300}}
  id: ["json:/event_id"]
  topic: ["json:/event/type"]
  challenge:
    - when: {"json:/type": url_verification}
      respond: {body: "{json:/challenge}"}
zoom:
  signature: {kind: hmac, algorithm: sha256, encoding: hex, from: "header:x-zm-signature", prefix: "v0=",
    signed: "v0:{timestamp}:{body}", timestamp: {from: "header:x-zm-request-timestamp", format: unix}}
  topic: ["json:/event"]
  challenge:
    - when: {"json:/event": endpoint.url_validation}
      respond:
        content_type: application/json
        body: '{"plainToken": "{json:/payload/plainToken}", "encryptedToken": "{hmac:json:/payload/plainToken}"}'
mollie:
  signature: {kind: hmac, algorithm: sha256, encoding: hex, from: "header:X-Mollie-Signature", split: ",",
    prefix: "sha256=", prefix_optional: true, signed: "{body}"}
  id: ["json:/id"]
  topic: ["json:/type"]
klaviyo:
  signature: {kind: hmac, algorithm: sha256, encoding: hex, from: "header:Klaviyo-Signature", signed: "{body}{timestamp}",
    timestamp: {from: "header:Klaviyo-Timestamp", format: http_date, tolerance: 300}}
  items: /data
  id: ["json:/external_id"]
  topic: ["json:/topic"]
adyen:
  signature: {kind: hmac, algorithm: sha256, encoding: base64,
    from: "json:/NotificationRequestItem/additionalData/hmacSignature",
    signed: "{json:/NotificationRequestItem/pspReference}:{json:/NotificationRequestItem/merchantReference}:\
{json:/NotificationRequestItem/amount/value}:{json:/NotificationRequestItem/success}", secret: {encoding: hex}}
  items: /notificationItems
  id: ["json:/NotificationRequestItem/pspReference"]
  topic: ["json:/NotificationRequestItem/eventCode"]
twilio:
  signature: {kind: hmac, algorithm: sha1, encoding: base64, from: "header:X-Twilio-Signature", signed: "{url}{form_sorted}"}
  id: ["form:MessageSid"]
recharge_legacy:
  signature: {kind: digest, algorithm: sha256, encoding: hex, from: "header:X-Recharge-Hmac-Sha256", signed: "{secret}{body}"}
  topic: ["header:X-Recharge-Topic"]
gitlab:
  signature: {kind: token, from: "header:X-Gitlab-Token"}
  id: ["header:Idempotency-Key"]
  topic: ["header:X-Gitlab-Event"]
gumroad:
  signature: {kind: token, from: "query:secret"}
  id: ["form:sale_id"]
  topic: ["form:resource_name"]
chargebee:
  signature: {kind: basic}
  id: ["json:/id"]
  topic: ["json:/event_type"]
discord:
  signature: {kind: ed25519, encoding: hex, from: "header:X-Signature-Ed25519", signed: "{timestamp}{body}",
    secret: {encoding: hex}, timestamp: {from: "header:X-Signature-Timestamp", format: unix}}
sendgrid:
  signature: {kind: ecdsa_p256, algorithm: sha256, encoding: base64, from: "header:X-Event-Signature",
    signed: "{timestamp}{body}", secret: {encoding: base64}, timestamp: {from: "header:X-Event-Timestamp", format: unix}}
  items: /
  id: ["json:/sg_event_id"]
  topic: ["json:/event"]
unsigned:
  signature: {kind: none, i_accept_unsigned: true}
  id: ["json:/id"]
  topic: ["json:/type"]
""")
SECRETS = {
    "standard": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "adyen": "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
    "chargebee": "shop:pass:word",
}


KeyPath = tuple[str | int, ...]


@cache
def recipe(provider: str) -> Recipe:
    return recipe_of(SECTIONS[provider])


def recipe_of(section: Mapping[str, Any]) -> Recipe:
    """The recipe in a `webhook` section, which has no problems."""
    problems = Problems()
    made = signature.read_recipe(section_node(section), problems)
    assert made is not None, problems.all_problems
    return made


def recipe_problems(section: Mapping[str, Any]) -> list[tuple[KeyPath, str]]:
    """All problems of a `webhook` section, each with the path of the key at fault, in the order of the section."""
    problems = Problems()
    root = section_node(section)
    made = signature.read_recipe(root, problems)
    assert (made is None) == bool(problems.errors)
    return _by_path(root, problems)


def recipe_weaknesses(section: Mapping[str, Any]) -> list[tuple[KeyPath, str, str]]:
    """All weaknesses of a `webhook` section: path, severity, text."""
    advice, root = Problems(), section_node(section)
    signature.note_weaknesses(root, recipe_of(section), advice)
    texts = {problem.text: problem.severity for problem in advice.all_problems}
    return [(path, texts[text], text) for path, text in _by_path(root, advice)]


def section_node(section: Mapping[str, Any]) -> MappingNode:
    """A section as the file's reader gives it."""
    problems = Problems()
    root = read_document(json.dumps(section, indent=1, ensure_ascii=False), name="shop.yaml", problems=problems)
    assert isinstance(root, MappingNode), problems.all_problems
    return root


def _by_path(root: MappingNode, problems: Problems) -> list[tuple[KeyPath, str]]:
    paths = {root.place: (), **dict(_iter_places(root, ()))}
    return [(paths[problem.place], problem.text) for problem in problems.all_problems]


def _iter_places(node: Node, path: KeyPath) -> Iterator[tuple[SourceLocation, KeyPath]]:
    """Where each key, value and item is, and the path that leads to it."""
    match node:
        case MappingNode():
            for key, entry in node.entries.items():
                yield entry.key.place, (*path, key)
                yield entry.value.place, (*path, key)
                yield from _iter_places(entry.value, (*path, key))
        case SequenceNode():
            for number, item in enumerate(node.items):
                yield item.place, (*path, number)
                yield from _iter_places(item, (*path, number))
        case _:
            pass


@cache
def keys(provider: str, *secrets: str) -> SigningKeys:
    return signature.read_keys(recipe(provider), secrets or (SECRETS.get(provider, SECRET),))


def request(  # noqa: PLR0913  a request has as many parts
    body: bytes | str,
    headers: dict[str, str] | None = None,
    *,
    more: tuple[tuple[str, str], ...] = (),
    query: tuple[tuple[str, str], ...] = (),
    url: str | None = None,
    method: str = "POST",
) -> Request:
    """A request whose header names are lower-cased as the receiver does it; `more` are headers that may stand again."""
    pairs = tuple((name.lower(), value) for name, value in ((headers or {}).items()))
    content = body.encode() if isinstance(body, str) else body
    return Request(method, (*pairs, *more), content, query=query, url=url)


def arrived(signed: SignedRequest, *, url: str | None = None) -> Request:
    """A signed request as the receiver would see it."""
    query = tuple((name, value) for name, _, value in (pair.partition("=") for pair in signed.query.split("&") if pair))
    full = f"{url}?{signed.query}" if url and signed.query else url
    return request(signed.body, dict(signed.headers), query=query, url=full)


def verdict(provider: str, given: Request, made: SigningKeys | None = None, *, late: float = 0) -> str:
    """`genuine`, or the reason why not."""
    try:
        signature.verify_request(recipe(provider), given, made or keys(provider), now=NOW + timedelta(seconds=late))
    except NotGenuine as error:
        return error.reason
    return "genuine"


def stripe_v1(body: bytes, *, stamp: str = str(SENT), secret: str = SECRET) -> str:
    """A `v1` of Stripe's, by hand."""
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, "sha256").hexdigest()


def slack(body: bytes, *, stamp: str = str(SENT)) -> Request:
    """A request signed as Slack does, by hand."""
    made = hmac.new(SECRET.encode(), b"v0:" + stamp.encode() + b":" + body, "sha256").hexdigest()
    return request(body, {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={made}"})


def sheet_sections() -> dict[str, dict[str, Any]]:
    """The providers of the fact sheet, flattened into the mapping language's shape; empty where it is absent."""
    reader = SHARED / "facts" / "providers.md"
    if not reader.exists():
        return {}
    found = re.search(r"```yaml\n# providers-yaml\n(.*?)```", reader.read_text(), re.DOTALL)
    assert found
    return {name: _flat(entry) for name, entry in yaml.safe_load(found[1]).items()}


def _flat(entry: dict[str, Any]) -> dict[str, Any]:
    outside: dict[str, Any] = {key: entry[key] for key in ("id", "topic", "items") if key in entry}
    inside = {key: value for key, value in entry.items() if key not in outside and key != "signature"}
    return {"signature": {**inside, **entry.get("signature", {})}, **outside}
