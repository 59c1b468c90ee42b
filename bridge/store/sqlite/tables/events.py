"""Inserts events, from webhooks and from callers, by the same rules.

An event whose id is known in its scope is not inserted again; one with a conversion key that the
ledger knows is kept as a duplicate, without deliveries; any other enters its keys in the ledger and gets its
deliveries. `event_ids.py` decides about ids.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge import contract
from bridge.core.model import (
    Accepted,
    Event,
    Route,
    Routed,
)
from bridge.store.codec.columns import join_keys, maybe_text, pack_json, storable_text, to_ms
from bridge.store.sqlite.db import bulk
from bridge.store.sqlite.tables import (
    coverage,
    doubles,
    earlier_versions,
    event_ids,
    order_counts,
    originals,
    recall_waits,
)
from bridge.store.sqlite.tables import ledger as recent
from bridge.store.sqlite.tables.new_deliveries import insert_deliveries
from bridge.store.sqlite.tables.originals import OriginalEvent


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to be made: where it goes, when it is made, and the number of the webhook that it comes from."""

    routed: Routed
    at: int
    webhook: int | None = None
    has_waited: bool = False
    """Whether its webhook has deferred to richer ones."""


def find_known_event(db: sqlite3.Connection, event: Event) -> Accepted | None:
    """The answer for an event that was inserted before; None where it was not."""
    keys = event_ids.event_id_keys(event)
    number = event_ids.number_of(recent.find_keys(db, keys), keys)
    return None if number is None else _as_it_was(db, event, number)


def _as_it_was(db: sqlite3.Connection, event: Event, number: int) -> Accepted:
    """Returns the answer that was given when the event with this number was inserted."""
    row = db.execute(
        """
        SELECT first.id, first.duplicate_of, original.id FROM events AS first
        LEFT JOIN events AS original ON original.number = first.duplicate_of WHERE first.number = ?
        """,
        (number,),
    ).fetchone()
    if row is None:
        return _accepted_answer(event, event_ids.after_purge(db, event, number), None)
    called, first, original = row
    return _accepted_answer(event, called, None if first is None else original or originals.purged_original_id(first))


def _accepted_answer(given: Event, called: str, original: str | None) -> Accepted:
    return Accepted(called, original, given.id if called != given.id else None)


# --------------------------------------------------------------------------------------------------------- events


def insert_events(db: sqlite3.Connection, made: Sequence[NewEvent], *, since: datetime) -> tuple[Accepted, ...]:
    """Insert events by the rules, each unless it is known, all of them in a few statements.

    Only ledger entries newer than `since` make an event a duplicate or an id taken.
    """
    return _EventInsertion(db, made, to_ms(since)).insert_all() if made else ()


def find_original(
    db: sqlite3.Connection, made: NewEvent, held: Mapping[bytes, int], *, since: datetime
) -> tuple[OriginalEvent | None, bool]:
    """The event that one would repeat of those that hold its keys, and whether by the order id only: as inserted."""
    return _EventInsertion(db, [made], to_ms(since)).find_original(made.routed.event, held)


class _EventInsertion:
    """Inserts events: has what the ledger knew of them before, and what the events before them have added."""

    def __init__(self, db: sqlite3.Connection, made: Sequence[NewEvent], since: int) -> None:
        self._db = db
        self._made = [(one, event_ids.event_id_keys(one.routed.event)) for one in made]
        self._since = since
        self._ledger = recent.find_keys(
            db, [key for one, keys in self._made for key in (*keys, *one.routed.event.conversion_keys)]
        )
        counts = [key for one in made for key in order_counts.count_keys(one.routed.event, self._ledger)]
        self._ledger |= recent.find_keys(db, counts) if counts else {}
        self._given = {one.routed.event.id for one in made}
        self._former_origins = event_ids.former_origins(db, list(self._given))
        self._new: dict[bytes, tuple[int, int]] = {}
        self._earlier = earlier_versions.last_of_earlier_versions(db)
        self._number = bulk.last_number(db, "events")
        self._here: dict[int, tuple[str, Event, OriginalEvent | None]] = {}
        """The new events by number, each with the id it goes by and its original."""
        self._rows: list[tuple[object, ...]] = []
        self._deliveries: list[tuple[int, Route, int]] = []
        self._conversion_keys: list[tuple[bytes, int]] = []
        """The conversion keys of the new events, also those that the ledger knows, each with the time."""
        self._told: list[coverage.CountedEvent] = []
        """The new events that are no duplicates and no tests."""
        self._doubtful: list[tuple[int, str, Event]] = []
        """The new events that no richer webhook was found to tell: by number, id and what they say."""

    def insert_all(self) -> tuple[Accepted, ...]:
        """Decide on each in turn, then write all of it."""
        accepted = tuple([self._decide_one(*one) for one in self._made])
        bulk.insert_rows(self._db, f"events ({_ROW})", self._rows)
        recent.add_entries(self._db, [(key, number, at) for key, (number, at) in self._new.items()])
        recall_waits.make_due(self._db, self._conversion_keys)
        insert_deliveries(self._db, self._deliveries)
        coverage.count_match_keys(self._db, self._told)
        doubles.note_possible_doubles(self._db, self._doubtful)
        return accepted

    def _decide_one(self, made: NewEvent, keys: event_ids.EventIdKeys) -> Accepted:
        event = made.routed.event
        known = event_ids.number_of(self._ledger, keys)
        if known is not None:
            return self._as_it_was(event, known)
        held = self._held_keys(event.conversion_keys)
        original, by_order = self.find_original(event, held) if held else (None, False)
        if original is None and 0 < (made.webhook or 0) <= self._earlier:
            original = self._claim_earlier(event)
        called = self._free_id(event, keys)
        self._number = number = self._number + 1
        of_order = self._count_of_order(event, held, made.at) if original is None else None
        self._rows.append(_event_row(number, made, called, original, of_order))
        self._here[number] = called, event, original
        for key in event_ids.ledger_entries(event, called, keys):
            self._ledger[key] = self._new[key] = number, made.at
        for key in event.conversion_keys:
            self._conversion_keys.append((key, made.at))
            if key not in held:
                # a duplicate's keys lead to the original, so that later related events find the original; one that only
                # has the same order id keeps its own, which lead there through its row
                self._ledger[key] = self._new[key] = original.number if original and not by_order else number, made.at
        if original is None:
            if not event.test:
                self._told.append(coverage.CountedEvent(event.event_type, event.text, made.at))
            if made.has_waited and event.rank:
                self._doubtful.append((number, called, event))
            for route in made.routed.routes:
                self._deliveries.append((number, route, made.at))
        return _accepted_answer(event, called, original.id if original else None)

    def _count_of_order(self, event: Event, held: Mapping[bytes, int], at: int) -> int | None:
        """Which one of its order and type a told event is: 2, 3, …; None for the first, and where it has no order."""
        count = None
        for key in order_counts.count_keys(event, self._ledger):
            before, counted_at = self._ledger.get(key, (1, 0))
            is_held = any(one in held for one in event.conversion_keys[event.dedupes :])
            count = order_counts.next_count(before if counted_at > self._since else None, is_held=is_held)
            if count is not None:
                self._ledger[key] = self._new[key] = count, at
        return count

    def _free_id(self, event: Event, keys: event_ids.EventIdKeys) -> str:
        if not self._is_taken(event.id, keys.upstream, origin=event.origin):
            return event.id
        return event_ids.other_free_id(event, is_taken=lambda *one: self._is_taken(*one, origin=event.origin))

    def _is_taken(self, name: str, key: bytes, *, origin: str) -> bool:
        """Whether an id names another event already, by its key in the ledger within the window.

        Or by the row of a former version's event, if another origin gave the id.
        """
        entry = self._ledger.get(key)
        if entry is None and name not in self._given:  # those that were given have been looked for
            entry = recent.find_keys(self._db, [key]).get(key)
        return (entry is not None and entry[1] > self._since) or bool(self._former_origins.get(name, set()) - {origin})

    def _held_keys(self, conversion_keys: Sequence[bytes]) -> dict[bytes, int]:
        """The conversion keys that the ledger knows as told within the window, each with the number of its event."""
        return {
            key: entry[0]
            for key in conversion_keys
            if (entry := self._ledger.get(key)) and entry[1] > self._since and entry[0] > 0
        }

    def find_original(self, event: Event, held: Mapping[bytes, int]) -> tuple[OriginalEvent | None, bool]:
        """The event that this one repeats, if it repeats any, and whether only their order id is the same.

        The first dedupe key decides; any of them does where the other webhook was richer or poorer. The order id joins
        events of different mappings and of callers, and decides where an event has no other key. Of several the oldest.
        """
        same, by_order = [], []
        for place, key in enumerate(event.conversion_keys):
            if key not in held:
                continue
            other = self._read_original(held[key], event)
            if place >= event.dedupes:
                by_order += [other] if event.dedupes == 0 or not other.is_same_source(event) else []
            elif place == 0 or other.rank != event.rank:
                same.append(other)
        found = min(same or by_order, key=lambda one: one.number, default=None)
        if found is None:
            return None, False
        return self._follow_original(found, event), not same and event.dedupes > 0

    def _claim_earlier(self, event: Event) -> OriginalEvent | None:
        """What an earlier version told instead of it: only a webhook of its time asks, which is replayed."""
        number = earlier_versions.claim_earlier_event(self._db, event)
        return None if number is None else self._read_original(number, event)

    def _follow_original(self, other: OriginalEvent, event: Event) -> OriginalEvent:
        """The event that is told; `other` may be a duplicate of it itself."""
        return other if other.duplicate_of is None else self._read_original(other.duplicate_of, event)

    def _read_original(self, number: int, event: Event) -> OriginalEvent:
        if number in self._here:
            called, first, original = self._here[number]
            return OriginalEvent(
                number, called, first.value, first.currency, first.origin, first.mapping, first.rank,
                original.number if original else None,
            )  # fmt: skip
        return originals.read_original(self._db, number, event)

    def _as_it_was(self, event: Event, number: int) -> Accepted:
        if number not in self._here:
            return _as_it_was(self._db, event, number)
        called, _, original = self._here[number]
        return _accepted_answer(event, called, original.id if original else None)


_ROW = """
    number, id, origin, event_type, test, text, occurred_at, created_at, order_id, value, currency, notes, hashed,
    claims, webhook, duplicate_of, differs, given_id, mapping, rank, dedupes, of_order
"""


def _event_row(
    number: int, made: NewEvent, called: str, original: OriginalEvent | None, of_order: int | None
) -> tuple[object, ...]:
    given = made.routed.event
    event = given if called == given.id else contract.rename_event(given, called)
    return (
        number, event.id, event.origin, storable_text(event.event_type), event.test, event.text,
        to_ms(event.occurred_at), made.at,
        maybe_text(event.order_id), event.value, event.currency, pack_json(originals.notes_of(event, original)),
        pack_json(event.hashed),
        join_keys(event.conversion_keys), made.webhook, original.number if original else None,
        original is not None and originals.content_differs(event, original), "" if event is given else given.id,
        given.mapping, given.rank, given.dedupes, of_order,
    )  # fmt: skip
