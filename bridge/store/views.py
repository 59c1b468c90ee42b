"""What a store shows: rows of lists, one thing in full, and counts. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from bridge.core.delivery import Attempt, Delivery, DeliveryState
from bridge.core.mapping_text import MappingText
from bridge.core.model import Event, Webhook, WebhookState


@dataclass(frozen=True, slots=True)
class WebhookRow:
    """A webhook as lists show it. `id` is public: `wh_<number>`."""

    id: str
    source: str
    topic: str | None
    state: WebhookState
    reason: str | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event as lists show it. `webhook` is public (`wh_<number>`), None for one that came by /v1/track.

    `origin` is who gave it: `source:<name>` or `key:<name>`. `delivery` is the state of its deliveries, the one that
    needs most where there are several: dead, pending, delivered, skipped; `none` where it has none, `duplicate` for
    one that is not delivered.
    """

    id: str
    origin: str
    webhook: str | None
    event_type: str
    test: bool
    duplicate_of: str | None
    created_at: datetime
    order_id: str | None = None
    value: str | None = None
    currency: str | None = None
    delivery: str = "none"


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery as lists show it. `id` is public: `dlv_<number>`; `last_answer` is the upstream's first 2 KiB."""

    id: str
    event: str
    destination: str
    state: DeliveryState
    reason: str | None
    attempts: int
    next_attempt_at: datetime | None
    last_status: int | None
    last_answer: str | None


@dataclass(frozen=True, slots=True)
class WebhookDetail:
    """One webhook in full, with what it became. `body_gone`: its body was kept long enough and was purged.

    `same_bytes_as` is the first webhook with the same bytes under another topic, account or test flag, or at
    another source; None if there is none, or if its body is gone. `mapping` is the text of the mapping that made it
    what it is; None if an earlier version did, or if no mapping did.
    """

    row: WebhookRow
    webhook: Webhook
    events: tuple[EventRow, ...]
    body_gone: bool = False
    same_bytes_as: WebhookRow | None = None
    mapping: MappingText | None = None


@dataclass(frozen=True, slots=True)
class WholeWebhook:
    """One webhook as lists show it, and as it came. Its body is there."""

    row: WebhookRow
    webhook: Webhook


@dataclass(frozen=True, slots=True)
class EventDetail:
    """One event in full: the JSON that is sent, its notes, and its deliveries.

    `given_id` is the id that it was given, if that one names another event; else None.
    """

    row: EventRow
    origin: str
    text: bytes
    notes: tuple[str, ...]
    hashed: tuple[str, ...]
    deliveries: tuple[DeliveryRow, ...]
    given_id: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryDetail:
    """One delivery in full, with its attempts, oldest first. `claimed` is what a claim would give of it now."""

    row: DeliveryRow
    claimed: Delivery
    created_at: datetime
    delivered_at: datetime | None
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Dead deliveries of one destination, or set aside webhooks of one source, that have one reason.

    `state` is `dead` or `set_aside`, `name` the destination or source. In `reason` what differs from one to the other
    is left out. `value` has the sum of a group's events by currency. `newest_id` is the newest one's public id, `ids`
    those of all that were read, newest first.
    """

    state: str
    name: str
    reason: str
    count: int
    first_at: datetime
    last_at: datetime
    newest_id: str
    value: Mapping[str, Decimal] = field(default_factory=dict)
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FailureGroups:
    """The groups, the largest first; `complete` is whether all that failed was read."""

    groups: tuple[FailureGroup, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class DuplicateEvent:
    """An event that was not told, as a duplicate: itself, how lists show it, and its original; None: it was purged."""

    event: Event
    row: EventRow
    original: EventRow | None


@dataclass(frozen=True, slots=True)
class FoundDuplicates:
    """Of some ids the duplicates, and the events that were told, which need no release."""

    duplicates: tuple[DuplicateEvent, ...]
    told: tuple[EventRow, ...]


@dataclass(frozen=True, slots=True)
class DryRun:
    """The rows that a verb by hand would change: how many, and the newest of them."""

    count: int
    newest: list[DeliveryRow] | list[WebhookRow]


@dataclass(frozen=True, slots=True)
class StateCounts:
    """Counts for metrics and status, each kept so that reading it does not cost a scan.

    `webhooks` by (source, state), `events` by (event_type, 'fresh' or 'duplicate'), `deliveries` by (destination,
    state); the oldest webhook still `received` and, by destination, the oldest delivery still pending. `unapplied`
    counts those that were kept and are not applied yet, repeated ones too; the oldest received may be one of
    them.
    """

    webhooks: dict[tuple[str, str], int]
    events: dict[tuple[str, str], int]
    deliveries: dict[tuple[str, str], int]
    oldest_received: datetime | None
    oldest_pending: dict[str, datetime]
    unapplied: int = 0


@dataclass(frozen=True, slots=True)
class ClockAhead:
    """The clock is far beyond `newest_at`, the last time that was believed, and is not believed itself.

    Nothing is purged, given up or expired meanwhile. Where it continues so, it is believed from `believed_from` on, at
    the earliest: as much time must pass until then while trackbridge runs.
    """

    newest_at: datetime
    believed_from: datetime


@dataclass(frozen=True, slots=True)
class OverdueWork:
    """Work that was due a while ago and that nobody has claimed; counts are exact up to 100,000 and end there.

    `webhooks` counts those not translated, also those not applied yet; `deliveries` by destination. `oldest_webhook`
    and `oldest_delivery` are since when the first of them is due.
    """

    webhooks: int
    oldest_webhook: datetime | None
    deliveries: dict[str, int]
    oldest_delivery: dict[str, datetime]


@dataclass(frozen=True, slots=True)
class StatusSummary:
    """What a status screen shows beside the counts, at no cost of a scan.

    `today` counts webhooks received since midnight UTC by (source, state); `differing` counts duplicates whose value or
    currency is not the original's, and `differing_ids` are the newest of them; `no_longer_made` counts, likewise,
    events that were sent and that the mended mapping of their webhook does not make; `only_tests` names sources whose
    newest events were all skipped as tests; `no_room` is why the disk has no room for anything new, None if it has;
    `unreadable` counts webhooks of the ingest log whose bytes were damaged before they were applied; `unread` says of
    each file in the ingest log's folder that cannot be opened, or is none of ours, why it is not read, and the remedy;
    `clock_ahead` is None if the clock can be believed; `exposed` is that other users may read the store, and how to end
    that; `same_bytes` counts webhooks of a source whose bytes were first received at another source, by (source, the
    other); `troubles` says what else the engine needs a person for, a sentence each.
    """

    today: dict[tuple[str, str], int]
    lasts: dict[str, datetime]
    differing: int
    only_tests: tuple[str, ...]
    oldest_set_aside: datetime | None
    oldest_dead: datetime | None
    no_room: str | None = None
    unreadable: int = 0
    unread: tuple[str, ...] = ()
    clock_ahead: ClockAhead | None = None
    exposed: str | None = None
    same_bytes: dict[tuple[str, str], int] = field(default_factory=dict)
    differing_ids: tuple[str, ...] = ()
    no_longer_made: int = 0
    no_longer_made_ids: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()
