"""The ledger's keys: 16 bytes of a hash that say *this webhook*, *this event*, *this conversion*, *this request*.

Pure. A key holds no text that could be read back. Not concerned with where keys are kept or for how long.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache

from bridge.model import Webhook

KEY_SIZE = 16


def signed_webhook(source: str, webhook_id: str) -> bytes:
    """A webhook whose id its signature covers: the same id is the same webhook, whatever its other bytes."""
    return _key(_head("webhook-id", source), webhook_id)


def unsigned_webhook(source: str, topic: str | None, webhook_id: str, body: bytes) -> tuple[bytes, bytes]:
    """A webhook whose id anybody could have written: known by id and bytes, or by topic and bytes.

    So other bytes under a known id are another webhook, and the same bytes of the same topic under a fresh id are
    the same one.
    """
    digest = hashlib.sha256(body).hexdigest()
    named = _key(_head("webhook-id-body", source), webhook_id, digest)
    return named, _key(_head("webhook-topic-body", source), topic or "", digest)


def nameless_webhook(source: str, topic: str | None, body: bytes) -> bytes:
    """A webhook that carries no id: its topic and bytes are what it is."""
    return _key(_head("webhook-topic-body", source), topic or "", hashlib.sha256(body).hexdigest())


def identity(webhook: Webhook) -> tuple[bytes, ...]:
    """What knows a webhook again, worked out now where nobody has yet."""
    return webhook.identity or unsigned_webhook(webhook.source, webhook.topic, webhook.id, webhook.body)


def shared(scope: str) -> str:
    """What the event ids and Idempotency-Keys of all API keys of a scope are unique within."""
    return f"scope:{scope}"


def event(within: str, event_id: str) -> bytes:
    """An event_id as it was given within a scope of API keys, or by one source."""
    return _key(_head("event", within), event_id)


def upstream_id(event_id: str) -> bytes:
    """An event_id as it goes upstream, whoever gave it or made it."""
    return _key(_head("event-id"), event_id)


def conversion(scope: str, event_type: str, key: str, *, test: bool) -> bytes:
    """A conversion: an order id or a mapping's dedupe key. Test and live never meet."""
    return _key(_head("conversion", scope, "test" if test else "live"), event_type, key)


def idempotency(within: str, path: str, key: str) -> bytes:
    """An Idempotency-Key as it is used within a scope of API keys on one endpoint."""
    return _key(_head("idempotency", within, path), key)


def joined(parts: Iterable[str], head: bytes = b"") -> bytes:
    """Each part behind its length, so that no two lists of parts read the same; `head` is how they begin."""
    texts = [head]
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        texts += len(encoded).to_bytes(4, "big"), encoded
    return b"".join(texts)


def _key(head: bytes, *parts: str) -> bytes:
    return hashlib.sha256(joined(parts, head)).digest()[:KEY_SIZE]


@lru_cache(maxsize=64)
def _head(*parts: str) -> bytes:
    """How all keys of a kind behind one door begin."""
    return joined(parts)
