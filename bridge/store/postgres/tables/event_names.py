"""By what events are found at any age: keyed hashes of the e-mail, the order id and the order's name.

Not written when an event is made, but some events at a time by the sweep that purges, on one node at a time. `find`
reads the texts of the newest events that no sweep has looked at yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from bridge.store.codec.name_hashes import hash_event_names, hash_word
from bridge.store.postgres.db.arrays import to_arrays
from bridge.store.postgres.db.transaction import Transaction, select

_READ_KEY = "SELECT key, last_event FROM names_key"
_TO_HASH = "SELECT number, text, order_id FROM events WHERE number > %s AND number < %s ORDER BY number LIMIT %s"


def hash_some_names(transaction: Transaction, *, below: int, limit: int) -> bool:
    """Hash the names of the next events; returns whether there may be more.

    No event with a number below `below` may be committed any more. Who renews the names of an event waits meanwhile.
    """
    for key, last in select(transaction.db, f"{_READ_KEY} FOR UPDATE SKIP LOCKED"):  # none where another node is at it
        rows = select(transaction.db, _TO_HASH, (last, below, limit))
        _insert_names(transaction, key, rows)
        if rows:
            transaction.execute("UPDATE names_key SET last_event = %s", (rows[-1][0],))
        return len(rows) == limit
    return False


def renew_event_names(transaction: Transaction, number: int, text: bytes, *, order_id: str | None) -> None:
    """Hash the names of an event whose text this transaction has replaced, unless a sweep will do that."""
    for key, last in select(transaction.db, f"{_READ_KEY} FOR SHARE"):
        if number <= last:
            delete_event_names(transaction, [number])
            _insert_names(transaction, key, [(number, text, order_id)])


def delete_event_names(transaction: Transaction, numbers: Sequence[int]) -> None:
    """Delete the names of events that go."""
    if numbers:
        transaction.execute(
            "DELETE FROM event_names WHERE event BETWEEN %s AND %s AND event = ANY(%s)",
            (min(numbers), max(numbers), list(numbers)),
        )


def find_events_named(db: psycopg.Connection[Any], words: Sequence[str], *, most: int) -> set[int]:
    """The newest events of the people and orders that these texts name, among those that were hashed."""
    names = {one for key, _ in select(db, _READ_KEY) for word in words for one in hash_word(key, word)}
    rows = select(
        db,
        "SELECT event FROM event_names WHERE name = ANY(%s) ORDER BY event DESC LIMIT %s",
        (list(names), most),
    )
    return {event for (event,) in rows}


def count_unhashed(db: psycopg.Connection[Any], *, most: int) -> int:
    """How many events no sweep has looked at yet, counted up to `most`."""
    [(count,)] = select(
        db,
        "SELECT count(*) FROM (SELECT 1 FROM events WHERE number > (SELECT last_event FROM names_key) LIMIT %s) AS new",
        (most,),
    )
    return int(count)


def _insert_names(transaction: Transaction, key: bytes, events: Sequence[tuple[Any, ...]]) -> None:
    """Insert the hashes of events, given number, text and order id of each; in the order of the index."""
    names = sorted(
        (name, number) for number, text, order_id in events for name in hash_event_names(key, text, order_id=order_id)
    )
    if names:
        transaction.execute(
            "INSERT INTO event_names SELECT * FROM unnest(%s::bigint[], %s::bigint[]) ON CONFLICT DO NOTHING",
            to_arrays(names, "bigint", "bigint"),
        )
