"""The event that another one repeats: what is known of it, and how a duplicate differs from it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from bridge.core.model import Event

TOO_SHORT = "wait_for_richer was too short: "
"""How the note of an event begins that came after a poorer webhook had told its conversion."""


@dataclass(frozen=True, slots=True)
class OriginalEvent:
    """An event that another one repeats. `mapping` None: a version that did not note it kept the event."""

    number: int
    id: str
    value: str | None
    currency: str | None
    origin: str
    mapping: str | None = None
    rank: int = 0
    duplicate_of: int | None = None

    def is_same_source(self, event: Event) -> bool:
        """Whether both are of one source, or of sources of one mapping."""
        return self.origin == event.origin or (bool(self.mapping) and self.mapping == event.mapping)


def purged_original_id(number: int) -> str:
    """Returns what stands for the id of an original whose row was purged: only the ledger knows its number."""
    return f"gone:{number}"


def notes_of(event: Event, original: OriginalEvent | None) -> tuple[str, ...]:
    """The notes of an event, with one where a poorer webhook has told its conversion already."""
    if original is None or not 0 < original.rank < event.rank:
        return event.notes
    return (*event.notes, f"{TOO_SHORT}a poorer webhook had told it, as {original.id}")


def content_differs(event: Event, original: OriginalEvent) -> bool:
    """Whether a duplicate has another value or currency than its original."""
    return event.currency != original.currency or _amount_of(event.value) != _amount_of(original.value)


def _amount_of(value: str | None) -> Decimal | str | None:
    try:
        return None if value is None else Decimal(value)
    except InvalidOperation:
        return value
