"""Instants as people read them: in the time of this machine, or of who reads, with the name of the zone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime, timedelta, tzinfo

_READER_ZONE: ContextVar[tzinfo | None] = ContextVar("reader_zone", default=None)


@contextmanager
def reading_in_zone(zone: tzinfo | None) -> Iterator[None]:
    """Within the block, and in tasks made there, instants are written in that zone; in this machine's if it is None."""
    token = _READER_ZONE.set(zone)
    try:
        yield
    finally:
        _READER_ZONE.reset(token)


def to_local(at: datetime) -> datetime:
    """The same instant in the zone of who reads."""
    return at.astimezone(_READER_ZONE.get())


def local_midnight(day: date) -> datetime:
    """When a day begins in the zone of who reads."""
    zone = _READER_ZONE.get()
    begins = datetime(day.year, day.month, day.day, tzinfo=zone)
    return begins if zone is not None else begins.astimezone()


def format_local(at: datetime, *, seconds: bool = False) -> str:
    """`2026-03-01 13:00 CET`; the day is never left out, and the zone always follows."""
    local = to_local(at)
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
