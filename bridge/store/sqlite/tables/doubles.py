"""Payments that were told twice, or may have been: notes at both events. Nothing else changes.

Webhooks of one payment are joined by the keys that they share. Where those that came share none, each is told; that the
two are of one source, of one person, of one value and of one quarter of an hour is what remains to be noted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from bridge.core.model import Event
from bridge.store.codec.columns import from_ms, pack_json, to_ms, to_ms_up, unpack_list
from bridge.store.rules.doubles import MOST_LIKE_IT, WITHIN, certain_note, is_certain, is_like, people_of, possible_note
from bridge.store.rules.status_limits import MOST_DOUBTED
from bridge.store.sqlite.db import bulk
from bridge.store.sqlite.tables import ledger
from bridge.store.status_views import DoubtedEvent


def note_possible_doubles(db: sqlite3.Connection, told: Iterable[tuple[int, str, Event]]) -> None:
    """Note at each of these events, given by number and id, and at those like it, that both may be one payment."""
    for number, name, event in told:
        for other, other_name in _events_like(db, number, event):
            _add_note(db, number, possible_note(other_name))
            _add_note(db, other, possible_note(name))


def note_doubles(db: sqlite3.Connection, aliases: Sequence[tuple[bytes, bytes]]) -> None:
    """Note at the events where two keys, of which a webhook says that one belongs to the other, lead to two events."""
    mine = _told_events(db, [key for key, _ in aliases])
    others = _told_events(db, [key for _, key in aliases])
    for one, name in mine.items():
        for other, other_name in others.items():
            if one != other:
                _add_note(db, one, certain_note(other_name))
                _add_note(db, other, certain_note(name))


def newest_doubted(db: sqlite3.Connection) -> tuple[DoubtedEvent, ...]:
    """The newest events with such a note."""
    rows = db.execute(
        """
        SELECT id, origin, notes, created_at FROM events WHERE instr(notes, 'double: ') > 0
        ORDER BY number DESC LIMIT ?
        """,
        (MOST_DOUBTED,),
    )
    return tuple(
        DoubtedEvent(name, origin, from_ms(at), is_certain=is_certain(unpack_list(notes)))
        for name, origin, notes, at in rows
    )


def _events_like(db: sqlite3.Connection, number: int, event: Event) -> list[tuple[int, str]]:
    """The told events of richer or poorer webhooks of the same source, value, person and time: numbers and ids."""
    people = people_of(event.text)
    if event.value is None or not people:
        return []
    at, span = to_ms(event.occurred_at), to_ms_up(WITHIN)
    rows = db.execute(
        """
        SELECT number, id, event_type, text FROM (
            SELECT * FROM events WHERE value = ? AND occurred_at BETWEEN ? AND ? AND rank > 0
            ORDER BY occurred_at DESC LIMIT ?
        ) WHERE rank <> ? AND origin = ? AND currency IS ? AND test = ? AND number <> ? AND duplicate_of IS NULL
        """,
        (
            event.value, at - span, at + span, MOST_LIKE_IT,
            event.rank, event.origin, event.currency, event.test, number,
        ),
    ).fetchall()  # fmt: skip
    return [(other, name) for other, name, kind, text in rows if is_like(event, kind) and people & people_of(text)]


def _told_events(db: sqlite3.Connection, keys: Sequence[bytes]) -> dict[int, str]:
    """The kept events that these keys lead to: of a duplicate its original. Ids by number."""
    rows = bulk.select_keys(
        db,
        "SELECT first.number, first.id FROM events AS one "
        "JOIN events AS first ON first.number = coalesce(one.duplicate_of, one.number) WHERE one.number",
        sorted({number for number, _ in ledger.find_keys(db, keys).values() if number > 0}),
    )
    return dict(rows)


def _add_note(db: sqlite3.Connection, number: int, note: str) -> None:
    row = db.execute("SELECT notes FROM events WHERE number = ?", (number,)).fetchone()
    notes = unpack_list(row[0])
    if note not in notes:
        db.execute("UPDATE events SET notes = ? WHERE number = ?", (pack_json([*notes, note]), number))
