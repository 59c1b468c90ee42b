"""What a claim of deliveries is made by, and what it gives: pacing, the destination's state, the deliveries."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bridge.core.delivery import Delivery


@dataclass(frozen=True, slots=True)
class Pacing:
    """How a destination may be sent to, over all processes.

    At most `limit` deliveries a claim, `concurrency` claims at a time, claims at least `spacing` apart; a claim that is
    not recorded ends after `lease`. With `newest_beyond`, the newest due deliveries go first if the oldest one
    was made longer ago than that: behind a backlog nothing new would be sent.
    """

    limit: int
    concurrency: int
    spacing: timedelta
    lease: timedelta
    newest_beyond: timedelta | None = None


@dataclass(frozen=True, slots=True)
class DestinationState:
    """The state of a destination, shared by all processes.

    `paused` is why nothing is sent (None: it is not paused); `probe_at` is when one request may find out whether the
    pause is over, `probes` how many have tried. `paused_for` is the sum of all pauses that are over. `failures`
    counts consecutive requests that broke, `rejected` the deliveries refused alone since one last passed. Nothing is
    sent before `held_until`. `version` names the state: it is another one as soon as anything else changes.
    """

    destination: str
    paused: str | None = None
    paused_at: datetime | None = None
    probe_at: datetime | None = None
    probes: int = 0
    failures: int = 0
    rejected: int = 0
    paused_for: timedelta = timedelta()
    held_until: datetime | None = None
    version: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class ClaimedDeliveries:
    """Deliveries of one destination claimed for one request, oldest first, and its state then.

    `token` names the claim.
    """

    token: int
    deliveries: tuple[Delivery, ...]
    destination_state: DestinationState
