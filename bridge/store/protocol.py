"""The promise of a store: one verb for each transition of the domain, every verb one transaction.

For every engine: a verb that has returned is durable; a state change and its cause commit together; a claim is a lease
that ends by itself; several processes may share a store. Time is always an argument. Waits are measured from `now`: an
engine that several machines share keeps them by its own clock, as far from its own now. A clock that is more than a day
after the newest time that the store knows is not believed until an hour of monotonic time has passed with it: until
then nothing is purged, expired or given up by it. Every verb raises StoreUnavailable, and has changed nothing, when the
store cannot do its work now. The engines are in `sqlite/` and `postgres/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from bridge.core.conversions import NO_EFFECTS, KnownConversion, LedgerEffects
from bridge.core.delivery import Attempt, DeliveryUpdate
from bridge.core.mapping_text import MappingText
from bridge.core.model import Accepted, Event, EventNeeded, Ignored, Kept, Routed, SetAside, Webhook
from bridge.store.claims import ClaimedDeliveries, DestinationState, Pacing
from bridge.store.console_protocol import ConsoleStore
from bridge.store.follow_protocol import FollowStore
from bridge.store.list_protocol import ListStore
from bridge.store.row_filter import RowFilter
from bridge.store.status_protocol import StatusStore
from bridge.store.token_protocol import RefreshTokenStore
from bridge.store.views import (
    ClockAhead,
    DeliveryDetail,
    DeliveryRow,
    DryRun,
    EventDetail,
    EventRow,
    OverdueWork,
    StateCounts,
    StatusSummary,
    WebhookDetail,
    WebhookRow,
    WholeWebhook,
)

__all__ = [
    "ClaimedDeliveries",
    "ClockAhead",
    "DeliveryDetail",
    "DeliveryRow",
    "DestinationState",
    "DryRun",
    "EventDetail",
    "EventRow",
    "OverdueWork",
    "Pacing",
    "RowFilter",
    "StateCounts",
    "StatusSummary",
    "WebhookDetail",
    "WebhookRow",
    "WholeWebhook",
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one webhook: its events with their routes, or why there is none, or none yet.

    `effects` is what it tells the ledger besides, `mapping` the text of the mapping that decided, None for none.
    """

    webhook: Webhook
    result: tuple[Routed, ...] | Ignored | SetAside | EventNeeded
    effects: LedgerEffects = NO_EFFECTS
    mapping: MappingText | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Webhooks to be translated, in the order in which they are to be translated; empty if there are none.

    `known` is what `recall_events` says of the keys that they wait for, as far as the engine has looked: a key of which
    nothing is known is in it, too. `looked_until` is the time before which all that was received had been looked at;
    None where that is not known. `mark` is the engine's own: what it needs to complete the batch.
    """

    webhooks: tuple[Webhook, ...]
    mark: object = None
    known: Mapping[bytes, Sequence[KnownConversion]] = field(default_factory=dict)
    looked_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Completed:
    """The answer for one webhook of a batch: its number, whether it is a redelivery, and the answers for its events."""

    kept: Kept
    accepted: tuple[Accepted, ...]


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A caller's Idempotency-Key as a ledger key, and the SHA-256 of the body it came with.

    `former` is the ledger key that a version before event ids were shared within a scope kept it under.
    """

    key: bytes
    body_hash: bytes
    former: bytes | None = None


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How long each kind of thing is kept; what still waits to be worked on is kept longer.

    `bodies`: the bodies of webhooks; `events`: webhooks, events, their deliveries and attempts, and the bodies of
    webhooks set aside; `ledger`: what a known webhook, event or conversion is recognised by.
    """

    bodies: timedelta = timedelta(days=30)
    events: timedelta = timedelta(days=90)
    ledger: timedelta = timedelta(days=400)


DEFAULT_RETENTION = RetentionPolicy()
"""How long everything is kept by default."""


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """When a store takes nothing new, though it could: `keep`, `accept_events` and `probe` then raise StoreUnavailable.

    At most `waiting` of them wait for the disk, none longer than `max_wait`; and `min_free` bytes of the disk stay
    free, so that what was kept can be worked off. Nothing that waits to be translated or delivered counts.
    """

    waiting: int = 10_000
    max_wait: timedelta = timedelta(seconds=5)
    min_free: int = 64 * 1024 * 1024


DEFAULT_LIMITS = AdmissionLimits()
"""The default limits."""


OVERDUE = timedelta(minutes=5)
"""How long work may be due and unclaimed before it is overdue."""


@dataclass(frozen=True, slots=True)
class PurgeStep:
    """One step of a purge: how many rows it deleted, whether the sweep has further steps, and the rows that it read."""

    taken: int
    more: bool
    kind: str = ""


@dataclass(frozen=True, slots=True)
class ChangeStep:
    """One step of a retry or replay: how many rows it changed, and the `below` of the next one, None at the end."""

    count: int
    below: int | None


class Store(ConsoleStore, FollowStore, ListStore, RefreshTokenStore, StatusStore, Protocol):
    """A dozen transitions, and the questions that people ask."""

    # a webhook is received

    async def keep(self, webhooks: Sequence[Webhook]) -> None:
        """Keep the webhooks of one request, all or none. Redeliveries are not recognised yet, so that it is quick."""
        ...

    # a webhook becomes events

    async def claim_batch(self, *, now: datetime, limit: int, lease: timedelta) -> Batch:
        """Webhooks to be translated: those that were just kept, or received ones that are due.

        About `limit` of them. Received ones are exclusive until `now + lease`; those that were just kept are, too, or
        go to the process that completes them first.
        """
        ...

    async def read_ahead(self, batch: Batch, *, now: datetime, limit: int, lease: timedelta) -> Batch:
        """About `limit` of the webhooks that were kept after those of a batch that is not completed yet.

        They are to be completed once that one is, and not where it is not. Where webhooks that were just kept are
        exclusive, these are until `now + lease`. There are none where other webhooks are to be claimed first.
        """
        ...

    async def complete_batch(
        self, batch: Batch, outcomes: Sequence[Outcome], *, now: datetime
    ) -> tuple[Completed, ...] | None:
        """Write what the webhooks of a batch became: state, events, ledger and deliveries, all in one transaction.

        `outcomes` are those of `batch.webhooks`, in order, and so is the answer. Returns None, and changes nothing, if
        another process has completed or split some of the batch meanwhile.

        If a webhook that was just kept is a redelivery, the answer names the known webhook, and the outcome is dropped.
        A webhook that is no longer `received` stays as it is. An event whose id is known within its scope is not made
        again; an event whose id names another event gets an id of its own, always the same one; an event with a
        conversion key that the ledger knows is kept as a duplicate, without deliveries. A webhook that needs an event
        stays `received`; it is due at `until`, or at once when an event with that conversion key is kept, or now if
        that event is kept already.
        """
        ...

    async def split_batch(self, batch: Batch, *, now: datetime) -> tuple[Kept, ...]:
        """Make each webhook of a batch received and due on its own, so that one that fails does not hold up the others.

        Returns the answers for the webhooks that were just kept; none if another process has completed or split them
        meanwhile.
        """
        ...

    async def recall_events(self, keys: Sequence[bytes]) -> dict[bytes, Sequence[KnownConversion]]:
        """What is known under each conversion key; a key of which nothing is known is left out."""
        ...

    # a caller's events are received

    async def accept_events(
        self, events: Sequence[Routed], *, now: datetime, idempotency: Idempotency | None = None
    ) -> tuple[Accepted, ...]:
        """Keep a request's events, all or none, by the same rules as `complete_batch`.

        If `idempotency` is known for the same body, returns the first answer again and keeps nothing; raises
        IdempotencyConflict if it is known for another body.
        """
        ...

    # a delivery is made

    async def claim_deliveries(self, destination: str, *, now: datetime, pacing: Pacing) -> ClaimedDeliveries | None:
        """Claim due deliveries of a destination, oldest first, exclusive until the lease is over.

        The oldest one's `together` limits the claim, and only deliveries with the same `together` share it.
        Returns None if nothing is due, if all senders are taken, if the last claim was less than the spacing ago, or
        when the destination is held or paused; a paused one whose probe is due gives one delivery.
        """
        ...

    async def record_attempt(
        self,
        claimed: ClaimedDeliveries,
        attempt: Attempt,
        settled: Sequence[DeliveryUpdate],
        destination_state: DestinationState,
        *,
        now: datetime,
    ) -> bool:
        """Write how an attempt ended: the attempt, each delivery's new state and the destination's, together.

        Returns False, and changes nothing, if the destination's state is another one by now than `destination_state`
        was decided from, by its version: ask for it, decide again and record again. What was claimed and is not in
        `settled` is due again at once. A delivery whose lease was lost is only changed to delivered, never back; one
        whose event was written over meanwhile is due again.
        """
        ...

    async def destination_state(self, destination: str, *, now: datetime) -> DestinationState:
        """The state of a destination, its instants by the caller's clock; a new one for a name never used."""
        ...

    async def next_due(self, destination: str | None, *, now: datetime) -> datetime | None:
        """When the next delivery of a destination may be claimed; for None, the next received webhook.

        It is an instant of the caller's clock, by which it is `now`.
        """
        ...

    # by hand

    async def retry(self, which: RowFilter, *, now: datetime, below: int | None, limit: int) -> ChangeStep:
        """Make the newest `limit` dead (or waiting) deliveries due now, below a number if one is given.

        A paused destination's probe is due now too. `which.limit` is for `in_steps.retry_all`, which takes all steps.
        """
        ...

    async def replay(self, which: RowFilter, *, now: datetime, below: int | None, limit: int) -> ChangeStep:
        """Make the newest `limit` webhooks `received` again so that they are translated again, below a number if given.

        `which.limit` is for `in_steps.replay_all`, which takes all steps.
        """
        ...

    async def would_retry(self, which: RowFilter, *, now: datetime, newest: int) -> DryRun:
        """Returns what `retry` would make due: the count, and the `newest` rows. Nothing changes."""
        ...

    async def would_replay(self, which: RowFilter, *, newest: int) -> DryRun:
        """Returns what `replay` would make received again: the count, and the `newest` rows. Nothing changes."""
        ...

    async def rewrite_events(
        self, number: int, events: Sequence[Routed], *, now: datetime, mapping: MappingText | None = None
    ) -> int:
        """Overwrite a webhook's events, insert new ones, make all due again; returns how many deliveries are due."""
        ...

    async def events_without_delivery(self, destination: str, *, after: int, limit: int) -> tuple[Event, ...]:
        """Kept events with a number above `after` that are no duplicates and have no delivery to a destination."""
        ...

    async def create_deliveries(
        self,
        destination: str,
        skips: Sequence[tuple[int, str | None]],
        *,
        now: datetime,
        follows: Mapping[int, tuple[bytes, ...]] | None = None,
    ) -> int:
        """Make deliveries of events (by number, with why each is skipped) to a destination; returns how many.

        `follows` are the keys of what an event follows there, as `Route.follows`.
        """
        ...

    # what was kept long enough is deleted

    async def purge(self, keeping: RetentionPolicy, *, now: datetime, limit: int) -> PurgeStep:
        """Take the next step of a sweep: read about `limit` rows and delete what was kept long enough.

        Each open store has its own sweep and knows where its last step ended; a step that failed is taken again. After
        the last one, the next call begins a new sweep.

        Never a webhook that is received, nor its body; never an event with a pending delivery; never the body of a
        webhook that is set aside, or that is looked at again when its sale is told, before the webhook itself goes.
        """
        ...

    # queries

    async def webhooks(self, which: RowFilter) -> list[WebhookRow]:
        """Webhooks, newest first; without those that were just kept and have no number yet."""
        ...

    async def events(self, which: RowFilter) -> list[EventRow]:
        """Events, newest first."""
        ...

    async def deliveries(self, which: RowFilter) -> list[DeliveryRow]:
        """Deliveries, newest first."""
        ...

    async def show_detail(self, public_id: str) -> list[WebhookDetail | EventDetail | DeliveryDetail]:
        """Returns what has that id, or was given it: several if two origins gave one event_id.

        Raises NotFound if nothing has it.
        """
        ...

    async def iter_webhooks(
        self, sources: Sequence[str], *, since: datetime | None, after: int, limit: int
    ) -> tuple[Webhook, ...]:
        """The next kept webhooks in full, oldest first: those of `sources` with a number above `after`."""
        ...

    async def state_counts(self) -> StateCounts:
        """Returns the counts."""
        ...

    async def status_summary(self, *, now: datetime) -> StatusSummary:
        """Returns what a status screen shows beside the counts."""
        ...

    async def overdue_work(self, *, now: datetime) -> OverdueWork:
        """Returns what is due and unclaimed for longer than OVERDUE; it costs little, however much that is.

        Not overdue: a webhook that waits for a named event, and the deliveries of a paused destination.
        """
        ...

    async def probe(self, *, now: datetime) -> None:
        """Take a small durable write, to see that the store can and would take something new."""
        ...

    async def close(self) -> None:
        """Finish the work under way and close the store."""
        ...
