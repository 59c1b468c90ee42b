"""The keyed hash by which the events of a person are found: of the e-mail, in clear or as platforms hash it. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re

import msgspec

KEY_BYTES = 32
_HASHED = re.compile(r"[0-9a-fA-F]{64}")


class _HashedPerson(msgspec.Struct):
    email: object = None


class _PersonalPart(msgspec.Struct):
    """What of an event has its person's e-mail: all else is read past."""

    user_data: _HashedPerson | None = None


_DECODER = msgspec.json.Decoder(_PersonalPart)


def hash_event_person(key: bytes, text: bytes) -> int | None:
    """The hash of the e-mail that an event has, by its text as JSON; None for one without."""
    if b'"email"' not in text:
        return None
    try:
        found = _DECODER.decode(text)
    except msgspec.DecodeError:
        return None
    email = found.user_data.email if found.user_data else None
    return hash_person(key, email) if isinstance(email, str) and email.strip() else None


def hash_person(key: bytes, email: str) -> int:
    """The hash of an e-mail, or of what is its SHA-256 already: 64 bits of an HMAC-SHA256, signed."""
    address = email.strip().lower()
    hashed = address if _HASHED.fullmatch(address) else hashlib.sha256(address.encode()).hexdigest()
    return int.from_bytes(hmac.digest(key, hashed.encode(), "sha256")[:8], "big", signed=True)


def names_person(word: str) -> bool:
    """Whether a text that somebody looks for may be an e-mail, or the SHA-256 of one."""
    return "@" in word or _HASHED.fullmatch(word.strip()) is not None
