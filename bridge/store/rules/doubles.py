"""Which events may tell one payment, and what is noted at both."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from bridge.core import json_text
from bridge.core.json_text import Json
from bridge.core.model import Event

_POSSIBLE = "possible_double: "
"""How the note begins of an event that may tell the same payment as another: no webhook links the two."""
_CERTAIN = "double: "
"""How the note begins of an event that tells the same payment as another, as a later webhook says."""
WITHIN = timedelta(minutes=15)
"""How far apart two webhooks of one payment are at most, by the provider's clock."""
MOST_LIKE_IT = 40
"""Events of one value in that time that are looked at, the newest: where they are more, a value tells nothing."""
_SALES = frozenset({"purchase", "subscription"})


def possible_note(other: str) -> str:
    """The note at an event that may tell the same payment as the event with the id `other`."""
    return f"{_POSSIBLE}{other} may tell the same payment; no webhook links the two"


def certain_note(other: str) -> str:
    """The note at an event that tells the same payment as another one."""
    return f"{_CERTAIN}{other} tells the same payment"


def is_certain(notes: Iterable[str]) -> bool:
    """Whether one of these notes says that the event tells the same payment as another."""
    return any(one.startswith(_CERTAIN) for one in notes)


def is_like(event: Event, event_type: str) -> bool:
    """Whether an event of that type may tell the same payment, by its type."""
    return event.event_type == event_type or {event.event_type, event_type} <= _SALES


def people_of(text: bytes) -> set[tuple[str, str]]:
    """What names the person of an event."""
    document = json_text.parse_json(text)
    about: Json = document.get("user_data") or {}
    named = {"user_id": document.get("user_id"), "email": about.get("email"), "phone": about.get("phone")}
    return {(kind, value.lower()) for kind, value in named.items() if isinstance(value, str)}
