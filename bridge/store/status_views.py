"""What a store knows of the bridge itself: refused requests, processes, actions of people, and its newest outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class RefusedRequests:
    """Requests that were refused for one cause since the source's last genuine webhook.

    `source` is a configured one, or the one that an unknown path resembles, whose path is `detail`. `skew` is by how
    much the clock of this machine was ahead of the time of the last request that was refused as stale.
    """

    source: str
    cause: str
    count: int
    first_at: datetime
    last_at: datetime
    detail: str = ""
    skew: timedelta | None = None


@dataclass(frozen=True, slots=True)
class ProcessHeartbeat:
    """The last sign of life of one process of `serve`.

    `trouble` says which of its loops hang, or is empty; `settings` which sources and destinations it serves. The role
    is `web`, `worker`, or `refused` for a start that was refused, which `trouble` explains.

    `version` and `node_id` are kept only by a store on a server, which nodes of several versions, and of one host name,
    may share. `node` is written as the host name; it is read with the id behind it where two nodes have that name.
    """

    node: str
    process: str
    role: str
    pid: int
    started_at: datetime
    at: datetime
    stopped: bool = False
    trouble: str = ""
    settings: str = ""
    version: str = ""
    node_id: str = ""


@dataclass(frozen=True, slots=True)
class ActionTaken:
    """What a person did by hand: `what` is the verb, `subject` the public id or name that it was done to."""

    at: datetime
    who: str
    what: str
    subject: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class MappingDraft:
    """A draft of a mapping that a person works on; `mapping` is the file's name without `.yaml`.

    `begun_from` is the digest of the file's text that it began with.
    """

    mapping: str
    who: str
    at: datetime
    begun_from: bytes
    text: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PrivacyRequest:
    """A webhook that asks for data of a person, or for their deletion, and that nobody has marked as done."""

    id: str
    source: str
    topic: str | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class TopicCount:
    """How many of the newest webhooks of a source have one topic and state; `newest` is the number of the last."""

    source: str
    topic: str | None
    state: str
    count: int
    newest: int


@dataclass(frozen=True, slots=True)
class EventCount:
    """How many of the newest events of an origin and type have a delivery in one state to one destination.

    `destination` is None for events without any delivery. Duplicates and test events are left out.
    """

    origin: str
    event_type: str
    destination: str | None
    state: str | None
    count: int


@dataclass(frozen=True, slots=True)
class RecentOutcomes:
    """What became of the newest webhooks and events, `limit` of each at most; the oldest of them is of `since`."""

    webhooks: tuple[TopicCount, ...]
    events: tuple[EventCount, ...]
    since: datetime | None
    limit: int


@dataclass(frozen=True, slots=True)
class DestinationCheck:
    """When a destination was last asked without an event, and why that failed (None: it did not)."""

    destination: str
    checked_at: datetime
    failed: str | None


@dataclass(frozen=True, slots=True)
class WaitingWebhooks:
    """How many webhooks wait for a richer one of their payment, and how many for their sale; `next_at` ends a wait."""

    for_richer: int
    for_sale: int
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class DoubtedEvent:
    """An event that may tell the same payment as another one, or does so (`is_certain`), by a note at both."""

    id: str
    origin: str
    created_at: datetime
    is_certain: bool


@dataclass(frozen=True, slots=True)
class StatusDetails:
    """All of these, read in one snapshot."""

    refused: tuple[RefusedRequests, ...]
    processes: tuple[ProcessHeartbeat, ...]
    privacy_requests: tuple[PrivacyRequest, ...]
    recent: RecentOutcomes
    checks: tuple[DestinationCheck, ...]
    waiting: WaitingWebhooks
    doubted: tuple[DoubtedEvent, ...] = ()


CountedKind: TypeAlias = Literal["webhook", "delivery"]
"""What is counted by the quarter hour."""


@dataclass(frozen=True, slots=True)
class QuarterCount:
    """How many webhooks of a source, or deliveries to a destination, came to a state in a quarter hour from `at` on."""

    at: datetime
    kind: CountedKind
    name: str
    state: str
    count: int


@dataclass(frozen=True, slots=True)
class OutcomeCount:
    """How many deliveries that were made on one day (UTC) stand in one state for one reason.

    `reason` is empty where none is needed, and `other` stands for those beyond the first 50 of a day.
    """

    day: datetime
    destination: str
    event_type: str
    state: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class MatchKeyCount:
    """How many events of one day (UTC) have one match key; an empty key counts all of them."""

    day: datetime
    event_type: str
    key: str
    count: int


@dataclass(frozen=True, slots=True)
class OutcomeCounts:
    """What became of deliveries and which match keys events have, over some days.

    `waiting` counts pending deliveries by destination and event type; `rejected` says of the last 100 deliveries of a
    destination that were taken or rejected how many were rejected, of how many. Nothing before `counted_since` counts.
    """

    outcomes: tuple[OutcomeCount, ...]
    match_keys: tuple[MatchKeyCount, ...]
    waiting: Mapping[tuple[str, str], int]
    rejected: Mapping[str, tuple[int, int]]
    counted_since: datetime | None


@dataclass(frozen=True, slots=True)
class OutcomeTotals:
    """All that was ever counted, which never falls: by destination, state and reason, and by match key."""

    deliveries: Mapping[tuple[str, str, str], int]
    match_keys: Mapping[str, int]


MOST_UNREAD = 100_000
"""Up to how many events are counted that no sweep has looked at: more would cost a search more than all else."""


@dataclass(frozen=True, slots=True)
class FoundRows:
    """What a search found: public ids, newest first, and how far it looked back.

    `webhooks` and `events` are the numbers of newest rows that were read where no index helps, `bodies` of how many
    webhooks the bodies; `since` is when the oldest of them came, or else the oldest of these events, None if all that
    is kept was read. E-mails and orders of events are found at any age, but for `unread` older events, or more where
    that is MOST_UNREAD: the hourly sweep has not hashed theirs yet.
    """

    webhook_ids: tuple[str, ...]
    event_ids: tuple[str, ...]
    webhooks: int
    events: int
    bodies: int
    since: datetime | None
    unread: int


class RemapResult(StrEnum):
    """What became of an event when its webhook was replayed under a mended mapping.

    Told: it was a duplicate, and is none. Changed: it was not sent, and is what the mapping makes now. Repeats: it was
    not sent, and is a duplicate now. Withdrawn: it was not sent, and nothing makes it. Added: it is new. No longer
    made: it was sent, and nothing makes it. Undecided: a duplicate of one of these by keys that this has no more.
    """

    TOLD = "told"
    CHANGED = "changed"
    REPEATS = "repeats"
    WITHDRAWN = "withdrawn"
    ADDED = "added"
    NO_LONGER_MADE = "no_longer_made"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class RemappedEvent:
    """An event that is something else now; `original` is the id of the one that it repeats, if it does.

    `webhook` is the public id of the webhook that made an undecided one, if one did.
    """

    id: str
    result: RemapResult
    original: str | None = None
    webhook: str | None = None
