"""The id of an event: the one that it was given, or another one if that names another event already.

The ledger knows each event by the id that it was given, within the scope or the source that gave it, and by the id that
goes upstream. An event's own id is read from its row, or from the ledger when the row was purged.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from bridge import contract
from bridge.core import dedupe_keys
from bridge.core.model import Event

MOST_DERIVED = 8
"""Derived ids that are tried. Anybody can derive them and use them beforehand, thousands of them, and each that is
tried takes a look into the ledger while nothing else is written. By chance not even the first is taken."""


class EventIdKeys(NamedTuple):
    """The ledger's keys of the id that an event was given.

    `own` within its scope or source; `former` as a version kept it that knew the ids of each API key apart (of a source
    it is the same); `upstream` as the id of anybody's event.
    """

    own: bytes
    former: bytes
    upstream: bytes


def event_id_keys(event: Event) -> EventIdKeys:
    """The keys by which the ledger knows an event."""
    own = dedupe_keys.event_key(_scope_of(event), event.id)
    former = dedupe_keys.event_key(event.origin, event.id) if event.id_scope else own
    return EventIdKeys(own, former, dedupe_keys.upstream_id_key(event.id))


def number_of(entries: Mapping[bytes, tuple[int, int]], keys: EventIdKeys) -> int | None:
    """Returns the number of the known event with this id in this scope, by ledger entries; None if there is none."""
    found = entries.get(keys.own) or entries.get(keys.former)
    return found[0] if found else None


def other_free_id(event: Event, *, is_taken: Callable[[str, bytes], bool]) -> str:
    """Returns the first other possible id of an event that names none yet, by the id and its key in the ledger.

    If all that are tried are taken, it is a random one. The event is recognised by the id that it was given, as any
    other; only a store that was restored from an older copy gives it another id, and once its row was purged, the
    answer to it names the id that it was given.
    """
    for name in other_ids_of(event):
        if not is_taken(name, dedupe_keys.upstream_id_key(name)):
            return name
    return f"evt_{secrets.token_hex(12)}"


def ledger_entries(event: Event, called: str, keys: EventIdKeys) -> tuple[bytes, ...]:
    """The ledger keys of a new event with the id `called`; with a made id, the event is known by both ids."""
    if called == event.id:
        return keys.own, keys.upstream
    return keys.own, dedupe_keys.event_key(_scope_of(event), called), dedupe_keys.upstream_id_key(called)


def keys_of_id(name: str, *, origin: str) -> tuple[bytes, bytes]:
    """The ledger keys of an event that a source made with this id."""
    return dedupe_keys.event_key(origin, name), dedupe_keys.upstream_id_key(name)


def _scope_of(event: Event) -> str:
    return event.id_scope or event.origin


def other_ids_of(event: Event) -> Iterator[str]:
    """The ids that an event may get if its own names another one, in the order in which they are tried."""
    return islice(contract.other_ids(_scope_of(event), event.id), MOST_DERIVED)
