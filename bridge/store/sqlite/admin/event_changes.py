"""What people change of kept events in SQLite: a `bridge.store.rules.event_changes.ChangeableEvents`."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bridge.core.model import Accepted, Event, Route
from bridge.store.codec.columns import join_keys, pack_json, split_keys, storable_text, to_ms, unpack_list
from bridge.store.rules.event_changes import RepeatedEvent
from bridge.store.rules.event_decisions import CountedEvent, FoundOriginal, LedgerEntry, NewEvent
from bridge.store.sqlite.admin import rewrite
from bridge.store.sqlite.db import bulk
from bridge.store.sqlite.tables import coverage, ledger, recall_waits
from bridge.store.sqlite.tables import events as making
from bridge.store.sqlite.tables.followers import renew_followers
from bridge.store.sqlite.tables.new_deliveries import insert_deliveries


@dataclass(slots=True)
class SqliteEventChanges:
    """The tables of one transaction."""

    db: sqlite3.Connection
    now: datetime
    since: datetime
    at: int = field(init=False)

    def __post_init__(self) -> None:
        self.at = to_ms(self.now)

    def find_keys(self, keys: Sequence[bytes]) -> Mapping[bytes, LedgerEntry]:
        """The entry of each key that the ledger knows."""
        return ledger.find_keys(self.db, keys)

    def add_keys(self, keys: Sequence[bytes], number: int) -> None:
        """Let keys of the ledger lead to an event, or have a count."""
        ledger.add_entries(self.db, [(key, number, self.at) for key in keys])

    def remove_keys(self, keys: Sequence[bytes]) -> None:
        """Forget keys of the ledger."""
        ledger.remove_keys(self.db, keys)

    def make_due(self, keys: Sequence[bytes]) -> None:
        """Make webhooks due that wait for one of these keys."""
        recall_waits.make_due(self.db, [(key, self.at) for key in keys])

    def find_original(self, made: NewEvent, held: Mapping[bytes, int]) -> FoundOriginal:
        """The event that one would repeat of those that hold its keys."""
        return making.find_original(self.db, made, held, since=self.since)

    def insert_event(self, made: NewEvent) -> Accepted:
        """Insert an event by the rules for new ones."""
        (accepted,) = making.insert_events(self.db, [made], since=self.since)
        return accepted

    def insert_deliveries(self, number: int, routes: Sequence[Route]) -> None:
        """Insert deliveries of an event."""
        renew_followers(self.db, number, routes)
        insert_deliveries(self.db, [(number, route, self.at) for route in routes])

    def delete_deliveries(self, number: int) -> None:
        """Delete deliveries that were never attempted; those that were skipped or dead are no longer counted so."""
        self.db.execute("UPDATE deliveries SET state = 'pending' WHERE event = ?", (number,))
        self.db.execute("DELETE FROM deliveries WHERE event = ?", (number,))

    def delete_event(self, number: int) -> None:
        """Delete an event, which is no longer counted."""
        self.db.execute("DELETE FROM events WHERE number = ?", (number,))  # a trigger counts it

    def overwrite_event(self, number: int, event: Event, *, called: str) -> None:
        """Write what an event says over, its type, too; it keeps the id that it goes by."""
        rewrite.overwrite_event(self.db, number, event, called=called)
        self.db.execute(
            "UPDATE events SET event_type = ?, test = ? WHERE number = ?",
            (storable_text(event.event_type), event.test, number),
        )

    def write_keys(self, number: int, event: Event) -> None:
        """Write which conversion keys an event has, and by which mapping."""
        self.db.execute(
            "UPDATE events SET claims = ?, dedupes = ?, rank = ?, mapping = ? WHERE number = ?",
            (join_keys(event.conversion_keys), event.dedupes, event.rank, event.mapping, number),
        )

    def write_notes(self, number: int, notes: Sequence[str]) -> None:
        """Write the notes of an event."""
        self.db.execute("UPDATE events SET notes = ? WHERE number = ?", (pack_json(notes), number))

    def read_notes(self, number: int) -> tuple[str, ...]:
        """The notes of an event."""
        (notes,) = self.db.execute("SELECT notes FROM events WHERE number = ?", (number,)).fetchone()
        return unpack_list(notes)

    def read_claims(self, numbers: Sequence[int]) -> Mapping[int, tuple[bytes, ...]]:
        """The conversion keys of events; those that were purged are left out."""
        rows = bulk.select_keys(self.db, "SELECT number, claims FROM events WHERE number", numbers)
        return {number: split_keys(claims) for number, claims in rows}

    def read_dedupes(self, number: int) -> int:
        """How many of an event's keys are dedupe keys."""
        dedupes: int = self.db.execute("SELECT dedupes FROM events WHERE number = ?", (number,)).fetchone()[0]
        return dedupes

    def read_repeats(self, number: int) -> Sequence[RepeatedEvent]:
        """The duplicates of an event, oldest first."""
        rows = self.db.execute(
            "SELECT number, id, webhook, claims FROM events WHERE duplicate_of = ? ORDER BY number", (number,)
        )
        return [RepeatedEvent(other, name, webhook, split_keys(claims)) for other, name, webhook, claims in rows]

    def move_repeats(self, number: int, original: int) -> None:
        """Make the duplicates of an event duplicates of another one."""
        self.db.execute("UPDATE events SET duplicate_of = ? WHERE duplicate_of = ?", (original, number))

    def set_original(self, number: int, original: int | None, *, differs: bool) -> None:
        """Make an event a duplicate of another one; None: of none."""
        self.db.execute("UPDATE events SET duplicate_of = ?, differs = ? WHERE number = ?", (original, differs, number))

    def set_count(self, number: int, of_order: int | None) -> None:
        """Write which one of its order an event is."""
        self.db.execute("UPDATE events SET of_order = ? WHERE number = ?", (of_order, number))

    def count_event(self, event_type: str, state: str, by: int) -> None:
        """Count events of a type, `fresh` or `duplicate`."""
        self.db.execute(
            "INSERT INTO counts VALUES ('events', ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
            (event_type, state, by),
        )

    def count_told(self, number: int) -> None:
        """Count the match keys of an event that is told now."""
        told = self.db.execute("SELECT event_type, text FROM events WHERE number = ? AND NOT test", (number,))
        coverage.count_match_keys(self.db, [CountedEvent(name, text, self.at) for name, text in told])
