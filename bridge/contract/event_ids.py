"""The id of an event that came without one: random, or derived so that a replay gives the same id.

Also the id of an event whose given id already names another event.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from itertools import count

from bridge.core import dedupe_keys
from bridge.core.instants import unix_ms

_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
_PAIRS = [last + first for first in _LETTERS for last in _LETTERS]
_SIX, _TWELVE = 36**6, 36**12


def new_id(received_at: datetime, nonce: str) -> str:
    """`evt_<unix ms>_<nonce>`; the nonce is 12 random letters of [a-z0-9]."""
    return f"evt_{unix_ms(received_at)}_{nonce}"


def derived_id(*, received_at: datetime, source: str, webhook_id: str, event_type: str, key: str) -> str:
    """`evt_<unix ms>_<12 letters>`, the same whenever the same webhook is translated again.

    `key` distinguishes the events of one type that one webhook makes: the dedupe key, or their number in order.
    """
    digest = hashlib.sha256(dedupe_keys.join_parts((source, webhook_id, event_type, key))).digest()
    return f"evt_{unix_ms(received_at)}_{_encode_base36(int.from_bytes(digest, 'big'))}"


def other_ids(within: str, event_id: str) -> Iterator[str]:
    """Ids for an event whose `event_id` names another event, in the order in which they are tried, without end.

    `evt_<24 letters>`, derived from where the id was given and from nothing else: the same event gets the same id again
    when its webhook is translated again, and in a store that was restored from an older copy.
    """
    for turn in count():
        number = int.from_bytes(hashlib.sha256(dedupe_keys.join_parts((within, event_id, str(turn)))).digest(), "big")
        yield f"evt_{_encode_base36(number)}{_encode_base36(number // _TWELVE)}"


def _encode_base36(number: int) -> str:
    """The twelve last letters of a number, the last one first."""
    high, low = divmod(number % _TWELVE, _SIX)  # small numbers are the quicker to divide
    return (
        f"{_PAIRS[low % 1296]}{_PAIRS[low // 1296 % 1296]}{_PAIRS[low // 1679616]}"
        f"{_PAIRS[high % 1296]}{_PAIRS[high // 1296 % 1296]}{_PAIRS[high // 1679616]}"
    )
