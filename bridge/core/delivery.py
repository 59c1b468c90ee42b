"""The nouns of what goes out: a delivery, a request, its answer, and how an attempt ended. All are frozen values.

Nouns that are made in great numbers are structs, as in `model.py`. Instants are aware UTC datetimes named `…_at`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import msgspec

from bridge.core.access_token import RotatingTokenSource, TokenSource
from bridge.core.mapping_text import MappingText


class DeliveryState(StrEnum):
    """The state of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    SKIPPED = "skipped"
    DEAD = "dead"


class FollowedEvent(msgspec.Struct, frozen=True):
    """What a store knows, for one destination, of the event that another follows, as a refund follows its purchase.

    `state` is that of its delivery there, None where it was never routed there or is not kept any more; `due` and
    `delivered_at` are that delivery's, `note` is what its answer left. `of_order` is how many of its order and type
    were told. `told` is the sum of the values of those that follow it and were delivered, `is_busy` whether another
    one that follows it may be under way. `verdict` is "" where the platform said later that it took it, why not where
    it did not, None where that is not known. `own_value` and `own_currency` are the follower's,
    `since` is when its delivery was made.
    """

    event_type: str = ""
    state: DeliveryState | None = None
    note: str | None = None
    due: datetime | None = None
    delivered_at: datetime | None = None
    value: str | None = None
    currency: str | None = None
    of_order: int = 1
    told: Decimal = Decimal(0)
    is_busy: bool = False
    verdict: str | None = None
    own_value: str | None = None
    own_currency: str | None = None
    since: datetime | None = None


class Delivery(msgspec.Struct, frozen=True):
    """One event to one destination, claimed for an attempt. `number`'s public form is `dlv_<number>`.

    `attempts` counts the attempts so far that count, `revision` how often the event was written over. `tried_for` is
    how long it was tried, without pauses. `together`: so many may share a request while a refused batch is halved.
    `of_order`: which one the event is of those of its order and type that were told, 1 for the first.
    `followed` is the event that its event follows, where its destination asked the store for it.
    """

    number: int
    destination: str
    event_id: str
    text: bytes
    attempts: int
    tried_for: timedelta = timedelta()
    together: int | None = None
    revision: int = 0
    of_order: int = 1
    followed: FollowedEvent | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One HTTP request that a destination wants made, and the deliveries it carries.

    `secrets` are names and values of what must not be kept of an answer that repeats it, beside the Authorization
    header. At most `most_answer` bytes of the answer are read.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    deliveries: tuple[Delivery, ...]
    method: str = "POST"
    secrets: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    most_answer: int = 64 * 1024
    token_source: TokenSource | RotatingTokenSource | None = field(default=None, repr=False)
    """Where the access token comes from that the request needs."""
    made_by: MappingText | None = field(default=None, repr=False)
    """The destination file that made it; None for a kind that has none."""


@dataclass(frozen=True, slots=True)
class Unsent:
    """Deliveries that a destination wants no request for now, and what becomes of each: skipped, dead, or later."""

    deliveries: tuple[Delivery, ...]
    updates: tuple[DeliveryUpdate, ...]


@dataclass(frozen=True, slots=True)
class Response:
    """What an upstream answered: status, lower-case headers, and the beginning of its body as text.

    `status` is None where there was no answer; `failure` then names the cause (`no connection`,
    `timeout`, …), and `sent` whether the request may have been taken all the same. `cut` is whether there was more of
    the body than `text`.
    """

    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    failure: str | None = None
    sent: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Delivered:
    """The upstream took all of it. `note` is what it said of that, such as the number it gave the request."""

    note: str | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The destination refuses what was sent: sending the same again would not help."""

    reason: str


@dataclass(frozen=True, slots=True)
class Retryable:
    """Not now: the upstream is busy, broken or out of reach. `retry_after` is what it asked for, clamped."""

    reason: str
    retry_after: timedelta | None = None
    breaks: bool = False
    """Whether it counts for the circuit breaker: 5xx, timeout, no connection."""


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """The destination does not work as it is set (key, address, kind of answer), and is paused.

    No event is at fault, so all of them stay pending. The attempt's outcome is `pause`.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Resend:
    """Nothing is wrong with this delivery: it goes again at once, without the others, uncounted."""

    reason: str


@dataclass(frozen=True, slots=True)
class Mixed:
    """The upstream said of each delivery what became of it: one outcome for each, in the order of the request."""

    outcomes: tuple[Delivered | Rejected | Retryable | Resend, ...]


Outcome = Delivered | Rejected | Retryable | Misconfigured | Mixed


WITHOUT_REQUEST = frozenset({"skipped", "unsent"})
"""The outcomes of attempts that had no request."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request to a destination and how it ended, as it is recorded.

    `answer` is the upstream's text, its first 2 KiB. `counted` is False where the destination, not the events, was
    at fault. `ambiguous` is True where the request may have been taken although there was no answer; also where
    `outcome` is `lost`: the lease was over before its end was recorded. `skipped` and `unsent` had no request.
    `made_by` is the destination file that made the request; None for a kind that has none, and where it is not known.
    """

    destination: str
    started_at: datetime
    took: timedelta
    status: int | None
    outcome: str
    answer: str
    counted: bool = True
    ambiguous: bool = False
    made_by: MappingText | None = field(default=None, repr=False)

    @property
    def had_request(self) -> bool:
        """Whether anything was sent, or may have been."""
        return self.outcome not in WITHOUT_REQUEST


class DeliveryUpdate(msgspec.Struct, frozen=True):
    """What becomes of one delivery after an attempt: a state, and when it is due again if it is still pending.

    `counted` is False where the attempt does not count for this delivery, though it may for others.
    """

    number: int
    state: DeliveryState
    reason: str | None = None
    next_attempt_at: datetime | None = None
    together: int | None = None
    counted: bool = True
