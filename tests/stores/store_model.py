"""What a store promises, in plain Python and for one destination's worth of thought: dictionaries, no disk, no rush.

The machine in `test_store_model.py` holds every engine against it. Not concerned with headers, texts or notes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bridge.model import Accepted, Attempt, DeliveryState, Event, Route, Routed, Settled, Webhook
from bridge.store import Idempotency, Pacing, Standing

WINDOW = timedelta(days=400)


@dataclass
class KeptWebhook:
    due: datetime
    state: str = "received"


@dataclass
class KeptEvent:
    event: Event
    duplicate_of: int | None


@dataclass
class KeptDelivery:
    event: int
    destination: str
    state: str
    due: datetime
    attempts: int = 0
    together: int | None = None
    token: int | None = None
    first: datetime | None = None
    paused_at_first: timedelta = timedelta()


@dataclass
class Claim:
    destination: str
    until: datetime
    held: dict[int, datetime]


@dataclass
class Model:
    inbox: list[Sequence[Webhook]] = field(default_factory=list)
    webhooks: dict[int, KeptWebhook] = field(default_factory=dict)
    identity: dict[bytes, int] = field(default_factory=dict)
    events: dict[int, KeptEvent] = field(default_factory=dict)
    claims: dict[bytes, tuple[int, datetime]] = field(default_factory=dict)
    answers: dict[bytes, tuple[bytes, tuple[Accepted, ...]]] = field(default_factory=dict)
    deliveries: dict[int, KeptDelivery] = field(default_factory=dict)
    under_way: dict[int, Claim] = field(default_factory=dict)
    standings: dict[str, Standing] = field(default_factory=dict)
    claimed_at: dict[str, datetime] = field(default_factory=dict)

    # webhooks

    def keep(self, webhooks: Sequence[Webhook]) -> None:
        self.inbox.append(webhooks)

    def sort_in(self, limit: int) -> list[tuple[int, bool]]:
        """Requests as a whole, until there are enough."""
        kept: list[tuple[int, bool]] = []
        while self.inbox and len(kept) < limit:
            kept += [self._sorted_in(one) for one in self.inbox.pop(0)]
        return kept

    def _sorted_in(self, webhook: Webhook) -> tuple[int, bool]:
        for key in webhook.identity:
            if key in self.identity:
                return self.identity[key], True
        number = len(self.webhooks) + 1
        self.webhooks[number] = KeptWebhook(webhook.received_at)
        self.identity |= dict.fromkeys(webhook.identity, number)
        return number, False

    def claim_webhooks(self, *, now: datetime, limit: int, lease: timedelta) -> list[int]:
        self.sort_in(limit)
        due = [(one.due, number) for number, one in self.webhooks.items() if one.state == "received" and one.due <= now]
        chosen = [number for _, number in sorted(due)[:limit]]
        for number in chosen:
            self.webhooks[number].due = now + lease
        return chosen

    def settle(self, number: int, state: str, events: Sequence[Routed], *, now: datetime) -> tuple[Accepted, ...]:
        if self.webhooks[number].state != "received":
            return tuple(self._known(one.event) or Accepted(one.event.id) for one in events)
        self.webhooks[number].state = state
        return tuple(self._take(one, now=now) for one in events)

    def replay(self, number: int, *, now: datetime) -> int:
        if self.webhooks[number].state == "received":
            return 0
        self.webhooks[number] = KeptWebhook(now)
        return 1

    # events

    def accept(
        self, events: Sequence[Routed], *, now: datetime, idempotency: Idempotency | None
    ) -> tuple[Accepted, ...] | None:
        """None for a conflict."""
        if idempotency and idempotency.key in self.answers:
            body, answer = self.answers[idempotency.key]
            return answer if body == idempotency.body_hash else None
        answer = tuple(self._take(one, now=now) for one in events)
        if idempotency:
            self.answers[idempotency.key] = (idempotency.body_hash, answer)
        return answer

    def _known(self, event: Event) -> Accepted | None:
        for one in self.events.values():
            if (one.event.door, one.event.id) == (event.door, event.id):
                return Accepted(event.id, self.events[one.duplicate_of].event.id if one.duplicate_of else None)
        return None

    def _take(self, routed: Routed, *, now: datetime) -> Accepted:
        known = self._known(routed.event)
        if known:
            return known
        number = len(self.events) + 1
        held = {key: self.claims[key][0] for key in routed.event.claims if self._is_taken(key, now=now)}
        original = min(held.values(), default=None)
        self.events[number] = KeptEvent(routed.event, original)
        for key in routed.event.claims:
            if key not in held:
                self.claims[key] = (original or number, now)
        if original:
            return Accepted(routed.event.id, self.events[original].event.id)
        for route in routed.routes:
            self._deliver(number, route, now=now)
        return Accepted(routed.event.id)

    def _is_taken(self, key: bytes, *, now: datetime) -> bool:
        return key in self.claims and self.claims[key][1] > now - WINDOW

    def _deliver(self, event: int, route: Route, *, now: datetime) -> None:
        state = "pending" if route.skip is None else "skipped"
        self.deliveries[len(self.deliveries) + 1] = KeptDelivery(event, route.destination, state, now)

    def give(self, destination: str, event: int, skip: str | None, *, now: datetime) -> int:
        there = {(one.event, one.destination) for one in self.deliveries.values()}
        if self.events[event].duplicate_of or (event, destination) in there:
            return 0
        self._deliver(event, Route(destination, skip), now=now)
        return 1

    def ungiven(self, destination: str) -> list[int]:
        there = {one.event for one in self.deliveries.values() if one.destination == destination}
        return [number for number, one in self.events.items() if not one.duplicate_of and number not in there]

    # deliveries

    def standing(self, destination: str) -> Standing:
        return self.standings.get(destination, Standing(destination))

    def claim(self, token: int, destination: str, *, now: datetime, pacing: Pacing) -> list[tuple[int, timedelta]]:
        """What is claimed, each with the time it was tried for; `token` is the name the claim would have."""
        limit = self._limit(destination, now=now, pacing=pacing)
        due = sorted(
            (one.due, number)
            for number, one in self.deliveries.items()
            if one.destination == destination and one.state == "pending" and one.due <= now
        )[:limit]
        if not due:
            return []
        together = self.deliveries[due[0][1]].together
        chosen = [number for _, number in due if self.deliveries[number].together == together][:together]
        self._hold(token, destination, chosen, until=now + pacing.lease)
        self.claimed_at[destination] = now
        standing = self.standing(destination)
        if standing.paused:
            self._move_probe(destination, now + pacing.lease)
        return [(number, self._tried_for(number, standing, now=now)) for number in chosen]

    def _limit(self, destination: str, *, now: datetime, pacing: Pacing) -> int:
        standing = self.standing(destination)
        lanes = sum(one.destination == destination and one.until > now for one in self.under_way.values())
        last = self.claimed_at.get(destination)
        if lanes >= pacing.lanes or (last is not None and now - last < pacing.spacing):
            return 0
        if standing.paused:
            return 1 if standing.probe_at and standing.probe_at <= now else 0
        return pacing.limit

    def _hold(self, token: int, destination: str, chosen: Sequence[int], *, until: datetime) -> None:
        self.under_way[token] = Claim(destination, until, {number: self.deliveries[number].due for number in chosen})
        for number in chosen:
            self.deliveries[number].due = until
            self.deliveries[number].token = token

    def _move_probe(self, destination: str, at: datetime) -> None:
        old = self.standing(destination)
        self.standings[destination] = Standing(
            destination, old.paused, old.paused_at, at, old.probes, old.failures, old.refused, old.paused_for
        )

    def _tried_for(self, number: int, standing: Standing, *, now: datetime) -> timedelta:
        one = self.deliveries[number]
        if one.first is None:
            return timedelta()
        return max(timedelta(), now - one.first - (_paused_in_all(standing, now) - one.paused_at_first))

    def record(self, token: int, made: Attempt, settled: Sequence[Settled], after: Standing, *, now: datetime) -> None:
        paused = _paused_in_all(self.standing(made.destination), made.started_at)
        for one in settled:
            mine = self.deliveries[one.number]
            if mine.token == token and mine.state == "pending":
                if mine.first is None:
                    mine.first, mine.paused_at_first = made.started_at, paused
                mine.state, mine.together, mine.token = one.state, one.together, None
                mine.due = one.next_attempt_at or now
                mine.attempts += made.counted
            elif one.state is DeliveryState.DELIVERED and mine.state in ("pending", "dead"):
                mine.state, mine.together, mine.token = "delivered", None, None
                mine.attempts += made.counted
        claim = self.under_way.pop(token, None)
        for number, due in claim.held.items() if claim else ():
            if self.deliveries[number].token == token and self.deliveries[number].state == "pending":
                self.deliveries[number].due, self.deliveries[number].token = due, None
        self.standings[after.destination] = after

    def retry(self, number: int, *, now: datetime) -> int:
        one = self.deliveries[number]
        if one.state == "dead":
            one.state, one.due, one.together, one.first = "pending", now, None, None
        elif one.state == "pending" and (one.token is None or one.due <= now):
            one.due = min(one.due, now)
        else:
            return 0
        if self.standing(one.destination).paused:
            self._move_probe(one.destination, now)
        return 1

    # questions

    def counts(self) -> tuple[dict[tuple[str, str], int], ...]:
        return (
            dict(Counter(("shopify", one.state) for one in self.webhooks.values())),
            dict(Counter(("purchase", "duplicate" if one.duplicate_of else "fresh") for one in self.events.values())),
            dict(Counter((one.destination, one.state) for one in self.deliveries.values())),
        )


def _paused_in_all(standing: Standing, at: datetime) -> timedelta:
    if standing.paused is None or standing.paused_at is None:
        return standing.paused_for
    return standing.paused_for + max(timedelta(), at - standing.paused_at)
