"""Whose events there are, by a keyed hash of the e-mail.

Not written when an event is made, which would cost each a twentieth of its time, but some events at a time by the sweep
that purges. `find` reads the texts of the events that no sweep has looked at yet.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence

from bridge.store.codec.person_hashes import KEY_BYTES, hash_event_person, hash_person, names_person
from bridge.store.sqlite.db import bulk


def hash_some_people(db: sqlite3.Connection, *, limit: int) -> bool:
    """Hash the e-mails of the next events; returns whether there may be more."""
    key, last = _read_key(db) or _make_key(db)
    select = "SELECT number, text FROM events WHERE number > ? ORDER BY number LIMIT ?"
    rows = db.execute(select, (last, limit)).fetchall()
    hashed = [(number, hash_event_person(key, text)) for number, text in rows]
    bulk.insert_rows(db, "event_people (event, person)", [one for one in hashed if one[1] is not None])
    if rows:
        db.execute("UPDATE people_key SET last_event = ?", (rows[-1][0],))
    return len(rows) == limit


def renew_event_person(db: sqlite3.Connection, number: int, text: bytes) -> None:
    """Hash the e-mail of an event whose text was replaced."""
    known = _read_key(db)
    if known is None or number > known[1]:
        return
    person = hash_event_person(known[0], text)
    db.execute("DELETE FROM event_people WHERE event = ?", (number,))
    if person is not None:
        db.execute("INSERT INTO event_people VALUES (?, ?)", (number, person))


def find_events_of(db: sqlite3.Connection, words: Sequence[str], *, most: int) -> set[int]:
    """The newest events of the people whom these texts name, among those that were hashed."""
    known = _read_key(db)
    people = [] if known is None else [hash_person(known[0], word) for word in words if names_person(word)]
    found: set[int] = set()
    for person in dict.fromkeys(people):
        rows = db.execute("SELECT event FROM event_people WHERE person = ? ORDER BY event DESC LIMIT ?", (person, most))
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
