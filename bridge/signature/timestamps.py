"""Times of sending as providers write them: parsed strictly, and written for requests of our own."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime

from bridge.core.instants import EPOCH, RFC_3339, parse_http_date, parse_instant
from bridge.signature.recipe import Clock


def parse_timestamp(text: str, form: Clock) -> float | None:
    """The Unix seconds that `text` says, or None for text that is not exactly of that form.

    Numbers are ASCII digits and nothing else: `int()` would take blanks, signs, underscores and other scripts. Of the
    HTTP dates it takes the form that is not obsolete, with the right day of the week.
    """
    at: datetime | None
    match form:
        case "unix":
            return int(text) if _DIGITS.fullmatch(text) else None
        case "unix_ms":
            return int(text) / 1000 if _DIGITS.fullmatch(text) else None
        case "rfc3339":
            at = parse_instant(text, RFC_3339)
        case "http_date":
            at = parse_http_date(text, now=EPOCH)
            at = at if at and format_timestamp(at, form) == text else None
    return at.timestamp() if at else None


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
