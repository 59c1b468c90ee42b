"""Decides what becomes of events, from webhooks and from callers, by the same rules in every engine.

An event whose id is known in its scope is not made again; one with a conversion key that the ledger knows is kept as a
duplicate, without deliveries; any other is told: its keys are entered in the ledger, and it gets its deliveries.
`event_ids.py` decides about ids.

A key may belong to another one, as a payment intent does to an invoice. What is told under such a key is noted at the
other one, so that a richer webhook that comes too late, the invoice's, is a duplicate of it. The other key does not
lead there: two intents of one invoice are two payments, and the second would be taken for the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from bridge import contract
from bridge.core.dedupe_keys import belonging_key
from bridge.core.model import Accepted, Event, Route, Routed
from bridge.store.codec.columns import join_keys, maybe_text, pack_json, storable_text, to_ms
from bridge.store.rules import event_ids, order_counts, originals
from bridge.store.rules.originals import OriginalEvent

LedgerEntry = tuple[int, int]
"""The number and the time that the ledger has under a key."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to be made: where it goes, when it is made, and the number of the webhook that it comes from."""

    routed: Routed
    at: int
    webhook: int | None = None
    has_waited: bool = False
    """Whether its webhook has deferred to richer ones."""


class CountedEvent(NamedTuple):
    """An event that is told, and no test: what it is, its text, and when it is made."""

    event_type: str
    text: bytes
    at: int


class FoundOriginal(NamedTuple):
    """The event that another one repeats, if any: whether only their order id is the same, and the keys `apart`.

    These are keys of the other one that lead to nothing: what was told belongs to them.
    """

    event: OriginalEvent | None = None
    by_order: bool = False
    apart: Sequence[bytes] = ()


class KeptEvents(Protocol):
    """What an engine knows of the events that it has, read when it is asked.

    `numbers` are those of the events that are made now. `former_origins` are the origins that gave an id in an earlier
    version, which kept ids apart by origin; `last_earlier_webhook` is the number of the last webhook of that time.
    """

    numbers: Iterator[int]
    former_origins: Mapping[str, set[str]]
    last_earlier_webhook: int

    def find_keys(self, keys: Sequence[bytes]) -> dict[bytes, LedgerEntry]:
        """The entry of each key that the ledger knows."""
        ...

    def has_aliases(self) -> bool:
        """Whether any key belongs to another one."""
        ...

    def find_aliases(self, keys: Sequence[bytes]) -> Mapping[bytes, Sequence[bytes]]:
        """The keys that each of these belongs to."""
        ...

    def read_original(self, number: int, event: Event) -> OriginalEvent:
        """The event with this number; of one that was purged without trace, what its duplicate `event` says."""
        ...

    def repeat_answer(self, event: Event, number: int) -> Accepted:
        """The answer that was given when the event with this number was made."""
        ...

    def claim_earlier(self, event: Event) -> int | None:
        """The number of the event by which an earlier version told what a webhook of its time makes now."""
        ...


class EventDecisions:
    """Decides on events in turn: has what the ledger knew before, and what the events before them have added.

    Only entries newer than `since` make an event a duplicate or an id taken. What is to be written is collected.
    """

    def __init__(self, kept: KeptEvents, made: Sequence[NewEvent], since: int) -> None:
        self._kept = kept
        self._made = [(one, event_ids.event_id_keys(one.routed.event)) for one in made]
        self._since = since
        self._ledger = kept.find_keys(
            [key for one, keys in self._made for key in (*keys, *one.routed.event.conversion_keys)]
        )
        counts = [key for one in made for key in order_counts.count_keys(one.routed.event, self._ledger)]
        self._ledger |= kept.find_keys(counts) if counts else {}
        self._belongs_to = self._find_aliases()
        self.owners = [key for each in self._belongs_to.values() for key in each]
        """The keys that keys of the new events belong to: what is told under one meanwhile changes what is decided."""
        self._given = {one.routed.event.id for one in made}
        self._former_origins = kept.former_origins
        self._here: dict[int, tuple[str, Event, OriginalEvent | None]] = {}
        """The new events by number, each with the id it goes by and its original."""
        self.entries: dict[bytes, LedgerEntry] = {}
        """New entries of the ledger."""
        self.rows: list[tuple[object, ...]] = []
        """The new events, with the columns EVENT_COLUMNS."""
        self.deliveries: list[tuple[int, Route, int]] = []
        """Their deliveries: event, route, time."""
        self.conversion_keys: list[tuple[bytes, int]] = []
        """The conversion keys of the new events, also those that the ledger knows, each with the time."""
        self.told: list[CountedEvent] = []
        """The new events that are no duplicates and no tests."""
        self.doubtful: list[tuple[int, str, Event]] = []
        """The new events that no richer webhook was found to tell: by number, id and what they say."""

    def decide_all(self) -> tuple[Accepted, ...]:
        """Decide on each in turn; returns the answers."""
        return tuple([self._decide_one(*one) for one in self._made])

    def _decide_one(self, made: NewEvent, keys: event_ids.EventIdKeys) -> Accepted:
        event = made.routed.event
        known = event_ids.number_of(self._ledger, keys)
        if known is not None:
            return self._as_it_was(event, known)
        held = self._held_keys(event.conversion_keys)
        original, by_order, apart = self.find_original(event, held)
        if original is None:
            original = self._claim_earlier(made)
        called = self._free_id(event, keys)
        number = next(self._kept.numbers)
        of_order = self._count_of_order(event, held, made.at) if original is None else None
        self.rows.append(_event_row(number, made, called, original, of_order))
        self._here[number] = called, event, original
        for key in event_ids.ledger_entries(event, called, keys):
            self._ledger[key] = self.entries[key] = number, made.at
        for key in event.conversion_keys:
            self.conversion_keys.append((key, made.at))
            if key not in held and key not in apart:
                # a duplicate's keys lead to the original, so that later related events find the original; one that only
                # has the same order id keeps its own, which lead there through its row
                holder = original.number if original and not by_order else number
                self._ledger[key] = self.entries[key] = holder, made.at
        if original is None:
            self._note_belonging(event, number, made.at)
            if not event.test:
                self.told.append(CountedEvent(event.event_type, event.text, made.at))
            if made.has_waited and event.rank:
                self.doubtful.append((number, called, event))
            for route in made.routed.routes:
                self.deliveries.append((number, route, made.at))
        return accepted_answer(event, called, original.id if original else None)

    def _count_of_order(self, event: Event, held: Mapping[bytes, int], at: int) -> int | None:
        """Which one of its order and type a told event is: 2, 3, …; None for the first, and where it has no order."""
        count = None
        for key in order_counts.count_keys(event, self._ledger):
            before, counted_at = self._ledger.get(key, (1, 0))
            is_held = any(one in held for one in event.conversion_keys[event.dedupes :])
            count = order_counts.next_count(before if counted_at > self._since else None, is_held=is_held)
            if count is not None:
                self._ledger[key] = self.entries[key] = count, at
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
            entry = self._kept.find_keys([key]).get(key)
        return (entry is not None and entry[1] > self._since) or bool(self._former_origins.get(name, set()) - {origin})

    def _held_keys(self, conversion_keys: Sequence[bytes]) -> dict[bytes, int]:
        """The conversion keys that the ledger knows as told within the window, each with the number of its event."""
        return {
            key: entry[0]
            for key in conversion_keys
            if (entry := self._ledger.get(key)) and entry[1] > self._since and entry[0] > 0
        }

    def find_original(self, event: Event, held: Mapping[bytes, int]) -> FoundOriginal:
        """The event that this one repeats, if it repeats any; `held` has the events that hold its keys.

        The first dedupe key decides; any of them does where the other webhook was richer or poorer, and so does what a
        key belongs to, or what belongs to it. The order id joins events of different mappings and of callers, and
        decides where an event has no other key. Of several the oldest.
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
        linked, apart = ([], []) if same else self._find_linked(event)
        found = min(same or linked or by_order, key=lambda one: one.number, default=None)
        if found is None:
            return FoundOriginal()
        return FoundOriginal(self._follow_original(found, event), not (same or linked) and event.dedupes > 0, apart)

    def _find_aliases(self) -> Mapping[bytes, Sequence[bytes]]:
        """What the dedupe keys of ranked events belong to; reads what the ledger knows of both, too."""
        keys = [key for one, _ in self._made if one.routed.event.rank for key in _dedupes_of(one.routed.event)]
        if not keys or not self._kept.has_aliases():
            return {}
        found = self._kept.find_aliases(keys)
        owners = [key for each in found.values() for key in each]
        self._ledger |= self._kept.find_keys([*owners, *map(belonging_key, (*keys, *owners))])
        return found

    def _find_linked(self, event: Event) -> tuple[list[OriginalEvent], list[bytes]]:
        """What richer and poorer webhooks told of the same payment, as others say; and to which keys that belongs."""
        found: list[OriginalEvent] = []
        apart: list[bytes] = []
        for key in _dedupes_of(event) if event.rank else ():
            mine = self._held_keys([*self._belongs_to.get(key, ()), belonging_key(key)])
            others = [other for each in mine.values() if (other := self._read_original(each, event)).rank != event.rank]
            found += others
            apart += [key] if others and belonging_key(key) in mine else []
        return found, apart

    def _note_belonging(self, event: Event, number: int, at: int) -> None:
        for key in _dedupes_of(event):
            for owner in map(belonging_key, self._belongs_to.get(key, ())):
                if owner not in self._ledger:
                    self._ledger[owner] = self.entries[owner] = number, at

    def _claim_earlier(self, made: NewEvent) -> OriginalEvent | None:
        """What an earlier version told instead of it: only a webhook of its time asks, which is replayed."""
        if not 0 < (made.webhook or 0) <= self._kept.last_earlier_webhook:
            return None
        number = self._kept.claim_earlier(made.routed.event)
        return None if number is None else self._read_original(number, made.routed.event)

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
        return self._kept.read_original(number, event)

    def _as_it_was(self, event: Event, number: int) -> Accepted:
        if number not in self._here:
            return self._kept.repeat_answer(event, number)
        called, _, original = self._here[number]
        return accepted_answer(event, called, original.id if original else None)


def _dedupes_of(event: Event) -> tuple[bytes, ...]:
    return event.conversion_keys[: event.dedupes]


def accepted_answer(given: Event, called: str, original: str | None) -> Accepted:
    """The answer for an event that goes by the id `called` and repeats the event with the id `original`."""
    return Accepted(called, original, given.id if called != given.id else None)


EVENT_COLUMNS = (
    "number, id, origin, event_type, test, text, occurred_at, created_at, order_id, value, currency, notes, hashed, "
    "claims, webhook, duplicate_of, differs, given_id, mapping, rank, dedupes, of_order"
)
"""The columns of an event in every engine."""


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
