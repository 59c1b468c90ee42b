"""What people change of kept events in PostgreSQL: a `bridge.store.rules.event_changes.ChangeableEvents`.

What the ledger has to know is collected and written at the end, in the order of the keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bridge.core.model import Accepted, Event, Route
from bridge.store.codec.columns import join_keys, pack_json, split_keys, unpack_list
from bridge.store.postgres.admin import rewrite
from bridge.store.postgres.db.texts import maybe_server_text, server_text
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.postgres.tables import coverage, events, recall_waits
from bridge.store.postgres.tables.coverage import EndedDelivery
from bridge.store.postgres.tables.followers import renew_followers
from bridge.store.postgres.tables.ledger import Ledger
from bridge.store.rules.event_changes import RepeatedEvent
from bridge.store.rules.event_decisions import CountedEvent, FoundOriginal, LedgerEntry, NewEvent


@dataclass(slots=True)
class PostgresEventChanges:
    """The tables of one transaction. Only ledger entries newer than `since` make an event a duplicate."""

    transaction: Transaction
    since: int
    at: int = field(init=False)
    ledger: Ledger = field(init=False)
    woken: list[tuple[bytes, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.at = self.transaction.at
        self.ledger = Ledger(self.transaction)

    def write_all(self) -> None:
        """Write the ledger, and make due what waited for its new keys."""
        self.ledger.write_all()
        recall_waits.make_due(self.transaction, self.woken)

    def find_keys(self, keys: Sequence[bytes]) -> Mapping[bytes, LedgerEntry]:
        """The entry of each key that the ledger knows."""
        return self.ledger.find_keys(keys)

    def add_keys(self, keys: Sequence[bytes], number: int) -> None:
        """Let keys of the ledger lead to an event, or have a count."""
        self.ledger.add_entries([(key, number, self.at) for key in keys])

    def remove_keys(self, keys: Sequence[bytes]) -> None:
        """Forget keys of the ledger."""
        self.ledger.remove_keys(keys)

    def make_due(self, keys: Sequence[bytes]) -> None:
        """Make webhooks due that wait for one of these keys."""
        self.woken += [(key, self.at) for key in keys]

    def find_original(self, made: NewEvent, held: Mapping[bytes, int]) -> FoundOriginal:
        """The event that one would repeat of those that hold its keys."""
        return events.find_original(self.transaction, self.ledger, made, held, since=self.since)

    def insert_event(self, made: NewEvent) -> Accepted:
        """Insert an event by the rules for new ones."""
        (accepted,), keys = events.insert_events(self.transaction, self.ledger, [made], since=self.since)
        self.woken += keys
        return accepted

    def insert_deliveries(self, number: int, routes: Sequence[Route]) -> None:
        """Insert deliveries of an event."""
        renew_followers(self.transaction, number, routes)
        events.insert_deliveries(self.transaction, [(number, route, self.at) for route in routes])

    def delete_deliveries(self, number: int) -> None:
        """Delete deliveries that were never attempted; those that were skipped or dead are no longer counted so."""
        pending = self.transaction.execute("DELETE FROM outbox WHERE event = %s RETURNING destination", (number,))
        for (destination,) in pending.fetchall():
            self.transaction.counts["deliveries", destination, "pending"] -= 1
        ended = self.transaction.execute(
            "DELETE FROM deliveries WHERE event = %s "
            "RETURNING destination, event_type, state, reason, created_at, ended_at",
            (number,),
        )
        coverage.count_left(self.transaction, [EndedDelivery(*row) for row in ended.fetchall()])

    def delete_event(self, number: int) -> None:
        """Delete an event, which is no longer counted."""
        gone = self.transaction.execute(
            "DELETE FROM events WHERE number = %s RETURNING event_type, duplicate_of", (number,)
        )
        for event_type, original in gone.fetchall():
            self.count_event(event_type, "fresh" if original is None else "duplicate", -1)

    def overwrite_event(self, number: int, event: Event, *, called: str) -> None:
        """Write what an event says over, its type, too; it keeps the id that it goes by."""
        rewrite.overwrite_event(self.transaction, number, event, called=called)
        self._update(number, "event_type = %s, test = %s", server_text(event.event_type), event.test)

    def write_keys(self, number: int, event: Event) -> None:
        """Write which conversion keys an event has, and by which mapping."""
        self._update(
            number, "claims = %s, dedupes = %s, rank = %s, mapping = %s",
            join_keys(event.conversion_keys), event.dedupes, event.rank, maybe_server_text(event.mapping),
        )  # fmt: skip

    def write_notes(self, number: int, notes: Sequence[str]) -> None:
        """Write the notes of an event."""
        self._update(number, "notes = %s", server_text(pack_json(notes)))

    def read_notes(self, number: int) -> tuple[str, ...]:
        """The notes of an event."""
        [(notes,)] = select(self.transaction.db, "SELECT notes FROM events WHERE number = %s", (number,))
        return unpack_list(notes)

    def read_claims(self, numbers: Sequence[int]) -> Mapping[int, tuple[bytes, ...]]:
        """The conversion keys of events; those that were purged are left out."""
        find = "SELECT number, claims FROM events WHERE number = ANY(%s)"
        return {number: split_keys(claims) for number, claims in select(self.transaction.db, find, (list(numbers),))}

    def read_dedupes(self, number: int) -> int:
        """How many of an event's keys are dedupe keys."""
        [(dedupes,)] = select(self.transaction.db, "SELECT dedupes FROM events WHERE number = %s", (number,))
        return int(dedupes)

    def read_repeats(self, number: int) -> Sequence[RepeatedEvent]:
        """The duplicates of an event, oldest first."""
        find = "SELECT number, id, webhook, claims FROM events WHERE duplicate_of = %s ORDER BY number"
        rows = select(self.transaction.db, find, (number,))
        return [RepeatedEvent(other, name, webhook, split_keys(claims)) for other, name, webhook, claims in rows]

    def move_repeats(self, number: int, original: int) -> None:
        """Make the duplicates of an event duplicates of another one."""
        move = "UPDATE events SET duplicate_of = %s WHERE duplicate_of = %s"
        self.transaction.execute(move, (original, number))

    def set_original(self, number: int, original: int | None, *, differs: bool) -> None:
        """Make an event a duplicate of another one; None: of none."""
        self._update(number, "duplicate_of = %s, differs = %s", original, differs)

    def set_count(self, number: int, of_order: int | None) -> None:
        """Write which one of its order an event is."""
        self._update(number, "of_order = %s", of_order)

    def count_event(self, event_type: str, state: str, by: int) -> None:
        """Count events of a type, `fresh` or `duplicate`."""
        self.transaction.counts["events", server_text(event_type), state] += by

    def count_told(self, number: int) -> None:
        """Count the match keys of an event that is told now."""
        find = "SELECT event_type, text FROM events WHERE number = %s AND NOT test"
        told = [CountedEvent(name, text, self.at) for name, text in select(self.transaction.db, find, (number,))]
        coverage.count_match_keys(self.transaction, told)

    def _update(self, number: int, changes: str, *values: object) -> None:
        self.transaction.execute(f"UPDATE events SET {changes} WHERE number = %s", (*values, number))  # noqa: S608  ours
