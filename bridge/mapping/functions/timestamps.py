"""Times as payloads write them, as ISO 8601 in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from bridge.mapping.expressions.runtime import CannotEvaluate

_TEXT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?( ?([Zz]|UTC|[+-][0-9]{2}(:?[0-9]{2})?))?)?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_END = 10**11
"""A number below is seconds (until the year 5138), one above is milliseconds (since 1973)."""


def format_iso8601(instant: str | int | Decimal) -> str:
    """The instant as `2024-01-01T00:00:00Z`, with milli- or microseconds where it has any."""
    at = _parse_instant(instant)
    spec = "milliseconds" if at.microsecond % 1000 == 0 else "microseconds"
    return at.isoformat(timespec=spec if at.microsecond else "seconds").replace("+00:00", "Z")


def unix_seconds(instant: str | int | Decimal) -> int:
    """The instant as whole seconds since 1970, parts of a second cut off."""
    return (_parse_instant(instant) - _EPOCH) // timedelta(seconds=1)


def _parse_instant(instant: str | int | Decimal) -> datetime:
    try:
        return _from_text(instant) if isinstance(instant, str) else _from_number(instant)
    except (ValueError, OverflowError):
        kind = "text is no ISO 8601 time" if isinstance(instant, str) else "number is no Unix time"
        raise CannotEvaluate(f"the {kind}") from None


def _from_text(text: str) -> datetime:
    if _TEXT.fullmatch(text) is None:
        raise ValueError
    text = re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", text.upper().replace("UTC", "Z").replace(" Z", "Z"))
    text = re.sub(r" ([+-])", r"\1", text)
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


def _from_number(number: int | Decimal) -> datetime:
    unit = 1_000_000 if -_SECONDS_END < number < _SECONDS_END else 1_000
    return _EPOCH + timedelta(microseconds=int(number * unit))
