"""Times of sending as providers write them: parsed strictly, and written for requests of our own."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime

from bridge.signature.recipe import Clock


def parse_timestamp(text: str, form: Clock) -> float | None:
    """The Unix seconds that `text` says, or None for text that is not exactly of that form.

    Numbers are ASCII digits and nothing else: `int()` would take blanks, signs, underscores and other scripts.
    """
    match form:
        case "unix":
            return int(text) if _DIGITS.fullmatch(text) else None
        case "unix_ms":
            return int(text) / 1000 if _DIGITS.fullmatch(text) else None
        case "rfc3339":
            return _parse_rfc3339(text)
        case "http_date":
            return _http_date(text)


def format_timestamp(moment: datetime, form: Clock) -> str:
    """`moment` as a provider would write it."""
    match form:
        case "unix":
            return str(int(moment.timestamp()))
        case "unix_ms":
            return str(int(moment.timestamp() * 1000))
        case "rfc3339":
            return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case "http_date":
            return format_datetime(moment.astimezone(UTC), usegmt=True)


_DIGITS = re.compile(r"[0-9]{1,16}")
_RFC3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})")
_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _parse_rfc3339(text: str) -> float | None:
    if not _RFC3339.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _http_date(text: str) -> float | None:
    """IMF-fixdate of RFC 9110 §5.6.7, https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7, its day of week checked."""
    found = _HTTP_DATE.fullmatch(text)
    if not found or found[2] not in _MONTHS:
        return None
    year, day, hour, minute, second = (int(found[n]) for n in (3, 1, 4, 5, 6))
    try:
        moment = datetime(year, _MONTHS.index(found[2]) + 1, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return moment.timestamp() if format_datetime(moment, usegmt=True) == text else None
