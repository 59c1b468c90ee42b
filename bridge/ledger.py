"""The ledger's keys: 16 bytes of a hash that say *this webhook*, *this event*, *this conversion*, *this request*.

Pure. A key holds no text that could be read back. Not concerned with where keys are kept or for how long.
"""

from __future__ import annotations

import hashlib

from bridge.model import Webhook

KEY_SIZE = 16


def signed_webhook(source: str, webhook_id: str) -> bytes:
    """A webhook whose id its signature covers: the same id is the same webhook, whatever its other bytes."""
    return _key("webhook-id", source, webhook_id)


def unsigned_webhook(source: str, topic: str | None, webhook_id: str, body: bytes) -> tuple[bytes, bytes]:
    """A webhook whose id anybody could have written: known by id and bytes, or by topic and bytes.

    So other bytes under a known id are another webhook, and the same bytes of the same topic under a fresh id are
    the same one.
    """
    digest = hashlib.sha256(body).hexdigest()
    return _key("webhook-id-body", source, webhook_id, digest), _key("webhook-topic-body", source, topic or "", digest)


def nameless_webhook(source: str, topic: str | None, body: bytes) -> bytes:
    """A webhook that carries no id: its topic and bytes are what it is."""
    return _key("webhook-topic-body", source, topic or "", hashlib.sha256(body).hexdigest())


def identity(webhook: Webhook) -> tuple[bytes, ...]:
    """What knows a webhook again, worked out now where nobody has yet."""
    return webhook.identity or unsigned_webhook(webhook.source, webhook.topic, webhook.id, webhook.body)


def event(door: str, event_id: str) -> bytes:
    """An event_id as one API key or one source uses it."""
    return _key("event", door, event_id)


def conversion(scope: str, event_type: str, key: str, *, test: bool) -> bytes:
    """A conversion: an order id or a mapping's dedupe key. Test and live never meet."""
    return _key("conversion", scope, "test" if test else "live", event_type, key)


def idempotency(door: str, path: str, key: str) -> bytes:
    """An Idempotency-Key as one API key uses it on one endpoint."""
    return _key("idempotency", door, path, key)


def _key(*parts: str) -> bytes:
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return hashlib.sha256(b"".join([len(part).to_bytes(4, "big") + part for part in encoded])).digest()[:KEY_SIZE]
