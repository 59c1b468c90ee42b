"""What names the events of one webhook: an id that is the same whenever the webhook is translated again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from bridge import contract
from bridge.core import dedupe_keys
from bridge.core.model import Webhook


class EventName(msgspec.Struct, frozen=True):
    """What names and dates an event beside its own fields."""

    received_at: datetime
    default_id: str
    dedupes: tuple[str, ...]


class EventNames:
    """Names the events of one webhook of the source `source`, in the order in which they are made."""

    def __init__(self, source: str, webhook: Webhook) -> None:
        self._source = source
        self._webhook = webhook
        self._taken: set[tuple[str, str]] = set()
        self._counts: dict[str, int] = {}

    def next_name(self, event_type: str, *, given: str | None, dedupes: Sequence[str]) -> EventName:
        """The next event's name. `given` tells it apart from the others of its type; else its number does."""
        webhook = self._webhook
        return EventName(
            received_at=webhook.received_at,
            dedupes=tuple(dedupes),
            default_id=contract.derived_id(
                received_at=webhook.received_at,
                source=self._source,
                webhook_id=dedupe_keys.webhook_keys(webhook)[0].hex(),
                event_type=event_type,
                key=self._next_key(event_type, given),
            ),
        )

    def _next_key(self, event_type: str, given: str | None) -> str:
        ordinal = self._counts.get(event_type, 0)
        self._counts[event_type] = ordinal + 1
        key = given if given is not None else str(ordinal)
        if (event_type, key) in self._taken:
            key = f"{key}#{ordinal}"
        self._taken.add((event_type, key))
        return key
