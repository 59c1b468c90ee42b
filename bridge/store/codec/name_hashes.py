"""The keyed hashes by which events are found: of the e-mail, in clear or hashed as for platforms, and of the order."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator

import msgspec

KEY_BYTES = 32
_HASHED = re.compile(r"[0-9a-fA-F]{64}")


class _HashedPerson(msgspec.Struct):
    email: object = None


class _HashedOrder(msgspec.Struct):
    order_name: object = None


class _NamedParts(msgspec.Struct):
    """What of an event has its person's e-mail and its order's name: all else is read past."""

    user_data: _HashedPerson | None = None
    properties: _HashedOrder | None = None


_DECODER = msgspec.json.Decoder(_NamedParts)


def hash_event_names(key: bytes, text: bytes, *, order_id: str | None) -> set[int]:
    """The hashes of the e-mail, the order id and the order's name that an event has, by its text as JSON."""
    found = {hash_order(key, order_id)} if order_id else set()
    if b'"email"' in text or b'"order_name"' in text:
        found |= set(_hash_parts(key, text))
    return found


def _hash_parts(key: bytes, text: bytes) -> Iterator[int]:
    try:
        parts = _DECODER.decode(text)
    except msgspec.DecodeError:
        return
    email = parts.user_data.email if parts.user_data else None
    if isinstance(email, str) and email.strip():
        yield hash_person(key, email)
    order_name = parts.properties.order_name if parts.properties else None
    if isinstance(order_name, str) and order_name.strip():
        yield hash_order(key, order_name)


def hash_person(key: bytes, email: str) -> int:
    """The hash of an e-mail, or of what is its SHA-256 already: 64 bits of an HMAC-SHA256, signed."""
    address = email.strip().lower()
    hashed = address if _HASHED.fullmatch(address) else hashlib.sha256(address.encode()).hexdigest()
    return _hash(key, hashed)


def hash_order(key: bytes, name: str) -> int:
    """The hash of an order's id or name."""
    return _hash(key, f"order:{name.strip()}")


def hash_word(key: bytes, word: str) -> set[int]:
    """The hashes of what a text that somebody looks for may name."""
    found = {hash_order(key, word)}
    if "@" in word or _HASHED.fullmatch(word.strip()):
        found.add(hash_person(key, word))
    return found


def _hash(key: bytes, text: str) -> int:
    return int.from_bytes(hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256")[:8], "big", signed=True)
