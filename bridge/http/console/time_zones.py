"""The time zone that a reader chose: a cookie of this browser; without one, the zone of the bridge's machine. Pure."""

from __future__ import annotations

import re
from datetime import UTC, tzinfo
from functools import cache, lru_cache
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

ZONE_COOKIE = "trackbridge_zone"
_NAME = re.compile(r"[A-Za-z0-9_+-]{1,40}(/[A-Za-z0-9_+-]{1,40}){0,2}")
_LASTS = 31_536_000
"""Seconds: a year."""


@lru_cache(maxsize=32)
def find_zone(name: str) -> tzinfo | None:
    """The zone of that name, as the IANA's database has it; None for any other text."""
    if name == "UTC":
        return UTC
    if not _NAME.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError):
        return None


def read_zone(cookies: dict[str, str]) -> tuple[str, tzinfo | None]:
    """The name and the zone that a browser keeps; an empty name and None if it keeps none that is known here."""
    name = unquote(cookies.get(ZONE_COOKIE, ""))
    zone = find_zone(name)
    return (name, zone) if zone else ("", None)


def write_zone_cookie(name: str, *, root: str, is_secure: bool) -> str:
    """A cookie that keeps a zone; an empty name ends it."""
    lasts = _LASTS if name else 0
    secure = "; Secure" if is_secure else ""
    return f"{ZONE_COOKIE}={quote(name, safe='')}; Path={root}; Max-Age={lasts}; SameSite=Lax; HttpOnly{secure}"


@cache
def zone_names() -> tuple[str, ...]:
    """Names to choose from: those of places, and UTC."""
    return ("UTC", *sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/")))
