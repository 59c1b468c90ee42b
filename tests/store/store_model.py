"""What a store promises, in plain Python: dictionaries, no disk, no rush, and one thought at a time.

The machine in `test_store_model.py` holds every engine against it. Not concerned with headers, texts or notes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain

from msgspec import structs

from bridge import contract
from bridge.core import json_text
from bridge.core.delivery import Attempt, DeliveryState, DeliveryUpdate
from bridge.core.model import Accepted, Event, EventNeeded, Ignored, Route, Routed, SetAside, Webhook
from bridge.store.protocol import DestinationState, Idempotency, Pacing, RetentionPolicy

WINDOW = timedelta(days=400)
REQUESTS = timedelta(hours=48)
NEVER = datetime.min.replace(tzinfo=UTC)
BACK = timedelta(minutes=1)
"""A clock that is so much behind was set back."""
DAY = timedelta(days=1)
"""So much beyond what was believed last a clock is believed at once."""
TRIAL = timedelta(hours=1)
"""After so much a clock that is further ahead is believed."""
NOTED = timedelta(seconds=10)
"""The newest time is known to so much."""


@dataclass
class KeptWebhook:
    due: datetime
    body: int
    received_at: datetime
    state: str = "received"
    looked_at: bool = False
    """Whether it was translated since it was received, and waits: until then, what waits is not decided on."""


@dataclass
class KeptEvent:
    event: Event
    duplicate_of: int | None
    created_at: datetime
    webhook: int | None


@dataclass
class KeptDelivery:
    event: int
    destination: str
    state: str
    due: datetime
    attempts: int = 0
    together: int | None = None
    token: int | None = None
    revision: int = 0
    first: datetime | None = None
    paused_at_first: timedelta = timedelta()


@dataclass
class Claim:
    destination: str
    until: datetime
    held: dict[int, datetime]


@dataclass
class Known:
    number: int
    at: datetime


@dataclass
class Model:
    inbox: list[Sequence[Webhook]] = field(default_factory=list)
    webhooks: dict[int, KeptWebhook] = field(default_factory=dict)
    identity: dict[bytes, Known] = field(default_factory=dict)
    bodies: set[int] = field(default_factory=set)
    waiting: set[tuple[bytes, int]] = field(default_factory=set)
    events: dict[int, KeptEvent] = field(default_factory=dict)
    purged: dict[int, KeptEvent] = field(default_factory=dict)
    """Events whose row was purged, and that the ledger still knows."""
    ids: dict[tuple[str, str], Known] = field(default_factory=dict)
    """Events by who gave which id."""
    called: dict[int, str] = field(default_factory=dict)
    """By which id an event goes upstream, also after its row went."""
    upstream: dict[str, Known] = field(default_factory=dict)
    conversions: dict[bytes, Known] = field(default_factory=dict)
    answers: dict[bytes, tuple[bytes, tuple[Accepted, ...], datetime]] = field(default_factory=dict)
    deliveries: dict[int, KeptDelivery] = field(default_factory=dict)
    under_way: dict[int, Claim] = field(default_factory=dict)
    standings: dict[str, DestinationState] = field(default_factory=dict)
    versions: Counter[str] = field(default_factory=Counter)
    """How often each destination's state has changed."""
    read: dict[int, tuple[int, dict[int, int]]] = field(default_factory=dict)
    """By each claim, the version of the state and the revisions of the deliveries that it was given."""
    claimed_at: dict[str, datetime] = field(default_factory=dict)
    last_due: dict[str, datetime] = field(default_factory=dict)
    newest: datetime | None = None
    believed: datetime = NEVER
    passed: timedelta = timedelta()
    """Of the trial of a clock that is far ahead."""
    tick: timedelta = timedelta()
    """What the clock that never goes back says."""
    who: int = 0
    """Which process is asked."""
    readings: dict[int, tuple[datetime, timedelta]] = field(default_factory=dict)
    claimed_log: dict[int, bool] = field(default_factory=dict)
    """Whether a process's last batch was of the ingest log.

    Then rows that are due come before the log's next webhooks.
    """
    last: Counter[str] = field(default_factory=Counter)

    def _next(self, what: str) -> int:
        self.last[what] += 1
        return self.last[what]

    # the clock

    def seen(self, now: datetime) -> None:
        """What waits is moved with a clock that was set back."""
        if self.newest is None:
            self.newest, self.believed = now - NOTED, now
        last, then = self.readings.setdefault(self.who, (now, self.tick))
        newest, doubted = self.newest, self.newest > self.believed + DAY
        if newest - BACK <= now < newest + NOTED:
            return
        if now < newest - BACK:
            self._move(newest - now, max(now, self.believed + DAY) if doubted else now)
        self.passed = self.passed if newest - BACK <= now <= newest + DAY else timedelta()
        if abs((now - last) - (self.tick - then)) <= BACK:
            self.passed += max(timedelta(), now - max(last, newest))
        if now <= self.believed + DAY or self.passed >= TRIAL:
            self.believed, self.passed = now, timedelta()
        self.newest = now
        self.readings[self.who] = now, self.tick

    def aged(self, now: datetime) -> datetime:
        """By which ages are told: a clock that is far ahead is not believed."""
        return now if self.newest is None or now <= self.believed + DAY else self.believed

    def _move(self, by: timedelta, now: datetime) -> None:
        for one in self.deliveries.values():
            if one.state == "pending":
                one.due -= by * (one.due > now)
                if one.first is not None and one.first > now:
                    one.first -= by
        for webhook in self.webhooks.values():
            if webhook.state == "received" and webhook.due > now:
                webhook.due -= by
        for claim in self.under_way.values():
            claim.until -= by * (claim.until > now)
        for old in list(self.standings.values()):
            moved = {
                what: at - by
                for what, at in (
                    ("probe_at", old.probe_at),
                    ("paused_at", old.paused_at),
                    ("held_until", old.held_until),
                )
                if at is not None and at > now
            }
            self._stand(replace(old, **moved))  # type: ignore[arg-type]
        self.claimed_at = {name: at for name, at in self.claimed_at.items() if at <= now}

    # webhooks

    def keep(self, webhooks: Sequence[Webhook]) -> None:
        self.inbox.append(webhooks)

    def sort_in(self, limit: int) -> list[tuple[int, bool]]:
        """Requests as a whole, until there are enough."""
        kept: list[tuple[int, bool]] = []
        while self.inbox and len(kept) < limit:
            body = self.last["body"] + 1
            kept += [self._sorted_in(one, body) for one in self.inbox.pop(0)]
        return kept

    def _sorted_in(self, webhook: Webhook, body: int) -> tuple[int, bool]:
        for key in webhook.identity:
            if key in self.identity:
                return self.identity[key].number, True
        number = self._next("webhook")
        self.last["body"] = body
        self.bodies.add(body)
        due = webhook.received_at if self.newest is None else min(webhook.received_at, self.newest + NOTED)
        self.webhooks[number] = KeptWebhook(due, body, webhook.received_at)
        self.identity |= {key: Known(number, webhook.received_at) for key in webhook.identity}
        return number, False

    def claim_batch(self, *, now: datetime, limit: int, lease: timedelta) -> list[int] | None:
        """The rows that are claimed; None where the batch is of the ingest log, which may be empty."""
        is_new = self.newest is None or not self.newest - BACK <= now < self.newest + NOTED
        is_due = is_new or bool(self._received(now))
        if any(self.inbox) and not (is_due and self.claimed_log.get(self.who, False)):
            self.claimed_log[self.who] = True
            return None
        self.claimed_log[self.who] = False
        if is_due and (rows := self.claim_rows(now=now, limit=limit, lease=lease)):
            return rows
        if any(self.inbox):
            self.claimed_log[self.who] = True
        return None

    def forget_claim(self, webhooks: Sequence[Webhook]) -> None:
        """A batch of the ingest log was split: the process whose turn it is claimed none; of an empty one nothing is."""
        if webhooks:
            self.claimed_log[self.who] = False

    def release(self, numbers: Sequence[int], *, now: datetime) -> None:
        for number in numbers:
            self.webhooks[number].due = now

    def claim_rows(self, *, now: datetime, limit: int, lease: timedelta) -> list[int]:
        self.seen(now)
        due = self._received(now)
        chosen = [number for _, number in sorted(due)[:limit]]
        for number in chosen:
            self.webhooks[number].due = now + lease
        return chosen

    def _received(self, now: datetime) -> list[tuple[datetime, int]]:
        received = [(one.due, number) for number, one in self.webhooks.items() if one.state == "received"]
        waits = {number for _, number in self.waiting}
        unseen = [one.received_at for one in self.webhooks.values() if one.state == "received" and not one.looked_at]
        unapplied = [one.received_at for webhooks in self.inbox for one in webhooks]
        barrier = min([self.aged(now), *unseen, *unapplied])
        return [(due, number) for due, number in received if due <= (min(now, barrier) if number in waits else now)]

    def place(
        self, results: Sequence[tuple[Routed, ...] | Ignored | SetAside | EventNeeded], *, limit: int, now: datetime
    ) -> list[tuple[int, bool, tuple[Accepted, ...]]]:
        """Sorted in, and those that are new come to their results at once; who wants an event comes last."""
        self.seen(now)
        placed: list[tuple[int, bool, tuple[Accepted, ...]]] = []
        wanting: list[tuple[int, EventNeeded]] = []
        for (number, again), result in zip(self.sort_in(limit), results, strict=True):
            accepted: tuple[Accepted, ...] = ()
            if again:
                pass
            elif isinstance(result, EventNeeded):
                self.webhooks[number].due = now
                wanting.append((number, result))
            elif isinstance(result, tuple):
                accepted = self.settle(number, "translated", result, now=now)
            else:
                self.settle(number, "ignored" if isinstance(result, Ignored) else "set_aside", (), now=now)
            placed.append((number, again, accepted))
        for number, result in wanting:
            self.postpone(number, result, now=now)
        return placed

    def settle(self, number: int, state: str, events: Sequence[Routed], *, now: datetime) -> tuple[Accepted, ...]:
        if number not in self.webhooks or self.webhooks[number].state != "received":
            return tuple(self._known(one.event) or Accepted(one.event.id) for one in events)
        self.webhooks[number].state = state
        self.waiting = {one for one in self.waiting if one[1] != number}
        return tuple(self._take(one, now=now, webhook=number) for one in events)

    def replay(self, number: int, *, now: datetime) -> int | None:
        """None where its body is gone."""
        one = self.webhooks[number]
        if one.body not in self.bodies:
            return None
        if one.state == "received":
            return 0
        one.state, one.due, one.looked_at = "received", now, False
        return 1

    def recall(self, keys: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        return {key: [self._text(number)] for key in keys if (number := self._holder(key))}

    def _text(self, number: int) -> bytes:
        """What is known of an event whose row was purged is its order; of a duplicate it is the original's."""
        one = self.events.get(number) or self.purged[number]
        if one.duplicate_of is not None and (one.duplicate_of in self.events or one.duplicate_of in self.purged):
            return self._text(one.duplicate_of)
        if number in self.purged:
            properties = {
                "order_id": one.event.order_id,
                "value": None if one.event.value is None else Decimal(one.event.value),
                "currency": one.event.currency,
            }
            kept = {name: each for name, each in properties.items() if each is not None}
            return json_text.write_json({"event_type": one.event.event_type, "properties": kept})
        event = self.events[number].event
        return event.text if self.called[number] == event.id else contract.rename_event(event, self.called[number]).text

    def postpone(self, number: int, wanting: EventNeeded, *, now: datetime) -> None:
        one = self.webhooks[number]
        if one.state != "received":
            return
        one.looked_at = True
        if any(map(self._holder, wanting.keys)):
            one.due = now
        else:
            one.due = min(wanting.until, now + max(timedelta(), wanting.until - one.received_at))
            before = {one for one in self.waiting if one[1] == number}  # decided anew, it waits for something else
            self.waiting = self.waiting - before | {(key, number) for key in wanting.keys}

    def _holder(self, key: bytes) -> int | None:
        return (
            self.conversions[key].number
            if key in self.conversions and self.conversions[key].number in self.events | self.purged
            else None
        )

    def _wake(self, keys: Sequence[bytes], *, now: datetime) -> None:
        for key, number in sorted(self.waiting):
            if key in keys:
                self.webhooks[number].due = min(self.webhooks[number].due, now)
                self.waiting.discard((key, number))

    # events

    def accept(
        self, events: Sequence[Routed], *, now: datetime, idempotency: Idempotency | None
    ) -> tuple[Accepted, ...] | None:
        """None for a conflict."""
        self.seen(now)
        if idempotency and idempotency.key in self.answers:
            body, answer, _ = self.answers[idempotency.key]
            return answer if body == idempotency.body_hash else None
        answer = tuple(self._take(one, now=now) for one in events)
        if idempotency:
            self.answers[idempotency.key] = (idempotency.body_hash, answer, now)
        return answer

    def _known(self, event: Event) -> Accepted | None:
        if (within(event), event.id) not in self.ids:
            return None
        number = self.ids[within(event), event.id].number
        first = self.events.get(number)
        original = first.duplicate_of if first else None
        return accepted(event, self.called[number], None if original is None else self._called(original))

    def _called(self, number: int) -> str:
        return self.called[number] if number in self.events else f"gone:{number}"

    def _free_id(self, event: Event, *, now: datetime) -> str:
        """What it was given, or the first that is made of it and names no event that is remembered."""
        for name in chain([event.id], contract.other_ids(within(event), event.id)):
            if name not in self.upstream or self.upstream[name].at <= self.aged(now) - WINDOW:
                return name
        raise AssertionError

    def _take(self, routed: Routed, *, now: datetime, webhook: int | None = None) -> Accepted:
        event = routed.event
        known = self._known(event)
        if known:
            return known
        number = self._next("event")
        held = {key: self.conversions[key].number for key in event.conversion_keys if self._is_taken(key, now=now)}
        original = min(held.values(), default=None)
        self.events[number] = KeptEvent(event, original, now, webhook)
        self.called[number] = called = self._free_id(event, now=now)
        self.upstream[called] = Known(number, now)
        self.ids |= {(within(event), name): Known(number, now) for name in (event.id, called)}
        self._wake(event.conversion_keys, now=now)
        for key in event.conversion_keys:
            if key not in held:
                self.conversions[key] = Known(original or number, now)
        if original:
            return accepted(event, called, self._called(original))
        for route in routed.routes:
            self._deliver(number, route, now=now)
        return accepted(event, called, None)

    def _is_taken(self, key: bytes, *, now: datetime) -> bool:
        return key in self.conversions and self.conversions[key].at > self.aged(now) - WINDOW

    def _deliver(self, event: int, route: Route, *, now: datetime) -> None:
        due = now
        if route.skip is None:
            last = self.last_due.get(route.destination, now)
            self.last_due[route.destination] = due = last if now < last <= now + BACK else now
        state = "pending" if route.skip is None else "skipped"
        self.deliveries[self._next("delivery")] = KeptDelivery(event, route.destination, state, due)

    def _delivery_of(self, event: int, destination: str) -> KeptDelivery | None:
        found = [one for one in self.deliveries.values() if (one.event, one.destination) == (event, destination)]
        return found[0] if found else None

    def give(self, destination: str, event: int, skip: str | None, *, now: datetime) -> int:
        if self.events[event].duplicate_of or self._delivery_of(event, destination):
            return 0
        self._deliver(event, Route(destination, skip), now=now)
        return 1

    def due_at(self, number: int) -> datetime:
        """When it is tried next; while it is claimed, when its lease is over."""
        return self.deliveries[number].due

    def ungiven(self, destination: str) -> list[int]:
        there = {one.event for one in self.deliveries.values() if one.destination == destination}
        return [number for number, one in self.events.items() if not one.duplicate_of and number not in there]

    def revise(self, webhook: int, events: Sequence[Routed], *, now: datetime) -> int:
        self.seen(now)
        return sum(self._revised(webhook, one, now=now) for one in events)

    def _revised(self, webhook: int, routed: Routed, *, now: datetime) -> int:
        event = routed.event
        same = [n for n, one in self.events.items() if (one.event.origin, one.event.id) == (event.origin, event.id)]
        names = {route.destination for route in routed.routes if route.skip is None}
        if not same:
            before = self.last["delivery"]
            self._take(routed, now=now, webhook=webhook)
            return sum(one.state == "pending" for n, one in self.deliveries.items() if n > before)
        number = max(same)  # there may be an older one that the ledger has forgotten
        self.events[number].event = structs.replace(self.events[number].event, text=event.text)
        if self.events[number].duplicate_of:
            return 0
        for name in names:
            self._end_leases(name, now=now)
        mine = {n: one for n, one in self.deliveries.items() if one.event == number and one.destination in names}
        for mine_number, one in mine.items():
            one.revision += 1
            if not (one.state == "pending" and self._is_held(mine_number, now=now)):
                one.state, one.due, one.together, one.first, one.token = "pending", now, None, None, None
        before = self.last["delivery"]
        for route in routed.routes:
            if self._delivery_of(number, route.destination) is None:
                self._deliver(number, route, now=now)
        return len(mine) + sum(one.state == "pending" for n, one in self.deliveries.items() if n > before)

    # deliveries

    def destination_state(self, destination: str) -> DestinationState:
        return self.standings.get(destination, DestinationState(destination))

    def _stand(self, after: DestinationState) -> None:
        if after != self.destination_state(after.destination):
            self.versions[after.destination] += 1
        self.standings[after.destination] = after

    def claim(self, token: int, destination: str, *, now: datetime, pacing: Pacing) -> list[tuple[int, timedelta]]:
        """What is claimed, each with the time it was tried for; `token` is the name the claim would have."""
        self.seen(now)
        limit = self._limit(destination, now=now, pacing=pacing)
        due = sorted(
            (one.due, number)
            for number, one in self.deliveries.items()
            if one.destination == destination and one.state == "pending" and one.due <= now
            if not self._is_held(number, now=now)
        )[:limit]
        if not due:
            return []
        together = self.deliveries[due[0][1]].together
        chosen = [number for _, number in due if self.deliveries[number].together == together][:together]
        self._hold(token, destination, chosen, now=now, until=now + pacing.lease)
        self.claimed_at[destination] = now
        destination_state = self.destination_state(destination)
        if destination_state.paused:
            self._stand(replace(destination_state, probe_at=now + pacing.lease))
        revisions = {number: self.deliveries[number].revision for number in chosen}
        self.read[token] = self.versions[destination], revisions
        return [(number, self._tried_for(number, destination_state, now=self.aged(now))) for number in chosen]

    def _limit(self, destination: str, *, now: datetime, pacing: Pacing) -> int:
        destination_state = self.destination_state(destination)
        concurrency = sum(one.destination == destination and one.until > now for one in self.under_way.values())
        last = self.claimed_at.get(destination)
        if concurrency >= pacing.concurrency or (last is not None and -BACK < now - last < pacing.spacing):
            return 0
        if destination_state.held_until and destination_state.held_until > now:
            return 0
        if destination_state.paused:
            return 1 if destination_state.probe_at and destination_state.probe_at <= now else 0
        return pacing.limit

    def _hold(self, token: int, destination: str, chosen: Sequence[int], *, now: datetime, until: datetime) -> None:
        """A claim whose lease is over is forgotten with what it held, when the next one is made."""
        self.under_way = {
            name: one for name, one in self.under_way.items() if one.destination != destination or one.until > now
        }
        self.last["token"] = token
        self.under_way[token] = Claim(destination, until, {number: self.deliveries[number].due for number in chosen})
        for number in chosen:
            self.deliveries[number].due = until
            self.deliveries[number].token = token

    def _is_held(self, number: int, *, now: datetime) -> bool:
        """Whether a claim holds it whose lease is not over."""
        one = self.deliveries[number]
        return one.token is not None and one.due > now

    def _holds(self, token: int, number: int) -> bool:
        """Whether no later claim has it."""
        return self.deliveries[number].token == token

    def _end_leases(self, destination: str, *, now: datetime) -> None:
        """Claims whose lease is over end when the next one is made."""

    def _tried_for(self, number: int, destination_state: DestinationState, *, now: datetime) -> timedelta:
        one = self.deliveries[number]
        if one.first is None:
            return timedelta()
        return max(timedelta(), now - one.first - (_paused_in_all(destination_state, now) - one.paused_at_first))

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
        self.seen(now)
        if version != self.versions[after.destination]:
            return False
        paused = _paused_in_all(self.destination_state(made.destination), made.started_at)
        for one in settled:
            if one.number in self.deliveries:
                self._recorded(token, made, self._as_of_now(token, one), paused=paused, now=now)
        self._end_claim(token, {one.number for one in settled}, now=now)
        self._stand(after)
        return True

    def _end_claim(self, token: int, sent: set[int], *, now: datetime) -> None:
        """What it held and did not send is due as before."""
        claim = self.under_way.pop(token, None)
        for number, due in claim.held.items() if claim else ():
            mine = self.deliveries.get(number)
            if mine and number not in sent and mine.token == token and mine.state == "pending":
                mine.due, mine.token = min(due, now), None

    def _as_of_now(self, token: int, one: DeliveryUpdate) -> DeliveryUpdate:
        """With an older text than its event has, nothing is settled but a wait."""
        _, revisions = self.read[token]
        if self.deliveries[one.number].revision == revisions[one.number] or one.state is DeliveryState.PENDING:
            return one
        return DeliveryUpdate(one.number, DeliveryState.PENDING)

    def _recorded(self, token: int, made: Attempt, one: DeliveryUpdate, *, paused: timedelta, now: datetime) -> None:
        mine = self.deliveries[one.number]
        if self._holds(token, one.number) and mine.state == "pending":
            if mine.first is None:
                mine.first, mine.paused_at_first = made.started_at, paused
            mine.state, mine.together, mine.token = one.state, one.together, None
            mine.due = one.next_attempt_at or now
            mine.attempts += made.counted
        elif one.state is DeliveryState.DELIVERED and mine.state in ("pending", "dead"):
            mine.state, mine.together, mine.token = "delivered", None, None
            mine.attempts += made.counted

    def retry(self, number: int, *, now: datetime) -> int:
        one = self.deliveries[number]
        if one.state == "dead":
            one.state, one.due, one.together, one.first = "pending", now, None, None
        elif one.state == "pending" and not self._is_held(number, now=now):
            one.due = min(one.due, now)
        else:
            return 0
        destination_state = self.destination_state(one.destination)
        if destination_state.paused:
            self._stand(replace(destination_state, probe_at=now))
        return 1

    # what was kept long enough

    def purge(self, keeping: RetentionPolicy, *, now: datetime) -> int:
        """A whole sweep, in the order of the tables; how many rows of webhooks, events and bodies went."""
        if self.aged(now) < now:
            return 0
        before = len(self.webhooks) + len(self.events) + len(self.bodies)
        old = now - keeping.events
        pending = {one.event for one in self.deliveries.values() if one.state == "pending"}
        gone = {n: one for n, one in self.events.items() if one.created_at <= old and n not in pending}
        self.purged |= {n: one for n, one in gone.items() if one.event.conversion_keys}
        self.events = {n: one for n, one in self.events.items() if n not in gone}
        self.deliveries = {n: one for n, one in self.deliveries.items() if one.event in self.events}
        needed = {one.webhook for one in self.events.values()}
        self.webhooks = {
            n: one
            for n, one in self.webhooks.items()
            if one.received_at > old or one.state == "received" or n in needed
        }
        self.bodies &= {
            one.body
            for one in self.webhooks.values()
            if one.received_at > now - keeping.bodies or one.state in {"received", "set_aside"}
        }
        self.identity = {key: one for key, one in self.identity.items() if one.at > now - keeping.ledger}
        self.ids = {name: one for name, one in self.ids.items() if one.at > now - keeping.ledger}
        self.upstream = {name: one for name, one in self.upstream.items() if one.at > now - keeping.ledger}
        self.conversions = {key: one for key, one in self.conversions.items() if one.at > now - keeping.ledger}
        self.purged = {n: one for n, one in self.purged.items() if one.created_at > now - keeping.ledger}
        self.answers = {key: one for key, one in self.answers.items() if one[2] > now - REQUESTS}
        return before - len(self.webhooks) - len(self.events) - len(self.bodies)

    # questions

    def counts(self) -> tuple[dict[tuple[str, str], int], ...]:
        return (
            dict(Counter(("shopify", one.state) for one in self.webhooks.values())),
            dict(Counter(("purchase", "duplicate" if one.duplicate_of else "fresh") for one in self.events.values())),
            dict(Counter((one.destination, one.state) for one in self.deliveries.values())),
        )


def within(event: Event) -> str:
    """What its id is unique in."""
    return event.id_scope or event.origin


def accepted(event: Event, called: str, original: str | None) -> Accepted:
    """What is said of an event that is called so."""
    return Accepted(called, original, event.id if called != event.id else None)


def _paused_in_all(destination_state: DestinationState, at: datetime) -> timedelta:
    if destination_state.paused is None or destination_state.paused_at is None:
        return destination_state.paused_for
    return destination_state.paused_for + max(timedelta(), at - destination_state.paused_at)
