"""Inserts events, from webhooks and from callers. What becomes of each is decided in `rules/event_decisions.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bridge.core import dedupe_keys
from bridge.core.model import Accepted, Event, Route
from bridge.store.postgres.db.arrays import to_arrays, to_numbers
from bridge.store.postgres.db.texts import maybe_server_text, server_text
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.postgres.tables import coverage, doubles, earlier_versions, recall_waits
from bridge.store.postgres.tables.coverage import EndedDelivery
from bridge.store.postgres.tables.days import DRAWN_FROM
from bridge.store.postgres.tables.followers import insert_followers
from bridge.store.postgres.tables.ledger import Ledger
from bridge.store.rules.event_decisions import EVENT_COLUMNS, EventDecisions, FoundOriginal, NewEvent, accepted_answer
from bridge.store.rules.event_ids import event_id_keys, number_of, other_ids_of
from bridge.store.rules.originals import OriginalEvent, purged_original_id

_TYPES = (
    "bigint", "text", "text", "text", "boolean", "bytea", "bigint", "bigint", "text", "text", "text", "text", "text",
    "bytea", "bigint", "bigint", "boolean", "text", "text", "int", "int", "int",
)  # fmt: skip
_INSERT = f"INSERT INTO events ({EVENT_COLUMNS}) SELECT * FROM unnest({', '.join(f'%s::{one}[]' for one in _TYPES)})"  # noqa: S608  ours
_EVENT_TYPE, _DUPLICATE_OF = 3, 15
"""Places in a row of EVENT_COLUMNS."""


def find_known_event(transaction: Transaction, ledger: Ledger, event: Event) -> Accepted | None:
    """The answer for an event that was inserted before; None where it was not."""
    keys = event_id_keys(event)
    number = number_of(ledger.find_keys(keys), keys)
    return None if number is None else _ServerEvents(transaction, ledger, 0).repeat_answer(event, number)


def insert_events(
    transaction: Transaction, ledger: Ledger, made: Sequence[NewEvent], *, since: int
) -> tuple[tuple[Accepted, ...], list[tuple[bytes, int]]]:
    """Insert events by the rules, each unless it is known, all of them in a few statements.

    Only ledger entries newer than `since` make an event a duplicate or an id taken. Returns the answers, and the
    conversion keys that the new events have, each with its time: what waits for one is due once the ledger has it.
    """
    if not made:
        return (), []
    kept = _ServerEvents(transaction, ledger, len(made))
    if any(0 < (one.webhook or 0) < DRAWN_FROM for one in made):  # webhooks that SQLite gave their numbers
        kept.last_earlier_webhook = earlier_versions.last_of_earlier_versions(transaction)
    decisions = EventDecisions(kept, made, since)
    accepted = decisions.decide_all()
    ledger.add_entries([(key, number, at) for key, (number, at) in decisions.entries.items()])
    ledger.await_keys(decisions.owners)
    if decisions.rows:
        transaction.execute(_INSERT, to_arrays(decisions.rows, *_TYPES))
    for row in decisions.rows:
        kind = "fresh" if row[_DUPLICATE_OF] is None else "duplicate"
        transaction.counts["events", str(row[_EVENT_TYPE]), kind] += 1
    coverage.count_match_keys(transaction, decisions.told)
    doubles.note_possible_doubles(transaction, decisions.doubtful)
    types = {int(str(row[0])): str(row[_EVENT_TYPE]) for row in decisions.rows}
    insert_deliveries(transaction, decisions.deliveries, types=types)
    return accepted, decisions.conversion_keys


def find_original(
    transaction: Transaction, ledger: Ledger, made: NewEvent, held: Mapping[bytes, int], *, since: int
) -> FoundOriginal:
    """The event that one would repeat of those that hold its keys, as if it were inserted."""
    decisions = EventDecisions(_ServerEvents(transaction, ledger, 0), [made], since)
    return decisions.find_original(made.routed.event, held)


def insert_deliveries(
    transaction: Transaction, wanted: Sequence[tuple[int, Route, int]], *, types: Mapping[int, str] | None = None
) -> None:
    """Insert deliveries, each of an event (by number), by a route, at a time; skipped ones have ended already.

    `types` are those of the events, where the caller has them.
    """
    types = _read_types(transaction, {event for event, _, _ in wanted}) if types is None else types
    routes = {(event, route.destination): (route, at) for event, route, at in reversed(wanted)}
    pending: list[tuple[object, ...]] = []
    skipped: list[tuple[object, ...]] = []
    numbers = iter(transaction.draw_numbers(len(routes)))
    for (event, destination), (route, at) in reversed(routes.items()):
        name = server_text(destination)
        if route.skip is None:
            pending.append((next(numbers), event, name, at, at, types[event]))
            transaction.counts["deliveries", name, "pending"] += 1
        else:
            skipped.append((next(numbers), event, name, maybe_server_text(route.skip), at, at, types[event]))
            coverage.count_reached(transaction, [EndedDelivery(name, types[event], "skipped", route.skip, at, at)])
    insert_followers(transaction, [(event, route) for (event, _), (route, _) in routes.items() if route.follows])
    if pending:
        transaction.execute(
            "INSERT INTO outbox (number, event, destination, due, created_at, event_type) "
            "SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::text[])",
            to_arrays(pending, "bigint", "bigint", "text", "bigint", "bigint", "text"),
        )
    if skipped:
        transaction.execute(
            """
            INSERT INTO deliveries (
                number, event, destination, state, reason, attempts, created_at, ended_at, event_type
            )
            SELECT number, event, destination, 'skipped', reason, 0, at, ended_at, event_type FROM unnest(
                %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::text[]
            ) AS new (number, event, destination, reason, at, ended_at, event_type)
            """,
            to_arrays(skipped, "bigint", "bigint", "text", "text", "bigint", "bigint", "text"),
        )


def _read_types(transaction: Transaction, events: set[int]) -> dict[int, str]:
    query = "SELECT number, event_type FROM events WHERE number = ANY(%s)"
    return dict(select(transaction.db, query, (to_numbers(events),)))


class _ServerEvents:
    """What the store knows of its events, a `bridge.store.rules.event_decisions.KeptEvents`.

    With the keys of the events that are made the events that hold them are read: one question for all of them.
    """

    former_origins: Mapping[str, set[str]] = {}
    last_earlier_webhook: int = 0

    def __init__(self, transaction: Transaction, ledger: Ledger, count: int) -> None:
        self._transaction = transaction
        self._ledger = ledger
        self._originals: dict[int, OriginalEvent] = {}
        self._purged: dict[int, OriginalEvent] = {}
        self.numbers = iter(transaction.draw_numbers(count))

    def find_keys(self, keys: Sequence[bytes]) -> dict[bytes, tuple[int, int]]:
        """The entry of each key that the ledger knows."""
        found = self._ledger.find_keys(keys)
        self._read_originals({number for number, _ in found.values() if number > 0})
        return found

    def has_aliases(self) -> bool:
        """Whether any key belongs to another one."""
        return recall_waits.has_aliases(self._transaction.db)

    def find_aliases(self, keys: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        """The keys that each of these belongs to."""
        return recall_waits.find_aliases(self._transaction.db, keys)

    def read_original(self, number: int, event: Event) -> OriginalEvent:
        """The event with this number; of one that is not there, what its duplicate `event` says."""
        if number not in self._originals:
            self._read_originals({number})
        found = self._originals.get(number) or self._read_purged(number)
        return found or OriginalEvent(number, purged_original_id(number), event.value, event.currency, event.origin)

    def _read_purged(self, number: int) -> OriginalEvent | None:
        if number not in self._purged:
            rows = select(
                self._transaction.db,
                """
                SELECT value, currency, origin, mapping, rank, duplicate_of FROM purged_events WHERE number = %s
                """,
                (number,),
            )
            for row in rows:
                self._purged[number] = OriginalEvent(number, purged_original_id(number), *row)
        return self._purged.get(number)

    def repeat_answer(self, event: Event, number: int) -> Accepted:
        """The answer that was given when the event with this number was made."""
        if number not in self._originals:
            self._read_originals({number})
        first = self._originals.get(number)
        if first is None:
            return accepted_answer(event, self._id_after_purge(event, number), None)
        if first.duplicate_of is None:
            return accepted_answer(event, first.id, None)
        return accepted_answer(event, first.id, self.read_original(first.duplicate_of, event).id)

    def claim_earlier(self, event: Event) -> int | None:
        """The number of the event that an earlier version made on SQLite."""
        return earlier_versions.claim_earlier_event(self._transaction, event)

    def _id_after_purge(self, event: Event, number: int) -> str:
        """The id of an event whose row was purged: the first that the ledger has under its number."""
        for name in (event.id, *other_ids_of(event)):
            key = dedupe_keys.upstream_id_key(name)
            entry = self._ledger.find_keys([key]).get(key)
            if entry is None:
                break
            if entry[0] == number:
                return name
        return event.id

    def _read_originals(self, numbers: set[int]) -> None:
        unread = numbers - self._originals.keys()
        if not unread:
            return
        rows: list[tuple[Any, ...]] = select(
            self._transaction.db,
            """
            SELECT number, id, value, currency, origin, mapping, rank, duplicate_of FROM events
            WHERE number = ANY(%(numbers)s)
            OR number IN (SELECT duplicate_of FROM events WHERE number = ANY(%(numbers)s) AND duplicate_of IS NOT NULL)
            """,
            {"numbers": to_numbers(unread)},
        )
        self._originals |= {row[0]: OriginalEvent(*row) for row in rows}
