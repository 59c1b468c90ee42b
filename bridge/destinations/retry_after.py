"""The header `Retry-After`: seconds or an HTTP date as in RFC 9110 §10.2.3, obsolete date forms included. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME = r"(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9]):(?P<second>[0-5][0-9]|60)"
_SHORT = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_DATES = tuple(
    re.compile(form, re.ASCII)
    for form in (
        rf"{_SHORT}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT",
        rf"{_LONG}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT",
        rf"{_SHORT} {_MONTH} (?P<day>[ 0-9][0-9]) {_TIME} (?P<year>[0-9]{{4}})",
    )
)
_LONGEST = 12
"""Digits; more is longer than anybody waits, and would not fit a timedelta."""


def read_retry_after(text: str | None, *, now: datetime, most: timedelta) -> timedelta | None:
    """How long a `Retry-After` asks to wait, from zero to `most`; None where it is absent or makes no sense."""
    text = (text or "").strip(" \t")
    if re.fullmatch("[0-9]+", text):
        return most if len(text.lstrip("0")) > _LONGEST else min(timedelta(seconds=int(text)), most)
    at = parse_http_date(text, now=now)
    return None if at is None else max(timedelta(), min(at - now, most))


def parse_http_date(text: str, *, now: datetime) -> datetime | None:
    """An HTTP date in any of the three forms of RFC 9110 §5.6.7; None for anything else.

    A year of two digits that seems more than 50 years ahead is the last one in the past that ends so.
    """
    match = next((found for form in _DATES if (found := form.fullmatch(text))), None)
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
