"""Inserts events, from webhooks and from callers. What becomes of each is decided in `rules/event_decisions.py`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import count

from bridge.core.model import Accepted, Event
from bridge.store.codec.columns import to_ms
from bridge.store.rules.event_decisions import EVENT_COLUMNS, EventDecisions, FoundOriginal, NewEvent, accepted_answer
from bridge.store.rules.event_ids import event_id_keys, number_of
from bridge.store.rules.originals import OriginalEvent, purged_original_id
from bridge.store.sqlite.db import bulk
from bridge.store.sqlite.tables import coverage, doubles, earlier_versions, event_ids, originals, recall_waits
from bridge.store.sqlite.tables import ledger as recent
from bridge.store.sqlite.tables.new_deliveries import insert_deliveries


def find_known_event(db: sqlite3.Connection, event: Event) -> Accepted | None:
    """The answer for an event that was inserted before; None where it was not."""
    keys = event_id_keys(event)
    number = number_of(recent.find_keys(db, keys), keys)
    return None if number is None else _repeat_answer(db, event, number)


def _repeat_answer(db: sqlite3.Connection, event: Event, number: int) -> Accepted:
    """Returns the answer that was given when the event with this number was inserted."""
    row = db.execute(
        """
        SELECT first.id, first.duplicate_of, original.id FROM events AS first
        LEFT JOIN events AS original ON original.number = first.duplicate_of WHERE first.number = ?
        """,
        (number,),
    ).fetchone()
    if row is None:
        return accepted_answer(event, event_ids.after_purge(db, event, number), None)
    called, first, original = row
    return accepted_answer(event, called, None if first is None else original or purged_original_id(first))


def insert_events(db: sqlite3.Connection, made: Sequence[NewEvent], *, since: datetime) -> tuple[Accepted, ...]:
    """Insert events by the rules, each unless it is known, all of them in a few statements.

    Only ledger entries newer than `since` make an event a duplicate or an id taken.
    """
    if not made:
        return ()
    decisions = EventDecisions(_KeptEvents(db, made), made, to_ms(since))
    accepted = decisions.decide_all()
    bulk.insert_rows(db, f"events ({EVENT_COLUMNS})", decisions.rows)
    recent.add_entries(db, [(key, number, at) for key, (number, at) in decisions.entries.items()])
    recall_waits.make_due(db, decisions.conversion_keys)
    insert_deliveries(db, decisions.deliveries)
    coverage.count_match_keys(db, decisions.told)
    doubles.note_possible_doubles(db, decisions.doubtful)
    return accepted


def find_original(
    db: sqlite3.Connection, made: NewEvent, held: Mapping[bytes, int], *, since: datetime
) -> FoundOriginal:
    """The event that one would repeat of those that hold its keys, as if it were inserted."""
    return EventDecisions(_KeptEvents(db, [made]), [made], to_ms(since)).find_original(made.routed.event, held)


class _KeptEvents:
    """What the store knows of its events, a `bridge.store.rules.event_decisions.KeptEvents`."""

    def __init__(self, db: sqlite3.Connection, made: Sequence[NewEvent]) -> None:
        self._db = db
        self.former_origins: Mapping[str, set[str]] = event_ids.former_origins(
            db, list({one.routed.event.id for one in made})
        )
        self.last_earlier_webhook = earlier_versions.last_of_earlier_versions(db)
        self.numbers: Iterator[int] = count(bulk.last_number(db, "events") + 1)

    def find_keys(self, keys: Sequence[bytes]) -> dict[bytes, tuple[int, int]]:
        return recent.find_keys(self._db, keys)

    def has_aliases(self) -> bool:
        return recall_waits.has_aliases(self._db)

    def find_aliases(self, keys: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        return recall_waits.find_aliases(self._db, keys)

    def read_original(self, number: int, event: Event) -> OriginalEvent:
        return originals.read_original(self._db, number, event)

    def repeat_answer(self, event: Event, number: int) -> Accepted:
        return _repeat_answer(self._db, event, number)

    def claim_earlier(self, event: Event) -> int | None:
        return earlier_versions.claim_earlier_event(self._db, event)
