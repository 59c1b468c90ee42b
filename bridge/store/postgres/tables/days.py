"""The days of the tables that have a partition for each: a number begins with its millisecond, so that it has a day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg

from bridge.store.codec.columns import from_ms, to_ms
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.postgres.schema import DAYS_AHEAD, make_days

TABLES = ("parcels", "webhooks", "events", "deliveries", "attempts", "event_names")
"""The tables with days."""

_FIRST_MS = 1_577_836_800_000
"""2020-01-01: https://www.postgresql.org/docs/18/functions-datetime.html counts from 1970."""
_DAY_MS = 86_400_000
_SEQUENCE_BITS = 21
DRAWN_FROM = _DAY_MS << _SEQUENCE_BITS
"""Numbers that this engine draws are larger. Below are those of a SQLite store that was moved here, in a partition that
is retired by no day: what is old of it goes row by row."""


def first_of_day(milliseconds: int) -> int:
    """The first number of the day of an instant; none is below it before that day."""
    return (milliseconds - _FIRST_MS) // _DAY_MS * _DAY_MS << _SEQUENCE_BITS


def numbers_of(day: date) -> range:
    """The numbers of a day."""
    begins = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return range(first_of_day(to_ms(begins)), first_of_day(to_ms(begins + timedelta(days=1))))


def make_days_ahead(transaction: Transaction) -> None:
    """Make the partitions of the next days, of which mostly none is missing."""
    if missing_day(transaction.db, ahead=DAYS_AHEAD) is not None:
        make_days(transaction.db)


def make_moved_partitions(db: psycopg.Connection[Any]) -> None:
    """Make the partitions of the numbers below DRAWN_FROM that are missing, in a transaction under way.

    LIKE and ATTACH keep no writer waiting. They are no days, so that none of them is retired.
    """
    for table in TABLES:
        part = f"{table}_moved"
        if select(db, "SELECT 1 WHERE to_regclass(%s) IS NULL", (part,)):
            db.execute(f"CREATE TABLE {part} (LIKE {table} INCLUDING DEFAULTS INCLUDING STORAGE)".encode())
            db.execute(f"ALTER TABLE {table} ATTACH PARTITION {part} FOR VALUES FROM (0) TO ({DRAWN_FROM})".encode())


def missing_day(db: psycopg.Connection[Any], *, ahead: int) -> date | None:
    """The first day from today to so many days ahead for which a table has no partition; None where there is none."""
    [(at,)] = select(db, "SELECT clock_ms()")
    days = [from_ms(at).date() + timedelta(days=n) for n in range(ahead + 1)]
    rows = select(
        db,
        """
        SELECT place FROM unnest(%s::text[], %s::int[]) AS wanted (name, place)
        WHERE NOT EXISTS (SELECT 1 FROM pg_inherits WHERE inhrelid = to_regclass(wanted.name)) ORDER BY place LIMIT 1
        """,
        ([f"{table}_{day:%Y%m%d}" for day in days for table in TABLES], [n for n in range(ahead + 1) for _ in TABLES]),
    )
    return days[rows[0][0]] if rows else None


def find_trouble(db: psycopg.Connection[Any]) -> tuple[str, ...]:
    """Says that there is no partition for tomorrow, and the remedy."""
    day = missing_day(db, ahead=1)
    if day is None:
        return ()
    text = (
        f"the store has no partitions for {day:%Y-%m-%d}, and takes nothing new on that day: `trackbridge serve` makes "
        "them three days ahead; where it runs, its log says why it does not (purge.…)"
    )
    return (text,)
