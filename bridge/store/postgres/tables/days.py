"""The days of the tables that have a partition for each: a number begins with its millisecond, so that it has a day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from bridge.store.codec.columns import to_ms

_FIRST_MS = 1_577_836_800_000
"""2020-01-01: https://www.postgresql.org/docs/18/functions-datetime.html counts from 1970."""
_DAY_MS = 86_400_000
_SEQUENCE_BITS = 21


def first_of_day(milliseconds: int) -> int:
    """The first number of the day of an instant; none is below it before that day."""
    return (milliseconds - _FIRST_MS) // _DAY_MS * _DAY_MS << _SEQUENCE_BITS


def numbers_of(day: date) -> range:
    """The numbers of a day."""
    begins = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return range(first_of_day(to_ms(begins)), first_of_day(to_ms(begins + timedelta(days=1))))
