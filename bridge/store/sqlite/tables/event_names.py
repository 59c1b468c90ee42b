"""By what events are found at any age: keyed hashes of the e-mail, the order id and the order's name.

Not written when an event is made, which would cost each a twentieth of its time, but some events at a time by the sweep
that purges. `find` reads the texts of the events that no sweep has looked at yet.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence

from bridge.store.codec.name_hashes import KEY_BYTES, hash_event_names, hash_word
from bridge.store.sqlite.db import bulk


def hash_some_names(db: sqlite3.Connection, *, limit: int) -> bool:
    """Hash the names of the next events; returns whether there may be more."""
    key, last = _read_key(db) or _make_key(db)
    select = "SELECT number, text, order_id FROM events WHERE number > ? ORDER BY number LIMIT ?"
    rows = db.execute(select, (last, limit)).fetchall()
    hashed = [(number, one) for number, text, order in rows for one in hash_event_names(key, text, order_id=order)]
    bulk.insert_rows(db, "event_names (event, name)", hashed)
    if rows:
        db.execute("UPDATE people_key SET last_event = ?", (rows[-1][0],))
    return len(rows) == limit


def renew_event_names(db: sqlite3.Connection, number: int, text: bytes, *, order_id: str | None) -> None:
    """Hash the names of an event whose text was replaced."""
    known = _read_key(db)
    if known is None or number > known[1]:
        return
    db.execute("DELETE FROM event_names WHERE event = ?", (number,))
    names = hash_event_names(known[0], text, order_id=order_id)
    bulk.insert_rows(db, "event_names (event, name)", [(number, one) for one in names])


def find_events_named(db: sqlite3.Connection, words: Sequence[str], *, most: int) -> set[int]:
    """The newest events of the people and orders that these texts name, among those that were hashed."""
    known = _read_key(db)
    names = set() if known is None else {one for word in words for one in hash_word(known[0], word)}
    found: set[int] = set()
    for name in names:
        rows = db.execute("SELECT event FROM event_names WHERE name = ? ORDER BY event DESC LIMIT ?", (name, most))
        found |= {row[0] for row in rows}
    return found


def count_unhashed(db: sqlite3.Connection) -> int:
    """How many numbers of events no sweep has looked at yet."""
    known = _read_key(db)
    return max(0, bulk.last_number(db, "events") - (known[1] if known else 0))


def _read_key(db: sqlite3.Connection) -> tuple[bytes, int] | None:
    row = db.execute("SELECT key, last_event FROM people_key").fetchone()
    return (bytes(row[0]), row[1]) if row else None


def _make_key(db: sqlite3.Connection) -> tuple[bytes, int]:
    made = secrets.token_bytes(KEY_BYTES)
    db.execute("INSERT INTO people_key VALUES (1, ?, 0)", (made,))
    return made, 0
