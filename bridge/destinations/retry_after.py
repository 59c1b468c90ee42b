"""The header `Retry-After`: seconds or an HTTP date as in RFC 9110 §10.2.3, obsolete date forms included. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from bridge.core.instants import parse_http_date

_LONGEST = 12
"""Digits; more is longer than anybody waits, and would not fit a timedelta."""


def read_retry_after(text: str | None, *, now: datetime, most: timedelta) -> timedelta | None:
    """How long a `Retry-After` asks to wait, from zero to `most`; None where it is absent or makes no sense."""
    text = (text or "").strip(" \t")
    if re.fullmatch("[0-9]+", text):
        return most if len(text.lstrip("0")) > _LONGEST else min(timedelta(seconds=int(text)), most)
    at = parse_http_date(text, now=now)
    return None if at is None else max(timedelta(), min(at - now, most))
