"""How values are stored in columns: instants as whole milliseconds, lists as JSON, texts as UTF-8 can hold them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from bridge.core import json_text
from bridge.core.dedupe_keys import KEY_SIZE

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_MOST_DIGITS = 18
"""Any number of 18 digits fits SQLite's 64 bits."""


def to_ms(at: datetime) -> int:
    """Returns whole milliseconds since 1970, rounded down. For the present: nothing is due before its time."""
    return (at - _EPOCH) // _MS


def ms_up(at: datetime) -> int:
    """Returns whole milliseconds since 1970, rounded up. For due times: nothing is due before its time."""
    return -((_EPOCH - at) // _MS)


def from_ms(milliseconds: int) -> datetime:
    """The instant that many milliseconds after 1970."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def maybe_instant(milliseconds: int | None) -> datetime | None:
    """The same for a column that may be empty."""
    return None if milliseconds is None else from_ms(milliseconds)


def to_ms_up(length: timedelta) -> int:
    """A length of time in whole milliseconds, rounded up."""
    return -(-length // _MS)


def from_ms_length(milliseconds: int) -> timedelta:
    """That many milliseconds."""
    return timedelta(milliseconds=milliseconds)


def storable_text(value: str) -> str:
    """The text as UTF-8 can hold it: a lone surrogate, which no column takes, is written out as an escape."""
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()


def maybe_text(value: str | None) -> str | None:
    """The same for a column that may be empty."""
    return None if value is None else storable_text(value)


def pack_json(value: Sequence[object] | Mapping[str, str]) -> str:
    """A list or an object as JSON, so that every text comes back as it was."""
    if not value:
        return ""
    plain = dict(value) if isinstance(value, Mapping) else list(value)
    try:
        return json_text.write_json(plain).decode()
    except ValueError:  # a lone surrogate, which only an escape can hold
        return json.dumps(plain)


def unpack_list(packed: str) -> tuple[str, ...]:
    """Returns the list that `pack_json` was given."""
    return tuple(json.loads(packed)) if packed else ()


def unpack_object(packed: str) -> dict[str, str]:
    """Returns the object that `pack_json` was given."""
    return json.loads(packed) if packed else {}


def join_keys(keys: Iterable[bytes]) -> bytes:
    """Ledger keys, one after the other."""
    return b"".join(keys)


def split_keys(keys: bytes) -> tuple[bytes, ...]:
    """The ledger keys that were joined."""
    return tuple(keys[start : start + KEY_SIZE] for start in range(0, len(keys), KEY_SIZE))


def public_number(prefix: str, public_id: str) -> int | None:
    """The number in `wh_12`, given `wh`; None for anything that is not written exactly so."""
    head, _, digits = public_id.partition("_")
    if head != prefix or not digits.isascii() or not digits.isdigit() or len(digits) > _MOST_DIGITS:
        return None
    return int(digits) if digits[0] != "0" else None
