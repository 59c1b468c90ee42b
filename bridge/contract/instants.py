"""Instants as the contract reads and writes them: ISO 8601 in, UTC out. Pure; not concerned with whose they are."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from bridge.contract.schema import SCHEMA

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHAPE = re.compile(SCHEMA["properties"]["timestamp"]["pattern"])
_LEAP = re.compile(r"([Tt][0-9]{2}:[0-9]{2}:)60")


def instant(text: str) -> datetime | None:
    """The instant that an ISO 8601 text names, in UTC; None where it names none.

    Without an offset it is UTC, without a time midnight. Digits beyond microseconds are cut off. A leap second is
    the first of the minute that follows it.
    """
    if not _SHAPE.fullmatch(text):
        return None
    plain, leap = _LEAP.subn(r"\g<1>59", text, count=1)
    try:
        at = datetime.fromisoformat(plain.upper()) + timedelta(seconds=leap)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def written(at: datetime) -> str:
    """An instant as ISO 8601 in UTC with milliseconds: `2024-01-15T14:30:45.000Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def unix_ms(at: datetime) -> int:
    """Whole milliseconds since 1970."""
    return (at - _EPOCH) // timedelta(milliseconds=1)
