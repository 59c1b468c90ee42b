"""A test event for one destination: the request that it would get, and what its answer means. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridge import contract
from bridge.core.delivery import Delivered, Delivery, Outcome, Outgoing
from bridge.core.json_text import Json
from bridge.core.model import Event
from bridge.destinations.protocol import Destination
from bridge.destinations.tools.described import describe_outcome, describe_unsent

TEST_EVENT = "test event"
"""Why a destination that takes real events skips one that is a test."""


@dataclass(frozen=True, slots=True)
class TrialAnswer:
    """What became of a request: its status, None for no answer; what the answer means; its beginning, no secrets."""

    status: int | None
    outcome: Outcome
    answer: str

    @property
    def is_delivered(self) -> bool:
        """Whether the destination took the event."""
        return isinstance(self.outcome, Delivered)

    @property
    def words(self) -> str:
        """What the answer means, in few words."""
        told = describe_outcome(self.outcome)
        return told if isinstance(told, str) else join_words(told)


def make_event(event_type: str, *, now: datetime, test: bool, nonce: str) -> Event:
    """An invented event of that type. Raises NotAnEvent for a type that cannot be."""
    document: dict[str, Json] = {
        "event_type": event_type,
        "properties": {"order_id": f"TEST-{nonce}", "value": 12.34, "currency": "EUR"},
        "user_data": {"email": "test@example.com"},
        "test": test,
    }
    return contract.validate_event(
        document, origin="console", scope="", received_at=now, default_id=f"evt_test{nonce}", dedupe=()
    )


def make_trial_request(destination: Destination, event: Event, *, now: datetime) -> Outgoing | str:
    """The request that carries this event alone; or why there is none."""
    delivery = Delivery(0, destination.name, event.id, event.text, 0)
    [made] = destination.make_requests([delivery], now=now)
    if isinstance(made, Outgoing):
        return made
    [told] = describe_unsent(made)
    return join_words(told)


def join_words(told: Json) -> str:
    """What became of an event, as `rejected: why`."""
    if isinstance(told, dict):
        return "; ".join(f"{word}: {text}" for word, text in told.items())
    return ", ".join(map(str, told)) if isinstance(told, list) else str(told)
