"""Retires the days of a table whose rows were all kept long enough: the partition is detached and dropped.

No writer waits for it: https://www.postgresql.org/docs/18/sql-altertable.html (DETACH PARTITION … CONCURRENTLY). It
cannot be part of a transaction, so that what a day holds is looked at twice: before, by a few looks into indexes, and
when nobody reaches it any more; then it is dropped in the transaction that counts its rows off. A day that holds
something that somebody still waits for stays, or comes back, and its other rows go one by one (`retention.py`).
Whatever ends in between is continued by the next step, of any node.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import IsolationLevel, errors

from bridge.store.codec.columns import to_ms_up
from bridge.store.postgres.admin.retention import KEEP_KNOWN, KNOWN
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.postgres.tables import parcels
from bridge.store.postgres.tables.days import first_of_day, numbers_of

RETIRED_WITH = {
    "events": ("events", "deliveries", "event_names"),
    "webhooks": ("webhooks",),
    "bodies": ("parcels",),
    "attempts": ("attempts",),
}
"""The tables with days, by the kind of step that they go with."""
_NAME = re.compile(r"[a-z_]+_(\d{8})")
_NEEDED = {
    "events": "EXISTS (SELECT 1 FROM outbox WHERE event >= %(first)s AND event < %(last)s)",
    "deliveries": """
        EXISTS (
            SELECT 1 FROM {day} AS d WHERE event >= (SELECT min(number) FROM events)
            AND EXISTS (SELECT 1 FROM events WHERE number = d.event)
        )
    """,
    "webhooks": """
        EXISTS (SELECT 1 FROM {day} WHERE state = 'received')
        OR EXISTS (SELECT 1 FROM events WHERE webhook >= %(first)s AND webhook < %(last)s)
    """,
    "parcels": "EXISTS (SELECT 1 FROM unapplied WHERE parcel >= %(first)s AND parcel < %(last)s)",
    "attempts": "false",
    "event_names": "to_regclass(replace('{day}', 'event_names', 'events')) IS NOT NULL",
}
"""Whether somebody still waits for a row of a day."""


@dataclass(frozen=True, slots=True)
class PartitionDay:
    """One day of a table: the name of its partition, and the numbers that it holds."""

    table: str
    name: str
    numbers: range
    is_attached: bool = True
    is_pending: bool = False
    """Whether its detaching was ended before it was done."""

    def is_needed(self, db: psycopg.Connection[Any]) -> bool:
        """Whether somebody still waits for one of its rows."""
        condition = _NEEDED[self.table].format(day=self.name)
        values = {"first": self.numbers.start, "last": self.numbers.stop}
        [(needed,)] = select(db, f"SELECT {condition}", values)
        return bool(needed)


def retire_next(db: psycopg.Connection[Any], kind: str, *, kept_for: timedelta) -> int | None:
    """Retire one day of the tables of a kind of step; returns how many rows went, None where no day is over."""
    for table in RETIRED_WITH.get(kind, ()):
        [(at,)] = select(db, "SELECT clock_ms()")
        taken = retire_next_day(db, table, below=first_of_day(at - to_ms_up(kept_for)))
        if taken is not None:
            return taken
    return None


def retire_next_day(db: psycopg.Connection[Any], table: str, *, below: int) -> int | None:
    """Retire the oldest day of a table with only numbers below that; returns how many rows went.

    None where there is none. The connection is in no transaction.
    """
    db.isolation_level, db.read_only = IsolationLevel.READ_COMMITTED, None
    for day in list_days(db, table):
        if day.numbers.stop > below:
            continue
        try:
            if day.is_attached and not day.is_pending and day.is_needed(db):
                continue
            if day.table == "parcels":
                parcels.rescue_webhooks(db, day.name, day.numbers)
            _detach_day(db, day)
            return _drop_day(db, day)
        except (errors.UndefinedTable, errors.ObjectNotInPrerequisiteState):  # another node is at it
            continue
    return None


def list_days(db: psycopg.Connection[Any], table: str) -> list[PartitionDay]:
    """The days of a table, oldest first, also those that are detached and not dropped yet."""
    rows = select(
        db,
        """
        SELECT relname::text, i.inhrelid IS NOT NULL, coalesce(i.inhdetachpending, false)
        FROM pg_class AS c LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid
        WHERE c.relkind = 'r' AND relname ~ %(pattern)s
            AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = %(table)s::regclass)
        ORDER BY relname
        """,
        {"table": table, "pattern": f"^{table}_[0-9]{{8}}$"},
    )
    found = []
    for name, is_attached, is_pending in rows:
        if match := _NAME.fullmatch(name):
            day = datetime.strptime(match[1], "%Y%m%d").replace(tzinfo=UTC).date()
            found.append(PartitionDay(table, name, numbers_of(day), is_attached, is_pending))
    return found


def _detach_day(db: psycopg.Connection[Any], day: PartitionDay) -> None:
    """Detach a partition, or finish that. It waits for readers that began before, and nobody waits for it."""
    if day.is_attached:
        how = "FINALIZE" if day.is_pending else "CONCURRENTLY"
        db.execute(f"ALTER TABLE {day.table} DETACH PARTITION {day.name} {how}".encode())


def _drop_day(db: psycopg.Connection[Any], day: PartitionDay) -> int | None:
    """Drop a detached partition; None where it is needed after all, and was attached again."""
    with db.transaction():
        transaction = Transaction(db, now=None, by_caller=False)
        transaction.execute("SET LOCAL lock_timeout = '2s'")
        transaction.execute(f"LOCK TABLE {day.name} IN ACCESS EXCLUSIVE MODE")
        if day.is_needed(db):
            _attach_day(transaction, day)
            return None
        taken = _take_leave(transaction, day)
        transaction.execute(f"DROP TABLE {day.name}")
        transaction.write_counts()
    return taken


def _attach_day(transaction: Transaction, day: PartitionDay) -> None:
    transaction.execute(
        f"ALTER TABLE {day.table} ATTACH PARTITION {day.name} "
        f"FOR VALUES FROM ({day.numbers.start}) TO ({day.numbers.stop})"
    )


def _take_leave(transaction: Transaction, day: PartitionDay) -> int:
    """Count the rows of a day off, and keep what is needed of them; returns how many there are."""
    match day.table:
        case "events":
            transaction.execute(f"{KEEP_KNOWN} FROM {day.name} WHERE true {KNOWN}")
            state = "CASE WHEN duplicate_of IS NULL THEN 'fresh' ELSE 'duplicate' END"
            return _count_off(transaction, day, "event_type", state)
        case "webhooks":
            values = {"first": day.numbers.start, "last": day.numbers.stop}
            for table, column in (("waiting", "webhook"), ("revisits", "webhook"), ("rescued", "number")):
                transaction.execute(
                    f"DELETE FROM {table} WHERE {column} >= %(first)s AND {column} < %(last)s",  # noqa: S608  ours
                    values,
                )
            return _count_off(transaction, day, "source", "state")
        case "deliveries":
            return _count_off(transaction, day, "destination", "state")
        case "event_names":
            return 0  # what is told is how many events went
        case "parcels":
            parcels.rescue_webhooks(transaction.db, day.name, day.numbers)
    [(taken,)] = select(transaction.db, f"SELECT count(*) FROM {day.name}")  # noqa: S608  a partition of ours
    return int(taken)


def _count_off(transaction: Transaction, day: PartitionDay, name: str, state: str) -> int:
    taken = 0
    for called, was, count in select(
        transaction.db,
        f"SELECT {name}, {state}, count(*) FROM {day.name} GROUP BY 1, 2",  # noqa: S608  columns of ours
    ):
        transaction.counts[day.table, called, was] -= count
        taken += count
    return taken
