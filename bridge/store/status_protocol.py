"""The part of a store's promise that is about the bridge itself: for `status`, `find` and actions by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from bridge.core.model import Ignored, Routed
from bridge.store.status_views import (
    ActionTaken,
    FoundRows,
    OutcomeCounts,
    OutcomeTotals,
    ProcessHeartbeat,
    QuarterCount,
    RefusedRequests,
    RemappedEvent,
    StatusDetails,
)
from bridge.store.views import FoundDuplicates


class StatusStore(Protocol):
    """What processes note of themselves, and what people ask."""

    async def add_refused(self, refused: Sequence[RefusedRequests]) -> None:
        """Add refused requests to those that are known; a count starts anew after a genuine webhook of the source."""
        ...

    async def record_heartbeat(self, heartbeat: ProcessHeartbeat) -> int:
        """Write the sign of life of one process, in the place of its last one.

        Returns how many nodes answer requests now: those with a web process that gave a sign within LIVING.
        """
        ...

    async def record_check(self, destination: str, *, failed: str | None, now: datetime) -> None:
        """Write that a destination was asked without an event, and why that failed, if it did."""
        ...

    async def pause_destination(self, destination: str, *, reason: str, probe_at: datetime, now: datetime) -> None:
        """Pause a destination; of one that is paused, write the reason of now and when its next probe is."""
        ...

    async def resume_destination(self, destination: str, *, now: datetime, works: bool = False) -> bool:
        """Make the probe of a paused destination due now; returns whether it was paused.

        If it is known that it `works`, and no delivery waits that could be the probe, the pause ends at once.
        """
        ...

    async def record_action(self, action: ActionTaken) -> None:
        """Write what a person did."""
        ...

    async def complete_privacy_request(self, public_id: str, *, who: str, now: datetime) -> ActionTaken | None:
        """Mark a privacy request as done; returns who did so before, None where nobody had.

        Raises NotFound for a webhook that is none.
        """
        ...

    async def actions_on(self, subject: str) -> tuple[ActionTaken, ...]:
        """What people did to one thing, oldest first."""
        ...

    async def newest_actions(self, *, most: int) -> tuple[ActionTaken, ...]:
        """What people did last, newest first."""
        ...

    async def find_duplicates(self, ids: Sequence[str]) -> FoundDuplicates:
        """Returns the duplicates that have these ids, and the events that were told. Raises NotFound for any other."""
        ...

    async def release_duplicates(self, chosen: Sequence[Routed], *, who: str, now: datetime) -> tuple[str, ...]:
        """Tell duplicates, by their events' numbers, as conversions of their own, all of them in one transaction.

        The originals stay as they are, and keep the conversion keys that both have; a duplicate's other keys lead to
        it: what is received later, such as a refund, finds it, and what waits for such a key is due. Notes that `who`
        did it. Returns the ids of those that were told; one that is no duplicate any more is left as it is.
        """
        ...

    async def remap_events(
        self, webhook: int, events: Sequence[Routed], *, now: datetime, ignored: Ignored | None = None
    ) -> tuple[RemappedEvent, ...]:
        """Make a webhook's events what its mended mapping makes, `events`, in one transaction; returns what changed.

        An event of which any attempt was made, or is under way, was told: it keeps id and text, is not sent again, and
        takes the conversion keys of now. One that was never attempted (pending, skipped or dead before any attempt, or
        without a delivery) is changed to what is made now: type, text, keys, deliveries; it keeps its id. Where nothing
        makes it any more it is withdrawn, and where it repeats another one it is a duplicate. A duplicate that repeats
        nothing by these keys is told; the keys that only it had and has no more are free. A webhook that is `ignored`
        now, and has no event left, is kept as ignored. Duplicates of an event that lost a key are returned as
        undecided: they are decided on when their own webhooks are remapped.
        """
        ...

    async def status_details(self) -> StatusDetails:
        """Returns what `status` shows beside counts and summary; it costs the same however much is kept."""
        ...

    async def read_outcomes(self, *, since: datetime) -> OutcomeCounts:
        """What became of deliveries, and which match keys events have, from the UTC day of `since` on.

        Counted in the transaction that changes them: a delivery by the day on which it was made, and where it stands
        now; an event when it is told. It costs the same however much is kept.
        """
        ...

    async def read_totals(self) -> OutcomeTotals:
        """All that was ever counted of the same: a count never falls."""
        ...

    async def read_quarters(self, *, since: datetime) -> tuple[QuarterCount, ...]:
        """What was decided of webhooks and deliveries, by the quarter hour, from that of `since` on."""
        ...

    async def find_rows(self, words: Sequence[str]) -> FoundRows:
        """The webhooks and events that have one of these texts.

        Compared with event ids, provider ids and order ids as a whole, and with whole strings of the newest events and
        bodies. It reads a bounded number of rows.
        """
        ...
