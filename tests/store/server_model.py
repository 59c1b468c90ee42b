"""What the promise means on a PostgreSQL server: its clock does not go back, and a claim holds the numbers of deliveries.

The rest is as in `store_model.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from store_model import Claim, Model

from bridge.core.delivery import Attempt, DeliveryUpdate
from bridge.store.protocol import DestinationState, Pacing


@dataclass
class ServerModel(Model):
    """The model of several nodes on one database; `number_in_store` says which number an event has there."""

    number_in_store: Callable[[str, int], int] = lambda _, number: number

    def seen(self, now: datetime) -> None:
        """The server's clock is believed."""

    def claim_batch(self, *, now: datetime, limit: int, lease: timedelta) -> list[int] | None:
        """Parcels and rows that are due by turns, for each node."""
        if self.inbox and not (self.claimed_log.get(self.who, False) and self._received(now)):
            self.claimed_log[self.who] = True
            return None
        self.claimed_log[self.who] = False
        return self.claim_rows(now=now, limit=limit, lease=lease) or None

    def sort_in(self, limit: int) -> list[tuple[int, bool]]:
        """A parcel is kept for a while even if all of it was known."""
        kept: list[tuple[int, bool]] = []
        while self.inbox and len(kept) < limit:
            body = self._next("body")
            self.bodies.add(body)
            kept += [self._sorted_in(one, body) for one in self.inbox.pop(0)]
        return kept

    def _called(self, number: int) -> str:
        return self.called[number] if number in self.events else f"gone:{self.number_in_store('events', number)}"

    # deliveries

    def claim(self, token: int, destination: str, *, now: datetime, pacing: Pacing) -> list[tuple[int, timedelta]]:
        """The time of a claim is written where it matters: with a rate, and of a probe."""
        before = self.claimed_at.get(destination)
        is_noted = pacing.spacing > timedelta() or self.destination_state(destination).paused
        found = super().claim(token, destination, now=now, pacing=pacing)
        if found and not is_noted:
            self.claimed_at.pop(destination)
            self.claimed_at |= {} if before is None else {destination: before}
        return found

    def _limit(self, destination: str, *, now: datetime, pacing: Pacing) -> int:
        several = super()._limit(destination, now=now, pacing=Pacing(pacing.limit, 99, pacing.spacing, pacing.lease))
        if several:
            self._end_leases(destination, now=now)
        return several and super()._limit(destination, now=now, pacing=pacing)

    def _hold(self, token: int, destination: str, chosen: Sequence[int], *, now: datetime, until: datetime) -> None:
        self.under_way[token] = Claim(destination, until, dict.fromkeys(chosen, now))

    def _is_held(self, number: int, *, now: datetime) -> bool:
        return any(number in one.held and one.until > now for one in self.under_way.values())

    def _holds(self, token: int, number: int) -> bool:
        return token in self.under_way and number in self.under_way[token].held

    def _end_leases(self, destination: str, *, now: datetime) -> None:
        over = [n for n, one in self.under_way.items() if one.destination == destination and one.until <= now]
        for token in sorted(over):
            claim = self.under_way.pop(token)
            for number in claim.held:
                if number in self.deliveries and self.deliveries[number].state == "pending":
                    self.deliveries[number].due = max(self.deliveries[number].due, claim.until)

    def due_at(self, number: int) -> datetime:
        """When it is tried next; while it is claimed, when its lease is over."""
        return max([self.deliveries[number].due, *(one.until for one in self.under_way.values() if number in one.held)])

    def _end_claim(self, token: int, sent: set[int], *, now: datetime) -> None:
        del sent, now  # what was not sent was due all the time
        self.under_way.pop(token, None)

    def record(  # noqa: PLR0913  the promise's own arguments
        self,
        token: int,
        made: Attempt,
        settled: Sequence[DeliveryUpdate],
        after: DestinationState,
        *,
        version: int,
        now: datetime,
    ) -> bool:
        """A probe that is over changes the state, also where it stays paused as before; what was decided again does."""
        before = self.versions[after.destination]
        if not super().record(token, made, settled, after, version=version, now=now):
            return False
        if after.paused is not None or before != self.read[token][0]:
            self.versions[after.destination] = before + 1
        return True
