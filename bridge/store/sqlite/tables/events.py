"""Inserts events, from webhooks and from callers, by the same rules.

An event whose id is known in its scope is not inserted again; one with a conversion key that the
ledger knows is kept as a duplicate, without deliveries; any other enters its keys in the ledger and gets its
deliveries. `event_ids.py` decides about ids.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from bridge import contract
from bridge.core import dedupe_keys
from bridge.core.conversions import NO_EFFECTS
from bridge.core.errors import IdempotencyConflict
from bridge.core.model import (
    Accepted,
    DeliveryState,
    Event,
    EventNeeded,
    Ignored,
    Kept,
    Route,
    Routed,
    SetAside,
    WebhookState,
)
from bridge.store.protocol import Completed, Idempotency, Outcome
from bridge.store.sqlite.db import bulk
from bridge.store.sqlite.db.columns import join_keys, last_number, maybe_text, pack_json, storable_text, to_ms
from bridge.store.sqlite.tables import conversions, event_ids, originals, recall_waits
from bridge.store.sqlite.tables import ledger as recent
from bridge.store.sqlite.tables.originals import OriginalEvent

AHEAD_MS = 60_000
"""How far the newest delivery's due may be ahead of now and still hold the order: beyond, the clock was set back."""


@dataclass(frozen=True, slots=True)
class TrackRequest:
    """A caller's request: its events, when it arrived, and its Idempotency-Key, if any."""

    events: Sequence[Routed]
    now: datetime
    idempotency: Idempotency | None = None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to be made: where it goes, when it is made, and the number of the webhook that it comes from."""

    routed: Routed
    at: int
    webhook: int | None = None


def complete_webhooks(
    db: sqlite3.Connection, outcomes: Sequence[Outcome], *, now: datetime, since: datetime
) -> tuple[Completed, ...]:
    """Write the outcomes of webhooks. One that is no longer received only gets the answers for its known events."""
    at = to_ms(now)
    received = _still_received(db, [outcome.webhook.number for outcome in outcomes])
    changed = frozenset(received)
    made: list[list[NewEvent]] = []
    left: list[tuple[int, WebhookState, str | None]] = []
    for outcome in outcomes:
        number = outcome.webhook.number
        routed = outcome.result if isinstance(outcome.result, tuple) else ()
        made.append([NewEvent(one, at, number) for one in routed] if number in received else [])
        if number in received and not isinstance(outcome.result, EventNeeded):
            received.discard(number)  # the second time it is here, it is no longer
            left.append((number, *state_of(outcome.result)))
    _set_states(db, left)
    accepted = iter(insert_events(db, [one for each in made for one in each], since=since))
    for number, outcome in zip([one.webhook.number for one in outcomes], outcomes, strict=True):
        if number in changed and outcome.effects is not NO_EFFECTS:
            conversions.apply_effects(db, number, outcome.effects, now=now)
    for outcome in outcomes:  # after the other events of the batch, which may be what they need
        if isinstance(outcome.result, EventNeeded):
            recall_waits.defer_webhook(db, outcome.webhook.number, outcome.result, now=now)
    return tuple(
        Completed(
            Kept(one.webhook.number, is_known=False, source=one.webhook.source, topic=one.webhook.topic),
            tuple(next(accepted) for _ in each) if each else _known_answers(db, one.result),
        )
        for each, one in zip(made, outcomes, strict=True)
    )


def accept_requests(
    db: sqlite3.Connection, asked: Sequence[TrackRequest], *, since: datetime
) -> list[tuple[Accepted, ...] | Exception]:
    """Keep callers' events, or repeat the first answer; returns an answer or an error for each request."""
    answers: list[tuple[Accepted, ...] | Exception] = []
    fresh: list[TrackRequest] = []
    for one in asked:
        if one.idempotency is not None:
            answers += _insert_requests(db, fresh, since=since)  # one of them may have the same key
            fresh = []
            known = _known_answer(db, one.idempotency)
            if known is not None:
                answers.append(known)
                continue
        fresh.append(one)
    return answers + _insert_requests(db, fresh, since=since)


def _insert_requests(
    db: sqlite3.Connection, asked: Sequence[TrackRequest], *, since: datetime
) -> list[tuple[Accepted, ...] | Exception]:
    made = [NewEvent(routed, at) for one in asked for at in (to_ms(one.now),) for routed in one.events]
    accepted = iter(insert_events(db, made, since=since))
    answers: list[tuple[Accepted, ...] | Exception] = []
    for one in asked:
        answer = tuple(islice(accepted, len(one.events)))
        answers.append(answer)
        if one.idempotency is not None:
            packed = json.dumps([(each.event_id, each.duplicate_of, each.given_event_id) for each in answer])
            row = (one.idempotency.key, one.idempotency.body_hash, packed, to_ms(one.now))
            db.execute("INSERT INTO idempotency VALUES (?, ?, ?, ?)", row)
    return answers


def _known_answer(
    db: sqlite3.Connection, idempotency: Idempotency
) -> tuple[Accepted, ...] | IdempotencyConflict | None:
    known = db.execute(
        "SELECT body_hash, answer FROM idempotency WHERE key IN (?, ?)", (idempotency.key, idempotency.former)
    ).fetchone()
    if known is None:
        return None
    if known[0] != idempotency.body_hash:
        return IdempotencyConflict("this Idempotency-Key came with another body before; use a fresh key")
    return tuple(Accepted(*one) for one in json.loads(known[1]))


# ------------------------------------------------------------------------------------------------------- webhooks


def _still_received(db: sqlite3.Connection, numbers: Sequence[int]) -> set[int]:
    rows = db.execute(
        "SELECT number FROM webhooks WHERE state = 'received' AND number IN (SELECT value FROM json_each(?))",
        (json.dumps(numbers),),
    )
    return {number for (number,) in rows.fetchall()}


def state_of(result: tuple[Routed, ...] | Ignored | SetAside) -> tuple[WebhookState, str | None]:
    """Returns the state of a webhook with this outcome, and the reason."""
    match result:
        case Ignored(reason):
            return WebhookState.IGNORED, maybe_text(reason)
        case SetAside(reason):
            return WebhookState.SET_ASIDE, maybe_text(reason)
        case _:
            return WebhookState.TRANSLATED, None


def _set_states(db: sqlite3.Connection, left: Sequence[tuple[int, WebhookState, str | None]]) -> None:
    """Set the states of webhooks, those with the same state and reason in one statement."""
    alike: dict[tuple[WebhookState, str | None], list[int]] = {}
    for number, state, reason in left:
        alike.setdefault((state, reason), []).append(number)
    for (state, reason), numbers in alike.items():
        db.execute(
            """
            UPDATE webhooks SET state = ?, reason = ?, due = NULL WHERE number IN (SELECT value FROM json_each(?))
            """,
            (state.value, reason, json.dumps(numbers)),
        )
    recall_waits.delete_waits(db, [number for number, _, _ in left])


def _known_answers(
    db: sqlite3.Connection, result: tuple[Routed, ...] | Ignored | SetAside | EventNeeded
) -> tuple[Accepted, ...]:
    """Returns the answers for the events of a webhook that was completed before."""
    if not isinstance(result, tuple):
        return ()
    return tuple(_known_event(db, one.event) or Accepted(one.event.id) for one in result)


def _known_event(db: sqlite3.Connection, event: Event) -> Accepted | None:
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
) -> OriginalEvent | None:
    """The event that one would repeat of those that hold its keys, by the rules of an insertion."""
    return _EventInsertion(db, [made], to_ms(since)).find_original(made.routed.event, held)[0]


class _EventInsertion:
    """Inserts events: has what the ledger knew of them before, and what the events before them have added."""

    def __init__(self, db: sqlite3.Connection, made: Sequence[NewEvent], since: int) -> None:
        self._db = db
        self._made = [(one, event_ids.event_id_keys(one.routed.event)) for one in made]
        self._since = since
        self._ledger = recent.find_keys(
            db, [key for one, keys in self._made for key in (*keys, *one.routed.event.conversion_keys)]
        )
        self._given = {one.routed.event.id for one in made}
        self._former_origins = event_ids.former_origins(db, list(self._given))
        self._new: dict[bytes, tuple[int, int]] = {}
        self._number = last_number(db, "events")
        self._here: dict[int, tuple[str, Event, OriginalEvent | None]] = {}
        """The new events by number, each with the id it goes by and its original."""
        self._rows: list[tuple[object, ...]] = []
        self._deliveries: list[tuple[int, Route, int]] = []
        self._conversion_keys: list[tuple[bytes, int]] = []
        """The conversion keys of the new events, also those that the ledger knows, each with the time."""

    def insert_all(self) -> tuple[Accepted, ...]:
        """Decide on each in turn, then write all of it."""
        accepted = tuple([self._decide_one(one, keys) for one, keys in self._made])
        bulk.insert_rows(self._db, f"events ({_ROW})", self._rows)
        recent.add_entries(self._db, [(key, number, at) for key, (number, at) in self._new.items()])
        recall_waits.make_due(self._db, self._conversion_keys)
        insert_deliveries(self._db, self._deliveries)
        return accepted

    def _decide_one(self, made: NewEvent, keys: event_ids.EventIdKeys) -> Accepted:
        event = made.routed.event
        known = event_ids.number_of(self._ledger, keys)
        if known is not None:
            return self._as_it_was(event, known)
        held = self._held_keys(event.conversion_keys)
        original, by_order = self.find_original(event, held) if held else (None, False)
        called = event_ids.first_free_id(event, is_taken=lambda name: self._is_taken(name, origin=event.origin))
        self._number = number = self._number + 1
        self._rows.append(_event_row(number, made, called, original))
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
            for route in made.routed.routes:
                self._deliveries.append((number, route, made.at))
        return _accepted_answer(event, called, original.id if original else None)

    def _is_taken(self, name: str, *, origin: str) -> bool:
        """Whether an id names another event already, by the ledger within the window.

        Or by the row of a former version's event, if another origin gave the id.
        """
        key = dedupe_keys.upstream_id_key(name)
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
    claims, webhook, duplicate_of, differs, given_id, mapping, rank, dedupes
"""


def _event_row(number: int, made: NewEvent, called: str, original: OriginalEvent | None) -> tuple[object, ...]:
    given = made.routed.event
    event = given if called == given.id else contract.rename_event(given, called)
    return (
        number, event.id, event.origin, storable_text(event.event_type), event.test, event.text,
        to_ms(event.occurred_at), made.at,
        maybe_text(event.order_id), event.value, event.currency, pack_json(originals.notes_of(event, original)),
        pack_json(event.hashed),
        join_keys(event.conversion_keys), made.webhook, original.number if original else None,
        original is not None and originals.content_differs(event, original), "" if event is given else given.id,
        given.mapping, given.rank, given.dedupes,
    )  # fmt: skip


# ----------------------------------------------------------------------------------------------------- deliveries


_PENDING = DeliveryState.PENDING.value
_SKIPPED = DeliveryState.SKIPPED.value


def insert_deliveries(db: sqlite3.Connection, wanted: Sequence[tuple[int, Route, int]]) -> None:
    """Insert deliveries, each of an event (by number), by a route, at a time.

    Unless the clock was set back, none is due earlier than one inserted before it for its destination.
    """
    if not wanted:
        return
    before: dict[str, int | None] = dict(db.execute("SELECT destination, last_due FROM standings").fetchall())
    lasts = dict(before)
    rows: list[tuple[object, ...]] = []
    for event, route, at in wanted:
        due = at
        if route.skip is None:
            last_due = lasts.get(route.destination)
            due = last_due if last_due is not None and at < last_due <= at + AHEAD_MS else at
            lasts[route.destination] = due
        state = _PENDING if route.skip is None else _SKIPPED
        rows.append((event, route.destination, state, maybe_text(route.skip), due, at))
    bulk.insert_rows(
        db, "deliveries (event, destination, state, reason, due, created_at)", rows,
        "ON CONFLICT (event, destination) DO NOTHING",
    )  # fmt: skip
    moved = [(name, due) for name, due in lasts.items() if due != before.get(name)]
    bulk.insert_rows(
        db, "standings (destination, last_due)", moved, "ON CONFLICT DO UPDATE SET last_due = excluded.last_due"
    )
