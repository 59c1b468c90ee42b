"""How what came in is packed: the requests of one flush together, and at rest each body by itself.

Requests of a moment are alike, so packed together they take a twentieth of the disk and of the time that a flush
takes. Not concerned with where the packed bytes stand.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

import msgspec
import zstandard

from bridge import ledger
from bridge.model import Webhook
from bridge.stores.sqlite.columns import instant, joined, maybe_text, ms, pack, parted, text, unpack_object

PLAIN, ZSTD = 0, 1
"""The forms in which a body stands at rest."""
_LEAST = 256
"""Bytes below which a body is not worth packing."""
_LEVEL = 1


class _Letter(msgspec.Struct, array_like=True, frozen=True):
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


class _Parcel(msgspec.Struct, array_like=True, frozen=True):
    """A body, once, and the webhooks of the request that brought it."""

    body: bytes
    letters: list[_Letter]


def parcel(webhooks: Sequence[Webhook]) -> bytes:
    """The webhooks of one request as bytes; those that share a body hold it once."""
    parcels = [_Parcel(body, list(map(_letter, sharing))) for body, sharing in groupby(webhooks, _BODY)]
    try:
        return _ENCODER.encode(parcels)
    except UnicodeEncodeError:  # a lone surrogate among headers or query
        return _ENCODER.encode([_Parcel(one.body, list(map(_escaped, one.letters))) for one in parcels])


def packed(parcels: Sequence[bytes]) -> bytes:
    """The parcels of several requests as one run of bytes."""
    return _TOOLS.compressor.compress(_ENCODER.encode(list(map(msgspec.Raw, parcels))))


def unpacked(content: bytes) -> list[Webhook]:
    """The webhooks of the parcels that were packed, in their order, each with its identity, none with a number yet.

    Raises ValueError for bytes that are not what was packed.
    """
    try:
        requests = _DECODER.decode(_TOOLS.decompressor.decompress(content))
    except (zstandard.ZstdError, msgspec.MsgspecError) as error:
        raise ValueError(f"it cannot be unpacked ({type(error).__name__})") from error
    return [_webhook(one.body, letter) for parcels in requests for one in parcels for letter in one.letters]


def at_rest(bodies: Sequence[bytes]) -> list[tuple[bytes, int]]:
    """Bodies as they are kept, each with the form that this is."""
    worth: list[bytes | bytearray | memoryview] = [body for body in bodies if len(body) >= _LEAST]
    smaller = iter(_compressed(worth) if worth else [])
    return [_smaller(body, next(smaller)) if len(body) >= _LEAST else (body, PLAIN) for body in bodies]


def _compressed(bodies: list[bytes | bytearray | memoryview]) -> list[bytes]:
    """All in one call, which lets go of Python's lock once."""
    found = _TOOLS.compressor.multi_compress_to_buffer(bodies)
    return [found[at].tobytes() for at in range(len(found))]


def _smaller(body: bytes, small: bytes) -> tuple[bytes, int]:
    return (small, ZSTD) if len(small) < len(body) else (body, PLAIN)


def restored(content: bytes, form: int) -> bytes:
    """The body that is kept in that form.

    One that the disk damaged comes as it stands: its webhook is set aside, and holds up nobody.
    """
    if form == PLAIN:
        return content
    try:
        return _TOOLS.decompressor.decompress(content)
    except zstandard.ZstdError:
        return content


def _letter(webhook: Webhook) -> _Letter:
    return _Letter(
        text(webhook.source),
        text(webhook.id),
        maybe_text(webhook.topic),
        ms(webhook.received_at),
        joined(webhook.identity),
        dict(webhook.headers),
        dict(webhook.query),
        maybe_text(webhook.item),
        text(webhook.said),
    )


def _escaped(letter: _Letter) -> _Letter:
    return msgspec.structs.replace(letter, headers=_packed_object(letter.headers), query=_packed_object(letter.query))


def _packed_object(value: dict[str, str] | str) -> str:
    return value if isinstance(value, str) else pack(value)


def _webhook(body: bytes, letter: _Letter) -> Webhook:
    identity, same_bytes = _known_by(body, letter)
    return Webhook(
        source=letter.source,
        id=letter.id,
        topic=letter.topic,
        received_at=instant(letter.at),
        body=body,
        identity=identity,
        headers=_object(letter.headers),
        query=_object(letter.query),
        item=letter.item,
        said=letter.said,
        same_bytes=same_bytes,
    )


def _known_by(body: bytes, letter: _Letter) -> tuple[tuple[bytes, ...], bytes]:
    """What knows a webhook again; and the key of its bytes, where they are what does."""
    if letter.identity:
        return parted(letter.identity), b""
    digest = hashlib.sha256(body)
    key = ledger.unsigned_digest(letter.source, letter.topic, digest, said=letter.said)
    return (key,), ledger.same_bytes(digest)


def _object(value: dict[str, str] | str) -> dict[str, str]:
    return unpack_object(value) if isinstance(value, str) else value


class _Tools(threading.local):
    """What packs and unpacks, for each thread its own: neither can be shared."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        self.decompressor = zstandard.ZstdDecompressor()


_TOOLS = _Tools()
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[list[_Parcel]])
_BODY = attrgetter("body")
