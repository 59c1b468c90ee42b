"""Instants and lengths of time as texts and numbers write them: the one parser of each. Pure.

A caller that takes less than all says so by a form. What names no instant is None and never an error.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

import msgspec

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_MINUTE = "([01][0-9]|2[0-3]):[0-5][0-9]"
_CLOCK = rf"{_MINUTE}(:([0-5][0-9]|60)([.,][0-9]+)?)?"
_OFFSET = "[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?"
ISO_8601 = re.compile(rf"{_DAY}([Tt]{_CLOCK}([Zz]|{_OFFSET})?)?")
"""What the track contract takes. Without an offset it is UTC, without a time midnight."""
ISO_8601_OR_BLANKS = re.compile(rf"{_DAY}([Tt ]{_CLOCK}( ?([Zz]|UTC|{_OFFSET}))?)?")
"""The same, or as databases and Ruby write it: `2024-01-15 14:30:45 UTC`."""
RFC_3339 = re.compile(rf"{_DAY}T{_MINUTE}:[0-5][0-9](\.[0-9]{{1,9}})?(Z|[+-]{_MINUTE})")
"""The narrow form that signatures use: every part is written, in upper case, and no leap second."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME = r"(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9]):(?P<second>[0-5][0-9]|60)"
_SHORT = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_HTTP_DATES = tuple(
    re.compile(form)
    for form in (
        rf"{_SHORT}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT",
        rf"{_LONG}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT",
        rf"{_SHORT} {_MONTH} (?P<day>[ 0-9][0-9]) {_TIME} (?P<year>[0-9]{{4}})",
    )
)
LENGTH = "([0-9]{1,6})([smhdw])"
"""A length of time: `30m`, `12h`, `7d`, `4w`."""
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

_SECOND = timedelta(seconds=1)
_MILLISECOND = timedelta(milliseconds=1)
_SECONDS_END = 10**11
_TO_THE_SECOND = len("2024-01-15T14:30:45")


@lru_cache(maxsize=16)  # an event's is asked for twice: whether it is one, and which
def parse_instant(text: str, form: re.Pattern[str] = ISO_8601) -> datetime | None:
    """The instant that a text of this form names, in UTC; None where it names none.

    Digits beyond microseconds are cut off. A leap second is the first of the minute that follows it.
    """
    if not form.fullmatch(text):
        return None
    clock = text[11:].upper().replace(" ", "").replace("UTC", "Z")
    leap = ":60" in clock  # every form allows it in seconds alone
    try:
        at = datetime.fromisoformat(f"{text[:10]}T{clock.replace(':60', ':59')}" if clock else text)
        at = at + _SECOND if leap else at
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def from_unix(number: int | Decimal) -> datetime | None:
    """The instant of Unix seconds, or of milliseconds; None where it is beyond all years.

    A number below 10**11 is seconds (until the year 5138), one above is milliseconds (since 1973).
    """
    unit = 1_000_000 if -_SECONDS_END < number < _SECONDS_END else 1_000
    try:
        return EPOCH + timedelta(microseconds=int(number * unit))
    except OverflowError:
        return None


def parse_http_date(text: str, *, now: datetime) -> datetime | None:
    """An HTTP date in any of the three forms of RFC 9110 §5.6.7; None for anything else.

    A year of two digits that seems more than 50 years ahead is the last one in the past that ends so. The day of the
    week is not compared.
    """
    match = next((found for form in _HTTP_DATES if (found := form.fullmatch(text))), None)
    if match is None:
        return None
    year = int(match["year"])
    if len(match["year"]) == 2:  # noqa: PLR2004  the form of RFC 850
        first = now.year - 49
        year = first + (year - first) % 100
    try:
        midnight = datetime(year, _MONTHS.index(match["month"]) + 1, int(match["day"]), tzinfo=UTC)
        time = timedelta(hours=int(match["hour"]), minutes=int(match["minute"]), seconds=int(match["second"]))
        return midnight + time  # a leap second, :60, is the next minute's first
    except (ValueError, OverflowError):
        return None


def parse_length(text: str) -> timedelta | None:
    """The length of time that a text such as 30m, 12h, 7d or 4w names; None where it names none."""
    found = re.fullmatch(LENGTH, text)
    return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None


def format_instant(at: datetime) -> str:
    """An instant as ISO 8601 in UTC with milliseconds: `2024-01-15T14:30:45.000Z`."""
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    second: str = msgspec.to_builtins(utc)[:_TO_THE_SECOND]  # a quarter of the time that isoformat takes
    return f"{second}.{utc.microsecond // 1000:03}Z"


def unix_ms(at: datetime) -> int:
    """Whole milliseconds since 1970."""
    return (at - EPOCH) // _MILLISECOND
