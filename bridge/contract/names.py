"""What an event is called when its maker gave it no id: by chance, or derived so that a replay calls it the same."""

from __future__ import annotations

import hashlib
from datetime import datetime

from bridge.contract.instants import unix_ms

_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
_LENGTH = 12
_PAIRS = [last + first for first in _LETTERS for last in _LETTERS]
_POWERS = [1296**place for place in range(_LENGTH // 2)]


def new_id(received_at: datetime, luck: str) -> str:
    """`evt_<unix ms>_<luck>`; `luck` is 12 random letters of [a-z0-9]."""
    return f"evt_{unix_ms(received_at)}_{luck}"


def derived_id(*, received_at: datetime, source: str, webhook_id: str, event_type: str, key: str) -> str:
    """`evt_<unix ms>_<12 letters>`, the same whenever the same webhook is translated again.

    `key` tells the events of one type apart that one webhook makes: the dedupe key, or the ordinal among them.
    """
    encoded = [part.encode("utf-8", "surrogatepass") for part in (source, webhook_id, event_type, key)]
    digest = hashlib.sha256(b"".join([len(part).to_bytes(4, "big") + part for part in encoded])).digest()
    return f"evt_{unix_ms(received_at)}_{_base36(int.from_bytes(digest, 'big'))}"


def _base36(number: int) -> str:
    """The twelve last letters of a number, the last one first."""
    number %= 36**_LENGTH
    return "".join([_PAIRS[number // power % 1296] for power in _POWERS])
