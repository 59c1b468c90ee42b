"""Instants as people read them: in the time of this machine, with the name of its zone."""

from __future__ import annotations

from datetime import datetime, timedelta


def format_local(at: datetime, *, seconds: bool = False) -> str:
    """`2026-03-01 13:00 CET`; the day is never left out, and the zone always follows."""
    local = at.astimezone()
    return f"{local:%Y-%m-%d %H:%M:%S %Z}" if seconds else f"{local:%Y-%m-%d %H:%M %Z}"


def format_span(span: timedelta) -> str:
    """A length of time in its two largest units: `1 h 0 min`, `3 d 4 h`, `45 s`."""
    seconds = round(abs(span.total_seconds()))
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{seconds} s"
