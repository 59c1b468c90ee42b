"""Instants as the contract reads and writes them: ISO 8601 in, UTC out. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from bridge.contract.schema import SCHEMA

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SHAPE: str = SCHEMA["properties"]["timestamp"]["pattern"]
"""How an instant is written; whether there is such an instant is another question."""
_has_shape = re.compile(SHAPE).fullmatch
_SECOND = timedelta(seconds=1)
_MILLISECOND = timedelta(milliseconds=1)
_TO_THE_SECOND = len("2024-01-15T14:30:45")


@lru_cache(maxsize=16)  # an event's is asked for twice: whether it is one, and which
def parse_instant(text: str) -> datetime | None:
    """The instant that an ISO 8601 text names, in UTC; None where it names none.

    Without an offset it is UTC, without a time midnight. Digits beyond microseconds are cut off. A leap second is
    the first of the minute that follows it.
    """
    if not _has_shape(text):
        return None
    leap = ":60" in text  # the shape allows it in seconds alone
    try:
        at = datetime.fromisoformat(text.upper().replace(":60", ":59"))
        at = at + _SECOND if leap else at
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def format_instant(at: datetime) -> str:
    """An instant as ISO 8601 in UTC with milliseconds: `2024-01-15T14:30:45.000Z`."""
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    second: str = msgspec.to_builtins(utc)[:_TO_THE_SECOND]  # a quarter of the time that isoformat takes
    return f"{second}.{utc.microsecond // 1000:03}Z"


def unix_ms(at: datetime) -> int:
    """Whole milliseconds since 1970."""
    return (at - _EPOCH) // _MILLISECOND
