"""The machine that tells a store and its model the same; `test_store_model.py` runs it over the engines."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from msgspec import structs
from msgspec.structs import replace as replaced
from store_made import LEASE, NOW, SECOND, attempt, complete, event, key, order, webhook
from store_model import WINDOW, Model

from bridge.core.delivery import DeliveryState, DeliveryUpdate
from bridge.core.errors import BodyGone, IdempotencyConflict
from bridge.core.model import EventNeeded, Ignored, Kept, Route, Routed, SetAside
from bridge.store.in_steps import replay_all, retry_all
from bridge.store.protocol import (
    Batch,
    ClaimedDeliveries,
    DestinationState,
    Idempotency,
    Outcome,
    Pacing,
    RetentionPolicy,
    RowFilter,
    Store,
)

T = TypeVar("T")
KEEPINGS = (
    RetentionPolicy(bodies=5 * SECOND, events=10 * SECOND, ledger=WINDOW),
    RetentionPolicy(bodies=timedelta(), events=timedelta(), ledger=40 * SECOND),
    RetentionPolicy(bodies=timedelta(), events=timedelta(days=2), ledger=WINDOW),
)

WHO = (("key:web", "scope:track"), ("key:app", "scope:track"), ("key:pos", "scope:pos"), ("source:shopify", ""))
"""Doors, and what their ids are unique in."""

few = st.integers(0, 3)
destinations = st.sampled_from(["track", "track", "track", "ads"])
identities = st.lists(st.integers(0, 8).map(lambda n: key(str(n))), min_size=1, max_size=2, unique=True)
orders = st.lists(st.integers(0, 9).map(lambda n: order(str(n))), max_size=2)
routes = st.lists(
    st.builds(Route, destinations, st.sampled_from([None, None, None, "test event"])),
    max_size=2,
    unique_by=lambda one: one.destination,
).map(tuple)
events = st.lists(
    st.builds(
        lambda name, conversion_keys, who, to: Routed(
            replaced(event(f"evt_{name}", *conversion_keys, origin=who[0]), id_scope=who[1]), to
        ),
        st.integers(0, 40),
        orders,
        st.sampled_from(WHO),
        routes,
    ),
    max_size=3,
)
pacings = st.builds(
    Pacing,
    limit=st.integers(1, 4),
    concurrency=st.integers(1, 2),
    spacing=st.sampled_from([timedelta(), timedelta(), 2 * SECOND]),
    lease=st.just(20 * SECOND),
)


def result(kind: int, made: list[Routed]) -> tuple[Routed, ...] | Ignored | SetAside | EventNeeded:
    match kind:
        case 1:
            return Ignored("no")
        case 2:
            return SetAside("x.yaml:1:1")
        case _:
            return tuple(made)


class StoreMachine(RuleBasedStateMachine):
    """One store, opened twice, and its model, told the same."""

    model: Model

    def begin_with(self, model: Model) -> None:
        """Open the store and begin; who overrides this has made what `opened` needs."""
        self.runner = asyncio.Runner()
        self.model = model
        self.stores = {who: self.opened(who) for who in range(2)}
        self.now = NOW
        self.names = 0
        self.claimed: list[ClaimedDeliveries] = []
        self.tokens = 0

    def opened(self, who: int) -> Store:
        """A process that was just started."""
        raise NotImplementedError

    def number_in_model(self, kind: str, number: int) -> int:
        """The model's number of a row that has this one in the store; `kind` is the row's table."""
        del kind
        return number

    def number_in_store(self, kind: str, number: int) -> int:
        """The store's number of a row that has this one in the model."""
        del kind
        return number

    def teardown(self) -> None:
        with suppress(AttributeError):
            for store in self.stores.values():
                self.done(store.close())
            self.runner.close()

    @property
    def store(self) -> Store:
        """The one whose turn it is: each verb comes to another one than the verb before."""
        self.model.who = 1 - self.model.who
        return self.stores[self.model.who]

    def done(self, asked: Awaitable[T]) -> T:
        async def waited() -> T:
            return await asked

        return self.runner.run(waited())

    @rule(length=st.sampled_from([1, 1, 1, 3, 3, 20, 20, 1500, WINDOW.total_seconds() - 30]))
    def time_goes_by(self, length: float) -> None:
        self.now += timedelta(seconds=length)
        self.model.tick += timedelta(seconds=length)

    @rule(which=st.integers(0, 1))
    def one_is_closed_and_opened(self, which: int) -> None:
        self.done(self.stores[which].close())
        self.model.readings.pop(which, None)
        self.model.claimed_log.pop(which, None)
        self.stores[which] = self.opened(which)

    @rule(several=st.lists(identities, min_size=1, max_size=2))
    def keep(self, several: list[list[bytes]]) -> None:
        self.names += 1
        given = [structs.replace(webhook(str(self.names), at=self.now), identity=tuple(keys)) for keys in several]
        self.done(self.store.keep(given))
        self.model.keep(given)

    def claim_batch(self, limit: int) -> tuple[Batch, bool]:
        """A batch, and whether it is of rows."""
        batch = self.done(self.store.claim_batch(now=self.now, limit=limit, lease=LEASE))
        rows = self.model.claim_batch(now=self.now, limit=limit, lease=LEASE)
        numbers = [self.number_in_model("webhooks", one.number) for one in batch.webhooks if one.number]
        assert numbers == (rows or [])
        return batch, rows is not None

    @rule(limit=st.integers(1, 3))
    def split(self, limit: int) -> None:
        batch, is_of_rows = self.claim_batch(limit)
        kept = self.done(self.store.split_batch(batch, now=self.now))
        if is_of_rows:
            assert kept == ()
            self.model.release([self.number_in_model("webhooks", one.number) for one in batch.webhooks], now=self.now)
        else:
            self.model.forget_claim(batch.webhooks)
            assert self.in_model(kept) == self.model.sort_in(limit)

    @rule(
        limit=st.integers(1, 3),
        made=st.lists(events, min_size=4, max_size=4),
        what=st.lists(st.integers(0, 4), min_size=4, max_size=4),
        wanted=st.integers(0, 9),
        late=st.booleans(),
    )
    def translate(self, *, limit: int, made: list[list[Routed]], what: list[int], wanted: int, late: bool) -> None:
        batch, is_of_rows = self.claim_batch(limit)
        wanting = EventNeeded((order(str(wanted)),), "purchase", self.now + 30 * SECOND)
        results = [wanting if kind == 4 else result(kind, some) for some, kind in zip(made, what, strict=True)]
        outcomes = [Outcome(one, result) for one, result in zip(batch.webhooks, results, strict=False)]
        if is_of_rows:
            self.settle([one for one, kind in zip(outcomes, what, strict=False) if kind != 3])  # that one's lease ends
            return
        if late:  # another process has split it
            split = self.done(self.store.split_batch(batch, now=self.now))
            self.model.forget_claim(batch.webhooks)
            assert self.in_model(split) == self.model.sort_in(limit)
        completed = self.done(self.store.complete_batch(batch, outcomes, now=self.now))
        if late and outcomes:
            self.model.seen(self.now)
            assert completed is None
            return
        assert completed is not None
        expected = self.model.place([outcome.result for outcome in outcomes], limit=limit, now=self.now)
        kept = self.in_model([one.kept for one in completed])
        assert [(*one, done.accepted) for one, done in zip(kept, completed, strict=True)] == expected

    def in_model(self, kept: Sequence[Kept]) -> list[tuple[int, bool]]:
        """What is said of webhooks, by the model's numbers."""
        return [(self.number_in_model("webhooks", one.number), one.is_known) for one in kept]

    @precondition(lambda self: self.model.webhooks)
    @rule(which=st.integers(0, 99), made=events)
    def settle_without_a_claim(self, which: int, made: list[Routed]) -> None:
        number = self.number_in_store("webhooks", one_of(self.model.webhooks, which))
        self.settle([Outcome(structs.replace(webhook("late"), number=number), tuple(made))])

    def settle(self, outcomes: list[Outcome]) -> None:
        said = self.done(complete(self.store, outcomes, now=self.now))
        self.model.seen(self.now)
        expected = []
        for one in outcomes:
            number = self.number_in_model("webhooks", one.webhook.number)
            match one.result:
                case Ignored():
                    expected.append(self.model.settle(number, "ignored", (), now=self.now))
                case SetAside():
                    expected.append(self.model.settle(number, "set_aside", (), now=self.now))
                case EventNeeded():
                    self.model.postpone(number, one.result, now=self.now)
                    expected.append(())
                case made:
                    expected.append(self.model.settle(number, "translated", made, now=self.now))
        assert said == tuple(expected)

    @precondition(lambda self: self.model.webhooks)
    @rule(which=st.integers(0, 99))
    def replay(self, which: int) -> None:
        number = one_of(self.model.webhooks, which)
        expected = self.model.replay(number, now=self.now)
        asked = replay_all(self.store, RowFilter(ids=(f"wh_{self.number_in_store('webhooks', number)}",)), now=self.now)
        if expected is None:
            with pytest.raises(BodyGone):
                self.done(asked)
        else:
            assert self.done(asked) == expected

    @precondition(lambda self: self.model.webhooks)
    @rule(which=st.integers(0, 99), wanted=st.integers(0, 9), wait=st.sampled_from([0, 30, 3600]))
    def postpone(self, which: int, wanted: int, wait: int) -> None:
        number = self.number_in_store("webhooks", one_of(self.model.webhooks, which))
        wanting = EventNeeded((order(str(wanted)),), "purchase", self.now + wait * SECOND)
        self.settle([Outcome(structs.replace(webhook("late"), number=number), wanting)])

    @precondition(lambda self: self.model.webhooks)
    @rule(which=st.integers(0, 99), made=events, text=st.integers(0, 9))
    def revise(self, which: int, made: list[Routed], text: int) -> None:
        number = one_of(self.model.webhooks, which)
        new = [structs.replace(one, event=structs.replace(one.event, text=b'{"n":%d}' % text)) for one in made]
        said = self.done(self.store.rewrite_events(self.number_in_store("webhooks", number), new, now=self.now))
        assert said == self.model.revise(number, new, now=self.now)

    @rule(keeping=st.sampled_from(KEEPINGS))
    def purge(self, keeping: RetentionPolicy) -> None:
        store = self.store  # each process sweeps on its own
        taken = Counter[str]()
        more = True
        while more:
            swept = self.done(store.purge(keeping, now=self.now, limit=1000))
            self.model.seen(self.now)
            taken[swept.kind] += swept.taken
            more = swept.more
        gone = taken["events"] + taken["webhooks"] + taken["bodies"]
        assert gone == self.model.purge(keeping, now=self.now)

    @rule(
        made=events,
        idempotency=st.one_of(
            st.none(), st.builds(lambda a, b: Idempotency(key(str(a)), b), few, st.sampled_from([b"a" * 32, b"b" * 32]))
        ),
    )
    def accept(self, made: list[Routed], idempotency: Idempotency | None) -> None:
        asked = self.store.accept_events(made, now=self.now, idempotency=idempotency)  # it is this one's turn
        expected = self.model.accept(made, now=self.now, idempotency=idempotency)
        if expected is None:
            with pytest.raises(IdempotencyConflict):
                self.done(asked)
        else:
            assert self.done(asked) == expected

    @rule(destination=destinations, pacing=pacings)
    def claim(self, destination: str, pacing: Pacing) -> None:
        self.claim_for(destination, pacing)

    def claim_for(self, destination: str, pacing: Pacing) -> None:
        asked = self.store.claim_deliveries(destination, now=self.now, pacing=pacing)
        self.model.seen(self.now)
        destination_state = self.model.destination_state(destination)
        found = self.done(asked)
        token = found.token if found else 0
        expected = self.model.claim(token, destination, now=self.now, pacing=pacing)
        if found:
            numbers = [self.number_in_model("deliveries", one.number) for one in found.deliveries]
            assert [(number, one.tried_for) for number, one in zip(numbers, found.deliveries, strict=True)] == expected
            assert found.destination_state == destination_state
            mine = [self.model.deliveries[number] for number, _ in expected]
            assert [(one.attempts, one.together) for one in found.deliveries] == [
                (one.attempts, one.together) for one in mine
            ]
            assert found.token > self.tokens
            self.tokens = found.token
            self.claimed.append(found)
        else:
            assert expected == []

    @precondition(lambda self: self.claimed)
    @rule()
    def a_lease_runs_out_and_another_claims(self) -> None:
        self.now += 20 * SECOND
        pacing = Pacing(limit=4, concurrency=9, spacing=timedelta(), lease=20 * SECOND)
        self.claim_for(self.claimed[-1].destination_state.destination, pacing)

    @precondition(lambda self: self.claimed)
    @rule(
        which=st.integers(0, 99),
        sent=st.integers(0, 4),
        how=st.lists(st.sampled_from(DeliveryState), min_size=4, max_size=4),
        wait=st.sampled_from([None, 1, 30]),
        together=st.sampled_from([None, None, 1, 2]),
        counted=st.booleans(),
        destination_state=st.sampled_from(["same", "same", "fresh", "paused", "broken", "held"]),
    )
    def record(  # noqa: PLR0913  all that can differ
        self,
        *,
        which: int,
        sent: int,
        how: list[DeliveryState],
        wait: int | None,
        together: int | None,
        destination_state: str,
        counted: bool,
    ) -> None:
        claimed = self.claimed.pop(which % len(self.claimed))
        destination = claimed.destination_state.destination
        settled = [
            DeliveryUpdate(
                one.number,
                state,
                reason="why",
                next_attempt_at=None if wait is None else self.now + wait * SECOND,
                together=together,
            )
            for one, state in zip(claimed.deliveries[:sent], how, strict=False)
            if state is not DeliveryState.SKIPPED
        ]
        made = replace(attempt(at=self.now, counted=counted), destination=destination)
        after = {
            "same": claimed.destination_state,
            "fresh": DestinationState(destination, paused_for=claimed.destination_state.paused_for + 7 * SECOND),
            "paused": DestinationState(destination, "401", self.now, self.now + 5 * SECOND, 1),
            "broken": DestinationState(destination, failures=3, rejected=2),
            "held": DestinationState(destination, held_until=self.now + 9 * SECOND),
        }[destination_state]
        after = replace(after, version=claimed.destination_state.version)
        version, _ = self.model.read[claimed.token]
        told = [replaced(one, number=self.number_in_model("deliveries", one.number)) for one in settled]
        recorded = self.done(self.store.record_attempt(claimed, made, settled, after, now=self.now))
        assert recorded == self.model.record(claimed.token, made, told, after, version=version, now=self.now)
        if not recorded:  # it is decided again, and recorded
            after = replace(after, version=self.done(self.store.destination_state(destination, now=self.now)).version)
            assert self.done(self.store.record_attempt(claimed, made, settled, after, now=self.now))
            version = self.model.versions[destination]
            assert self.model.record(claimed.token, made, told, after, version=version, now=self.now)

    @precondition(lambda self: self.model.deliveries)
    @rule(which=st.integers(0, 99))
    def retry(self, which: int) -> None:
        number = one_of(self.model.deliveries, which)
        said = self.done(
            retry_all(self.store, RowFilter(ids=(f"dlv_{self.number_in_store('deliveries', number)}",)), now=self.now)
        )
        assert said == self.model.retry(number, now=self.now)

    @precondition(lambda self: self.model.events)
    @rule(which=st.integers(0, 99), destination=destinations, skip=st.sampled_from([None, "not a test event"]))
    def give(self, which: int, destination: str, skip: str | None) -> None:
        number = one_of(self.model.events, which)
        said = self.done(
            self.store.create_deliveries(destination, [(self.number_in_store("events", number), skip)], now=self.now)
        )
        assert said == self.model.give(destination, number, skip, now=self.now)

    @rule()
    def look(self) -> None:
        counts = self.done(self.store.state_counts())
        assert (counts.webhooks, counts.events, counts.deliveries) == self.model.counts()
        assert counts.unapplied == sum(map(len, self.model.inbox))
        webhooks = self.done(self.store.webhooks(RowFilter()))
        assert [(row.id, row.state) for row in reversed(webhooks)] == [
            (f"wh_{self.number_in_store('webhooks', number)}", one.state) for number, one in self.model.webhooks.items()
        ]
        keys = [order(str(n)) for n in range(10)]
        known = self.done(self.store.recall_events(keys))
        assert {key: [one.text for one in each] for key, each in known.items()} == self.model.recall(keys)
        rows = self.done(self.store.deliveries(RowFilter()))
        assert [(row.state, row.attempts, row.next_attempt_at) for row in reversed(rows)] == [
            (one.state, one.attempts, self.model.due_at(number) if one.state == "pending" else None)
            for number, one in self.model.deliveries.items()
        ]
        for name in ("track", "ads"):
            assert self.done(self.store.destination_state(name, now=self.now)) == self.model.destination_state(name)
            found = self.done(self.store.events_without_delivery(name, after=0, limit=99))
            assert [self.number_in_model("events", one.number) for one in found] == self.model.ungiven(name)


def one_of(rows: Mapping[int, object], which: int) -> int:
    """The number of one of them."""
    return sorted(rows)[which % len(rows)]
