"""Deletes what was kept long enough, a few rows at a time, table by table.

Days are retired as a whole (`retired_days.py`) before any of their rows is looked at: here go the rows of days that
hold something that somebody still waits for, and those of tables without days. A day is over when all of it is older
than what is kept, so that a row may stay a day longer; where time is the callers', each row is as old as it says.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from bridge.store.codec.columns import from_ms, to_ms_up
from bridge.store.postgres.admin.filters import MOST_NUMBER
from bridge.store.postgres.admin.search import read_horizon
from bridge.store.postgres.db.ledger_key import to_keys
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.postgres.tables import counts, coverage, event_names, followers, quarters
from bridge.store.postgres.tables.days import DRAWN_FROM, first_of_day
from bridge.store.postgres.tables.parcels import NEEDED
from bridge.store.protocol import PurgeStep, RetentionPolicy
from bridge.store.rules.purged_conversions import lends_without_person

STEP_BYTES = 12 * 1024 * 1024
"""Bytes of parcels that one step takes at most, or one parcel."""
LEDGER_ROWS = 10
"""How many rows of the ledger are deleted instead of one of another table: they are small."""
NAMED_ROWS = 2
"""How many events have their names hashed instead."""
REQUESTS = timedelta(hours=48)
"""How long an Idempotency-Key is known: longer than the 24 hours that are promised."""


class SweepPlace(NamedTuple):
    """Where a step begins: the table, and the number after which to continue, 0 at the table's beginning."""

    table: str
    after: int


BEGINNING = SweepPlace("events", 0)
"""Where a sweep begins."""


class _Look(NamedTuple):
    """What one step looks at: rows after a number, as many as `limit`, that are older than what is kept."""

    after: int
    limit: int
    keeping: RetentionPolicy


_Step = Callable[[Transaction, _Look], tuple[int, int | None]]


def purge_step(
    transaction: Transaction, keeping: RetentionPolicy, *, place: SweepPlace, limit: int
) -> tuple[PurgeStep, SweepPlace]:
    """Purge one step from a place on; returns it with the place of the next."""
    taken, last = _STEPS[place.table](transaction, _Look(place.after, limit, keeping))
    if last is not None:
        return PurgeStep(taken, more=True, kind=place.table), SweepPlace(place.table, last)
    following = _ORDER[_ORDER.index(place.table) + 1 :]
    following_place = SweepPlace(following[0], 0) if following else BEGINNING
    return PurgeStep(taken, more=bool(following), kind=place.table), following_place


def _before(transaction: Transaction, kept_for: timedelta) -> dict[str, int]:
    """The time before which rows are old, and the number below which they may be: that of the day of that time."""
    before = transaction.at - to_ms_up(kept_for)
    return {"before": before, "below": MOST_NUMBER if transaction.by_caller else first_of_day(before)}


# ------------------------------------------------------------------------------------------------------- the tables


def _purge_events(transaction: Transaction, look: _Look) -> tuple[int, int | None]:
    """Events with their deliveries, unless one is still pending. They are locked first, and then looked at again."""
    rows = select(
        transaction.db,
        """
        SELECT number, created_at <= %(before)s FROM events WHERE number > %(after)s AND number < %(below)s
        ORDER BY number LIMIT %(limit)s FOR UPDATE SKIP LOCKED
        """,
        _before(transaction, look.keeping.events) | {"after": look.after, "limit": look.limit},
    )
    old = [number for number, is_old in rows if is_old]
    transaction.execute("SELECT 1 FROM deliveries WHERE event = ANY(%s) ORDER BY number FOR UPDATE", (old,))
    gone = [
        number
        for (number,) in select(
            transaction.db,
            """
            SELECT old.number FROM unnest(%s::bigint[]) AS old (number)
            WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE event = old.number)
            """,
            (old,),
        )
    ]
    _delete_events(transaction, gone)
    return len(gone), _next_number(rows, look.limit)


def _delete_events(transaction: Transaction, gone: list[int]) -> None:
    for destination, state in transaction.execute(
        "DELETE FROM deliveries WHERE event = ANY(%s) RETURNING destination, state", (gone,)
    ).fetchall():
        transaction.counts["deliveries", destination, state] -= 1
    event_names.delete_event_names(transaction, gone)
    transaction.execute(f"{KEEP_KNOWN} FROM events WHERE number = ANY(%s) {KNOWN}", (gone,))
    for event_type, is_fresh in transaction.execute(
        "DELETE FROM events WHERE number = ANY(%s) RETURNING event_type, duplicate_of IS NULL", (gone,)
    ).fetchall():
        transaction.counts["events", event_type, "fresh" if is_fresh else "duplicate"] -= 1


KEEP_KNOWN = """
    INSERT INTO purged_events
    SELECT number, id, origin, event_type, order_id, value, currency, webhook, mapping, rank, duplicate_of, created_at
"""
KNOWN = "AND length(claims) > 0 ON CONFLICT DO NOTHING"
"""What later webhooks of a conversion ask for, without anything of a person."""


def _purge_webhooks(transaction: Transaction, look: _Look) -> tuple[int, int | None]:
    """Completed webhooks whose events are purged."""
    rows = select(
        transaction.db,
        """
        SELECT number, received_at <= %(before)s,
            state = 'received' OR EXISTS (SELECT 1 FROM events WHERE events.webhook = w.number)
        FROM webhooks AS w WHERE number > %(after)s AND number < %(below)s
        ORDER BY number LIMIT %(limit)s FOR UPDATE OF w SKIP LOCKED
        """,
        _before(transaction, look.keeping.events) | {"after": look.after, "limit": look.limit},
    )
    gone = [number for number, is_old, is_needed in rows if is_old and not is_needed]
    for source, state in transaction.execute(
        "DELETE FROM webhooks WHERE number = ANY(%s) RETURNING source, state", (gone,)
    ).fetchall():
        transaction.counts["webhooks", source, state] -= 1
    for table, column in (("waiting", "webhook"), ("revisits", "webhook"), ("rescued", "number")):
        transaction.execute(f"DELETE FROM {table} WHERE {column} = ANY(%s)", (gone,))  # noqa: S608  tables of ours
    return len(gone), _next_number(rows, look.limit)


def _purge_bodies(transaction: Transaction, look: _Look) -> tuple[int, int | None]:
    """Parcels of which no webhook is needed: now, after a remedy of its mapping, or when its sale is told.

    They are locked first: whoever replays a webhook meanwhile locks its parcel, too.
    """
    if look.after == 0:
        _purge_rescued(transaction, look)
    values = _before(transaction, look.keeping.bodies) | {"after": look.after, "limit": look.limit}
    found = select(
        transaction.db,
        """
        SELECT number, octet_length(packed) FROM parcels WHERE number > %(after)s AND number < %(below)s
        ORDER BY number LIMIT %(limit)s FOR UPDATE SKIP LOCKED
        """,
        values,
    )
    needed = _needed_among(transaction, [number for number, _ in found], before=values["before"])
    rows: list[tuple[int, ...]] = [(number, number not in needed, length) for number, length in found]
    gone: list[int] = []
    size = 0
    for number, is_old, length in rows:
        if is_old:
            if gone and size + length > STEP_BYTES:
                transaction.execute("DELETE FROM parcels WHERE number = ANY(%s)", (gone,))
                return len(gone), number - 1
            gone.append(number)
            size += length
    transaction.execute("DELETE FROM parcels WHERE number = ANY(%s)", (gone,))
    return len(gone), _next_number(rows, look.limit)


def _needed_among(transaction: Transaction, numbers: list[int], *, before: int) -> set[int]:
    """Those of some parcels of which a webhook is needed, or has no row yet, and those too young.

    The last ones where time is the callers', and of what was moved here from SQLite: their numbers say no time.
    """
    queries = [
        "SELECT parcel FROM unapplied WHERE parcel = ANY(%(n)s)",
        f"SELECT parcel FROM ({NEEDED}) AS w WHERE parcel = ANY(%(n)s)",  # noqa: S608  webhooks as parcels.py has them
    ]
    by_row = numbers if transaction.by_caller else [number for number in numbers if number < DRAWN_FROM]
    queries.append("SELECT parcel FROM webhooks WHERE parcel = ANY(%(by_row)s) AND received_at > %(before)s")
    rows = select(transaction.db, " UNION ".join(queries), {"n": numbers, "by_row": by_row, "before": before})
    return {parcel for (parcel,) in rows}


def _purge_rescued(transaction: Transaction, look: _Look) -> None:
    """Bodies that were rescued for a webhook that does not need them any more."""
    transaction.execute(
        """
        DELETE FROM rescued AS r WHERE number < %(below)s AND NOT EXISTS (
            SELECT 1 FROM webhooks AS w WHERE w.number = r.number AND (
                state IN ('received', 'set_aside') OR EXISTS (SELECT 1 FROM revisits WHERE webhook = w.number)
                OR (w.number < %(drawn_from)s AND w.received_at > %(before)s)
            )
        )
        """,
        _before(transaction, look.keeping.bodies) | {"drawn_from": DRAWN_FROM},
    )


def _purge_attempts(transaction: Transaction, look: _Look) -> tuple[int, int | None]:
    """Attempts as old as events may be: of a delivery that is still pending the later ones stay."""
    rows = select(
        transaction.db,
        """
        SELECT number, started_at <= %(before)s FROM attempts WHERE number > %(after)s AND number < %(below)s
        ORDER BY number LIMIT %(limit)s
        """,
        _before(transaction, look.keeping.events) | {"after": look.after, "limit": look.limit},
    )
    gone = [number for number, is_old in rows if is_old]
    transaction.execute("DELETE FROM attempts WHERE number = ANY(%s)", (gone,))
    return len(gone), _next_number(rows, look.limit)


def _purge_ledger(transaction: Transaction, look: _Look) -> tuple[int, int | None]:
    return _purge_keys(transaction, "ledger", look.keeping.ledger, look.limit * LEDGER_ROWS)


def _purge_idempotency(transaction: Transaction, look: _Look) -> tuple[int, int | None]:
    return _purge_keys(transaction, "idempotency", REQUESTS, look.limit)


def _purge_aliases(transaction: Transaction, look: _Look) -> tuple[int, int | None]:
    return _purge_keys(transaction, "aliases", look.keeping.ledger, look.limit)


def _purge_keys(transaction: Transaction, table: str, kept_for: timedelta, limit: int) -> tuple[int, int | None]:
    """Old keys of a table, those that nobody else has locked."""
    values = _before(transaction, kept_for) | {"limit": limit}
    keys = select(
        transaction.db,
        f"SELECT key FROM {table} WHERE at <= %(before)s LIMIT %(limit)s FOR UPDATE SKIP LOCKED",  # noqa: S608  ours
        values,
    )
    gone = transaction.execute(
        f"DELETE FROM {table} WHERE key = ANY(%(keys)s) AND at <= %(before)s",  # noqa: S608  ours
        values | {"keys": to_keys(key for (key,) in keys)},
    )
    return gone.rowcount, 1 if len(keys) == limit else None


def _purge_known(transaction: Transaction, look: _Look) -> tuple[int, int | None]:
    """What is known of purged events and of conversions that were not told, when the ledger forgets them, too."""
    values = _before(transaction, look.keeping.ledger) | {"limit": look.limit}
    taken = 0
    for table in ("purged_events", "remembered"):
        taken += transaction.execute(
            f"""
            DELETE FROM {table} WHERE number IN (
                SELECT number FROM {table} WHERE created_at <= %(before)s AND number < %(below)s
                ORDER BY number LIMIT %(limit)s
            )
            """,  # noqa: S608  tables of ours
            values,
        ).rowcount
    rows = select(
        transaction.db,
        """
        SELECT number, lends FROM remembered WHERE created_at <= %(before)s AND number < %(below)s
        AND number > %(after)s AND substr(lends, 1, 14) <> '{"properties":'::bytea ORDER BY number LIMIT %(limit)s
        """,
        _before(transaction, look.keeping.events) | {"after": look.after, "limit": look.limit},
    )
    for number, lends in rows:
        transaction.execute("UPDATE remembered SET lends = %s WHERE number = %s", (lends_without_person(lends), number))
    return taken, rows[-1][0] if len(rows) == look.limit else None


def _purge_counts(transaction: Transaction, _look: _Look) -> tuple[int, int | None]:
    """Counts of names that are not used any more."""
    transaction.execute("DELETE FROM counts WHERE n = 0")
    return 0, None


def _purge_coverage(transaction: Transaction, look: _Look) -> tuple[int, int | None]:
    """The counts of days whose events are purged."""
    before = from_ms(transaction.at - to_ms_up(look.keeping.events))
    coverage.forget_outcomes(transaction, before=before)
    quarters.forget_quarters(transaction, before=before)
    counts.forget_received(transaction, before=before)
    followers.forget_followers(transaction, below=_before(transaction, look.keeping.events)["below"])
    return 0, None


def _hash_names(transaction: Transaction, look: _Look) -> tuple[int, int | None]:
    """Hash the e-mails and orders of events that are new since the last sweep, so that `find` finds them at any age."""
    below = read_horizon(transaction.db)
    more = event_names.hash_some_names(transaction, below=below, limit=look.limit * NAMED_ROWS)
    return 0, 1 if more else None


_STEPS: dict[str, _Step] = {
    "events": _purge_events,
    "webhooks": _purge_webhooks,
    "bodies": _purge_bodies,
    "attempts": _purge_attempts,
    "ledger": _purge_ledger,
    "idempotency": _purge_idempotency,
    "known": _purge_known,
    "aliases": _purge_aliases,
    "counts": _purge_counts,
    "coverage": _purge_coverage,
    "names": _hash_names,
}
_ORDER = tuple(_STEPS)


def _next_number(rows: list[tuple[int, ...]], limit: int) -> int | None:
    """Returns the last number read; None at the table's end, or if all rows were young: later rows are younger."""
    return rows[-1][0] if len(rows) == limit and any(row[1] for row in rows) else None
