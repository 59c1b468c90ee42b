"""Packs the requests of one flush together.

Requests of one moment are alike: packed together they take a twentieth of the disk, and of the time of a flush.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

import msgspec
import zstandard

from bridge.core import dedupe_keys
from bridge.core.model import Webhook
from bridge.store.codec.columns import (
    from_ms,
    join_keys,
    maybe_text,
    pack_json,
    split_keys,
    storable_text,
    to_ms,
    unpack_object,
)
from bridge.store.codec.compress import TOOLS, decompress


class _PackedWebhook(msgspec.Struct, array_like=True, frozen=True):
    """One webhook of a request, all but its body. Headers and query as objects, or as the JSON that can hold them."""

    source: str
    id: str
    topic: str | None
    at: int
    identity: bytes
    headers: dict[str, str] | str
    query: dict[str, str] | str
    item: str | None
    said: str = ""


class _PackedRequest(msgspec.Struct, array_like=True, frozen=True):
    """A body, once, and the webhooks of the request that brought it."""

    body: bytes
    webhooks: list[_PackedWebhook]


def pack_request(webhooks: Sequence[Webhook]) -> bytes:
    """The webhooks of one request as bytes; those that share a body hold it once."""
    parcels = [_PackedRequest(body, list(map(_pack_webhook, sharing))) for body, sharing in groupby(webhooks, _BODY)]
    try:
        return _ENCODER.encode(parcels)
    except UnicodeEncodeError:  # a lone surrogate among headers or query
        return _ENCODER.encode(
            [_PackedRequest(one.body, list(map(_escape_surrogates, one.webhooks))) for one in parcels]
        )


def pack_requests(parcels: Sequence[bytes]) -> bytes:
    """Returns the parcels of several requests, packed together."""
    return TOOLS.compressor.compress(_ENCODER.encode(list(map(msgspec.Raw, parcels))))


def unpack_webhooks(content: bytes) -> list[Webhook]:
    """Returns the webhooks of packed parcels, in their order, each with its identity, none with a number yet.

    Raises ValueError for bytes that `pack_requests` did not make.
    """
    try:
        requests = _DECODER.decode(decompress(content))
    except (zstandard.ZstdError, msgspec.MsgspecError) as error:
        raise ValueError(f"it cannot be unpacked ({type(error).__name__})") from error
    return [_unpack_webhook(one.body, packed) for parcels in requests for one in parcels for packed in one.webhooks]


def _pack_webhook(webhook: Webhook) -> _PackedWebhook:
    return _PackedWebhook(
        storable_text(webhook.source),
        storable_text(webhook.id),
        maybe_text(webhook.topic),
        to_ms(webhook.received_at),
        join_keys(webhook.identity),
        dict(webhook.headers),
        dict(webhook.query),
        maybe_text(webhook.item),
        storable_text(webhook.unsigned_facts),
    )


def _escape_surrogates(packed: _PackedWebhook) -> _PackedWebhook:
    return msgspec.structs.replace(packed, headers=_packed_object(packed.headers), query=_packed_object(packed.query))


def _packed_object(value: dict[str, str] | str) -> str:
    return value if isinstance(value, str) else pack_json(value)


def _unpack_webhook(body: bytes, packed: _PackedWebhook) -> Webhook:
    identity, same_bytes = _identity_of(body, packed)
    return Webhook(
        source=packed.source,
        id=packed.id,
        topic=packed.topic,
        received_at=from_ms(packed.at),
        body=body,
        identity=identity,
        headers=_unpack_object(packed.headers),
        query=_unpack_object(packed.query),
        item=packed.item,
        unsigned_facts=packed.said,
        same_bytes=same_bytes,
    )


def _identity_of(body: bytes, packed: _PackedWebhook) -> tuple[tuple[bytes, ...], bytes]:
    """The webhook's identity keys, and its content key if it is identified by content."""
    if packed.identity:
        return split_keys(packed.identity), b""
    digest = hashlib.sha256(body)
    key = dedupe_keys.unsigned_digest_key(packed.source, packed.topic, digest, said=packed.said)
    return (key,), dedupe_keys.content_key(digest)


def _unpack_object(value: dict[str, str] | str) -> dict[str, str]:
    return unpack_object(value) if isinstance(value, str) else value


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[list[_PackedRequest]])
_BODY = attrgetter("body")
