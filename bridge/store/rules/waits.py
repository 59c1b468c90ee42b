"""How long a webhook waits for a richer one, and how its wait is told: the same in every engine."""

from __future__ import annotations

from bridge.core.model import EventNeeded

AFTER_RICHER_MS = 1_000
"""How much later than a richer webhook a decision is taken that waits for it."""


def waiting_reason(wanting: EventNeeded, *, event_type: str) -> str:
    """Why a webhook is still received; `event_type` is that of the event it waits for, as the engine can keep it."""
    if wanting.lends is not None:
        return f"waits whether a richer webhook tells it, until {wanting.until:%Y-%m-%dT%H:%M:%SZ}"
    return f"waits for {event_type} until {wanting.until.isoformat(timespec='seconds')}"
