"""Changes kept events at a person's request, by the same rules in every engine: a duplicate is told, keys change hands.

`remap_events.py` decides what a mended mapping makes of events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from bridge.core import dedupe_keys
from bridge.core.model import Accepted, Event, Route, Routed
from bridge.store.rules.event_decisions import FoundOriginal, LedgerEntry, NewEvent
from bridge.store.rules.order_counts import next_count


class RepeatedEvent(NamedTuple):
    """A duplicate of an event: its number, its id, its webhook's number and its conversion keys."""

    number: int
    id: str
    webhook: int | None
    claims: tuple[bytes, ...]


class ChangeableEvents(Protocol):
    """What an engine does with events that it has, within one transaction. `at` is its time."""

    at: int

    def find_keys(self, keys: Sequence[bytes]) -> Mapping[bytes, LedgerEntry]:
        """The entry of each key that the ledger knows."""
        ...

    def add_keys(self, keys: Sequence[bytes], number: int) -> None:
        """Let keys of the ledger lead to an event, or have a count."""
        ...

    def remove_keys(self, keys: Sequence[bytes]) -> None:
        """Forget keys of the ledger."""
        ...

    def make_due(self, keys: Sequence[bytes]) -> None:
        """Make webhooks due that wait for one of these keys."""
        ...

    def find_original(self, made: NewEvent, held: Mapping[bytes, int]) -> FoundOriginal:
        """The event that one would repeat of those that hold its keys."""
        ...

    def insert_event(self, made: NewEvent) -> Accepted:
        """Insert an event by the rules for new ones."""
        ...

    def insert_deliveries(self, number: int, routes: Sequence[Route]) -> None:
        """Insert deliveries of an event."""
        ...

    def delete_deliveries(self, number: int) -> None:
        """Delete deliveries that were never attempted; those that were skipped or dead are no longer counted so."""
        ...

    def delete_event(self, number: int) -> None:
        """Delete an event, which is no longer counted."""
        ...

    def overwrite_event(self, number: int, event: Event, *, called: str) -> None:
        """Write what an event says over, its type, too; it keeps the id that it goes by."""
        ...

    def write_keys(self, number: int, event: Event) -> None:
        """Write which conversion keys an event has, and by which mapping."""
        ...

    def write_notes(self, number: int, notes: Sequence[str]) -> None:
        """Write the notes of an event."""
        ...

    def read_notes(self, number: int) -> tuple[str, ...]:
        """The notes of an event."""
        ...

    def read_claims(self, numbers: Sequence[int]) -> Mapping[int, tuple[bytes, ...]]:
        """The conversion keys of events; those that were purged are left out."""
        ...

    def read_dedupes(self, number: int) -> int:
        """How many of an event's keys are dedupe keys."""
        ...

    def read_repeats(self, number: int) -> Sequence[RepeatedEvent]:
        """The duplicates of an event, oldest first."""
        ...

    def move_repeats(self, number: int, original: int) -> None:
        """Make the duplicates of an event duplicates of another one."""
        ...

    def set_original(self, number: int, original: int | None, *, differs: bool) -> None:
        """Make an event a duplicate of another one; None: of none."""
        ...

    def set_count(self, number: int, of_order: int | None) -> None:
        """Write which one of its order an event is."""
        ...

    def count_event(self, event_type: str, state: str, by: int) -> None:
        """Count events of a type, `fresh` or `duplicate`."""
        ...

    def count_told(self, number: int) -> None:
        """Count the match keys of an event that is told now."""
        ...


def release_duplicate(kept: ChangeableEvents, one: Routed, event_type: str, claims: tuple[bytes, ...]) -> None:
    """Tell a duplicate as a conversion of its own; keys that other events hold stay theirs."""
    held = find_holders(kept, claims, but=one.event.number)
    tell_duplicate(kept, one.event.number, event_type, [key for key in claims if key not in held], one.routes)


def tell_duplicate(
    kept: ChangeableEvents, number: int, event_type: str, own: Sequence[bytes], routes: Sequence[Route]
) -> None:
    """Make a duplicate an event of its own, with these keys and deliveries."""
    kept.set_original(number, None, differs=False)
    kept.count_event(event_type, "duplicate", -1)
    kept.count_event(event_type, "fresh", 1)
    count_of_order(kept, number, own)
    kept.add_keys(own, number)
    kept.make_due(own)
    kept.insert_deliveries(number, routes)
    kept.count_told(number)


def count_of_order(kept: ChangeableEvents, number: int, own: Sequence[bytes]) -> None:
    """Write down which one of its order it is, as is done for a new event."""
    keys = kept.read_claims([number])[number]
    order = (keys[kept.read_dedupes(number) :] or keys)[-1:]  # the order id's key may be a dedupe key itself
    for key in order:
        count_key = dedupe_keys.order_count_key(key)
        before, _ = kept.find_keys([count_key]).get(count_key, (None, 0))
        count = next_count(before, is_held=key not in own)
        if count is not None:
            kept.set_count(number, count)
            kept.add_keys([count_key], count)


def find_holders(kept: ChangeableEvents, keys: Sequence[bytes], *, but: int) -> Mapping[bytes, int]:
    """Returns the event that holds each key. A key leads to an event, too, that took it from a duplicate of its own.

    Such a key was never the event's: the duplicate had it by the mapping's mistake, and may be none.
    """
    entries = {key: number for key, (number, _) in kept.find_keys(keys).items() if number > 0 and number != but}
    claims = kept.read_claims(sorted(set(entries.values())))
    return {key: number for key, number in entries.items() if number not in claims or key in claims[number]}
