"""The keys of the ledger: 16 bytes of a hash that name a webhook, an event, a conversion or a request.

Pure. The text that a key was made of cannot be read back from it. Which keys a webhook gets is decided in
`signature/identify`, by `_known_by`. The store of each engine looks webhooks up in `tables/webhooks.insert_webhooks`
(one whose key is known is a redelivery), and events and conversions in `tables/events`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

from bridge.core.model import Webhook

KEY_SIZE = 16
DEFAULT_SCOPE = "track"
"""The scope of an API key that names none."""


class Digest(Protocol):
    """A finished SHA-256, as hashlib gives it."""

    def digest(self) -> bytes:
        """Its 32 bytes."""
        ...

    def hexdigest(self) -> str:
        """The same in lower-case hex."""
        ...


def signed_webhook_key(source: str, webhook_id: str, *, said: str = "") -> bytes:
    """A webhook whose id its signature covers: the same id is the same webhook, whatever its other bytes.

    `said` is what its unsigned headers give as its topic, its shop and its test flag.
    """
    return _hash_parts(_join_prefix("webhook-id", source), webhook_id, *((said,) if said else ()))


def unsigned_webhook_key(source: str, topic: str | None, body: bytes, *, said: str = "") -> bytes:
    """A webhook without an id, or with one that anybody could have written.

    Its topic, its bytes and what else it `said`.

    The same bytes of the same topic under a new id are the same webhook; other bytes under a known id are another one.
    Bytes under another topic, shop or test flag are another one, too: no signature covers these headers, and a stranger
    who changes them must not make the genuine webhook a duplicate.
    """
    return unsigned_digest_key(source, topic, hashlib.sha256(body), said=said)


def unsigned_digest_key(source: str, topic: str | None, digest: Digest, *, said: str = "") -> bytes:
    """The same as `unsigned_webhook_key`, of bytes whose SHA-256 is known already."""
    more = (said,) if said else ()
    return _hash_parts(_join_prefix("webhook-topic-body", source), topic or "", digest.hexdigest(), *more)


def content_key(digest: Digest) -> bytes:
    """The bytes of a request themselves, by their SHA-256, under whichever topic, id and source they were received."""
    return digest.digest()[:KEY_SIZE]


def webhook_keys(webhook: Webhook) -> tuple[bytes, ...]:
    """The keys by which a webhook is recognised; computed now where they have not been yet."""
    if webhook.identity:
        return webhook.identity
    return (unsigned_webhook_key(webhook.source, webhook.topic, webhook.body, said=webhook.unsigned_facts),)


def scope_name(scope: str) -> str:
    """What the event ids and Idempotency-Keys of all API keys of a scope are unique within."""
    return f"scope:{scope}"


def event_key(within: str, event_id: str) -> bytes:
    """An event_id as it was given within a scope of API keys, or by one source."""
    return _hash_parts(_join_prefix("event", within), event_id)


def upstream_id_key(event_id: str) -> bytes:
    """An event_id as it is sent upstream, whether given or made."""
    return _hash_parts(_join_prefix("event-id"), event_id)


@lru_cache(maxsize=4_096)  # a webhook that waits asks for the same keys at each look: a tenth of what deferring costs
def conversion_key(scope: str, event_type: str, key: str, *, test: bool) -> bytes:
    """A conversion: an order id or a mapping's dedupe key. Test and live never meet."""
    return _hash_parts(_join_prefix("conversion", scope, "test" if test else "live", event_type), key)


def order_count_key(conversion: bytes) -> bytes:
    """How many events of one order and type were told, by the conversion key of the order id."""
    return _hash_parts(_join_prefix("order-count"), conversion.hex())


def belonging_key(conversion: bytes) -> bytes:
    """What was told of those that belong to a conversion, such as a payment intent to an invoice, by that one's key."""
    return _hash_parts(_join_prefix("belongs-to"), conversion.hex())


def idempotency_key(within: str, path: str, key: str) -> bytes:
    """An Idempotency-Key as it is used within a scope of API keys on one endpoint."""
    return _hash_parts(_join_prefix("idempotency", within, path), key)


def join_parts(parts: Iterable[str], head: bytes = b"") -> bytes:
    """Each part behind its length, so that no two lists of parts read the same; `head` is how they begin."""
    joined = head
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        joined += len(encoded).to_bytes(4, "big") + encoded
    return joined


def _hash_parts(head: bytes, *parts: str) -> bytes:
    return hashlib.sha256(join_parts(parts, head)).digest()[:KEY_SIZE]


@lru_cache(maxsize=256)
def _join_prefix(*parts: str) -> bytes:
    """The bytes with which all keys of a kind, an origin and a type begin."""
    return join_parts(parts)
