"""Times as payloads write them, as ISO 8601 in UTC."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from bridge.core.instants import EPOCH, ISO_8601_OR_BLANKS, from_unix, parse_instant
from bridge.mapping.expressions.runtime import CannotEvaluate

UNITS = {"s": timedelta(seconds=1), "ms": timedelta(milliseconds=1), "us": timedelta(microseconds=1)}
"""What `unix` counts in."""


def format_iso8601(instant: str | int | Decimal) -> str:
    """The instant as `2024-01-01T00:00:00Z`, with milli- or microseconds where it has any."""
    at = _read_instant(instant)
    spec = "milliseconds" if at.microsecond % 1000 == 0 else "microseconds"
    return at.isoformat(timespec=spec if at.microsecond else "seconds").replace("+00:00", "Z")


def unix_seconds(instant: str | int | Decimal) -> int:
    """The instant as whole seconds since 1970, parts of a second cut off."""
    return (_read_instant(instant) - EPOCH) // timedelta(seconds=1)


def count_unix(instant: str | int | Decimal, unit: str) -> int:
    """The instant as whole seconds (`s`), milliseconds (`ms`) or microseconds (`us`) since 1970, the rest cut off."""
    return (_read_instant(instant) - EPOCH) // UNITS[unit]


def _read_instant(instant: str | int | Decimal) -> datetime:
    is_text = isinstance(instant, str)
    at = parse_instant(instant, ISO_8601_OR_BLANKS) if isinstance(instant, str) else from_unix(instant)
    if at is None:
        raise CannotEvaluate(f"the {'text is no ISO 8601 time' if is_text else 'number is no Unix time'}")
    return at
